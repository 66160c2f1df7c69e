//! What a run knows of one step: where it stands, and what has been made of it.

use super::event::{Exit, Holder, Millis, Outcome, Reason, Role, Seq, Stop};
use super::freshness::{Fresh, Freshness};
use super::last::Last;

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It is in the plan and takes no part in this run; it only passes order on.
    Absent,
    /// It waits: for other steps, or for its turn.
    Pending,
    /// A person was asked whether it may run, or, where that is the role, be
    /// remedied. Ends with the answer, or when nobody has given one for too long.
    Asked { role: Role, since: Millis },
    /// The log says that this attempt may start. Ends when it does, or is no longer wanted.
    Claimed {
        role: Role,
        attempt: u32,
        claimed: Seq,
    },
    /// A claimed attempt waits for something that another run holds.
    Blocked {
        role: Role,
        attempt: u32,
        by: Box<Obstacle>,
    },
    /// The attempt's program runs.
    Running {
        role: Role,
        attempt: u32,
        since: Millis,
    },
    /// The attempt failed, or was a remedy and ended in whatever way; nothing is
    /// decided yet.
    Failing { role: Role, attempt: u32 },
    /// This attempt follows at the given time.
    Backoff {
        role: Role,
        attempt: u32,
        not_before: Millis,
    },
    /// Over. The reason is absent where the attempt's own end says it all.
    Settled {
        outcome: Outcome,
        reason: Option<Box<Reason>>,
    },
}

/// What keeps a claimed attempt from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The event with which the attempt was claimed.
    pub claimed: Seq,
    /// What another run holds, and who that is.
    pub on: Box<str>,
    pub holder: Option<Holder>,
}

/// Everything a run knows of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    pub state: StepState,
    /// Attempts claimed so far (for the step itself, not for undoing it).
    pub attempts: u32,
    /// How many of them do not count: made before the run was reopened, or interrupted.
    pub forgiven: u32,
    /// How many attempts were lost since the run began or was reopened. None of them counts.
    pub lost: u32,
    /// A person has agreed.
    pub confirmed: bool,
    /// A person has declined, and this is who.
    pub declined: Option<Box<str>>,
    /// The current attempt has been told to stop.
    pub stopping: Option<Stop>,
    /// The executor has the claimed attempt; it may start at any moment.
    pub handed: bool,
    /// When its first program started; 0 before.
    pub started_at: Millis,
    /// When it settled; 0 before.
    pub ended_at: Millis,
    /// How the last attempt ended.
    pub last: Last,
    /// Whether it is fresh, as far as this engine knows.
    pub(super) probe: Probe,
    /// What has been done against its failure. Of most steps there is nothing to tell.
    pub(super) mending: Option<Box<Mending>>,
    /// How far taking it back has come. Of most steps there is nothing to tell.
    pub(super) undo: Option<Box<UndoState>>,
    /// Attempts at undoing it so far.
    pub undo_attempts: u32,
}

/// What an engine knows of a step's freshness. It is about the engine alone, since
/// the next one must look anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Nobody has looked.
    #[default]
    None,
    /// Somebody looks.
    Out,
    Told(Box<Freshness>),
}

/// What has been done against a step's failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mending {
    /// Remedies claimed so far.
    pub attempts: u32,
    /// How many of them do not count: made before the run was reopened, or interrupted.
    pub forgiven: u32,
    /// How many were made before the run was reopened.
    pub before: u32,
    /// A person has agreed to the next one.
    pub agreed: bool,
    /// A person has declined it, and this is who.
    pub declined: Option<Box<str>>,
    /// How the last one ended, and whether that was well.
    pub last: Option<(Exit, bool)>,
}

impl Mending {
    /// How many have been made that count.
    pub fn times(&self) -> u32 {
        self.attempts - self.forgiven
    }
}

/// How far taking a step back has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UndoState {
    #[default]
    None,
    Claimed {
        attempt: u32,
        claimed: Seq,
    },
    Blocked {
        attempt: u32,
        by: Box<Obstacle>,
    },
    Running {
        attempt: u32,
        since: Millis,
    },
    Failing {
        attempt: u32,
        exit: Exit,
    },
    Backoff {
        attempt: u32,
        not_before: Millis,
    },
    /// The attempt ended well, which is still to be recorded of the step.
    Ending,
    Undone,
    Failed(Box<Reason>),
}

impl StepRecord {
    pub(super) fn new(absent: bool) -> Self {
        StepRecord {
            state: if absent {
                StepState::Absent
            } else {
                StepState::Pending
            },
            attempts: 0,
            forgiven: 0,
            lost: 0,
            confirmed: false,
            declined: None,
            stopping: None,
            handed: false,
            started_at: 0,
            ended_at: 0,
            last: Last::default(),
            probe: Probe::None,
            mending: None,
            undo: None,
            undo_attempts: 0,
        }
    }

    /// How far taking the step back has come.
    pub fn undo(&self) -> &UndoState {
        self.undo.as_deref().unwrap_or(&UndoState::None)
    }

    /// Whether its remedy may have done something since the run went on last:
    /// also one counts of which nobody knows.
    pub(super) fn may_be_mended(&self) -> bool {
        let mending = self.mending.as_ref();
        mending.is_some_and(|mending| mending.attempts > mending.before)
    }

    /// How often its remedy has been used in this run.
    pub fn remedies(&self) -> u32 {
        self.mending.as_ref().map_or(0, |mending| mending.times())
    }

    /// It succeeded, and had to be remedied first.
    pub fn was_remedied(&self) -> bool {
        self.succeeded() && self.remedies() > 0
    }

    /// Why it need not run, if it did not because of that.
    pub fn fresh(&self) -> Option<&Fresh> {
        match &self.state {
            StepState::Settled {
                reason: Some(reason),
                ..
            } => match &**reason {
                Reason::Fresh(fresh) => Some(fresh),
                _ => None,
            },
            _ => None,
        }
    }

    /// How the step ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            StepState::Settled { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.outcome() == Some(Outcome::Succeeded)
    }

    /// The word for the step's state in the store and in JSON.
    pub fn word(&self) -> &'static str {
        match &self.state {
            StepState::Absent => "skipped",
            StepState::Running { .. } => "running",
            StepState::Settled { outcome, .. } => outcome.word(),
            _ => "pending",
        }
    }
}
