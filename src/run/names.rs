//! What events are called, wherever one is shown, stored or asked for.

use super::event::Kind;

impl Kind {
    /// All names, in the order in which a run may come to them.
    pub const NAMES: &[&str] = &[
        "run_started",
        "run_resumed",
        "run_reopened",
        "run_paused",
        "run_continued",
        "plan_replaced",
        "step_asked",
        "step_answered",
        "step_claimed",
        "step_blocked",
        "step_unblocked",
        "step_queued",
        "step_started",
        "step_stopping",
        "step_timeout",
        "step_finished",
        "step_retry",
        "step_settled",
        "run_stopping",
        "rollback_started",
        "step_undone",
        "cleanup_started",
        "run_finished",
    ];

    /// The event's name: its tag in the record.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::RunStarted { .. } => "run_started",
            Kind::RunResumed { .. } => "run_resumed",
            Kind::RunReopened { .. } => "run_reopened",
            Kind::RunPaused { .. } => "run_paused",
            Kind::RunContinued => "run_continued",
            Kind::PlanReplaced { .. } => "plan_replaced",
            Kind::StepAsked { .. } => "step_asked",
            Kind::StepAnswered { .. } => "step_answered",
            Kind::StepClaimed { .. } => "step_claimed",
            Kind::StepBlocked { .. } => "step_blocked",
            Kind::StepUnblocked { .. } => "step_unblocked",
            Kind::StepStarted { .. } => "step_started",
            Kind::StepQueued { .. } => "step_queued",
            Kind::StepStopping { .. } => "step_stopping",
            Kind::StepTimeout { .. } => "step_timeout",
            Kind::StepFinished { .. } => "step_finished",
            Kind::StepRetry { .. } => "step_retry",
            Kind::StepSettled { .. } => "step_settled",
            Kind::RunStopping { .. } => "run_stopping",
            Kind::RollbackStarted { .. } => "rollback_started",
            Kind::StepUndone { .. } => "step_undone",
            Kind::CleanupStarted => "cleanup_started",
            Kind::RunFinished { .. } => "run_finished",
        }
    }
}
