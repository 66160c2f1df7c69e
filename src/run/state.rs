pub struct RunState;
pub struct IllegalEvent;
pub enum RunPhase {}
pub enum StepState {}
