//! How a verb fails: data until the last moment, then words and an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::engine::{EngineError, Refused};
use crate::paths::{NoHome, Unusable};
use crate::store::{NoSuchRun, StoreError};
use crate::view::recorded::Unread;

/// What kind of failure it is; the kind decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bad usage or a bad definition. Nothing ran.
    Usage,
    /// A run failed, or could not be driven to its end.
    Run,
    /// A person is needed.
    Quarantined,
    /// The store cannot be read or written.
    Store,
    /// Another run holds the lock.
    Busy,
    /// Somebody pressed Ctrl-C, or hung up.
    Interrupted,
    /// A TERM asked to stop.
    Terminated,
    /// Nobody reads the results any more (`quintet events last | head -1`).
    /// There is nothing to complain about, and nobody to complain to.
    NobodyListens,
}

impl Kind {
    /// The exit code, as in the program's help.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::NobodyListens => 0,
            Kind::Run => 1,
            Kind::Usage => 2,
            Kind::Quarantined => 3,
            Kind::Store => 74,
            Kind::Busy => 75,
            Kind::Interrupted => 130,
            Kind::Terminated => 143,
        }
    }
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// One line; empty where everything has been said already.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Failure {
            kind,
            message: message.to_string(),
            hint: None,
        }
    }

    /// A failure whose words have been written already.
    pub fn told(kind: Kind) -> Self {
        Failure::new(kind, "")
    }

    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says it on stderr.
    pub fn report(self) -> ExitCode {
        use std::io::Write;
        let bold_red = anstyle::AnsiColor::Red.on_default().bold();
        let bold_cyan = anstyle::AnsiColor::Cyan.on_default().bold();
        let mut err = anstream::stderr().lock();
        if !self.message.is_empty() {
            let _ = writeln!(err, "{bold_red}error{bold_red:#}: {}", self.message);
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(err, "{bold_cyan}hint{bold_cyan:#}: {hint}");
        }
        ExitCode::from(self.kind.exit_code())
    }
}

/// Says on stderr what is worth knowing and keeps nothing from going on.
pub fn warn(message: &str) {
    use std::io::Write;
    let bold_yellow = anstyle::AnsiColor::Yellow.on_default().bold();
    // Whoever has closed stderr does not want to know.
    let _ = writeln!(
        anstream::stderr(),
        "{bold_yellow}warning{bold_yellow:#}: {message}"
    );
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => {
                Failure::new(Kind::Usage, "nothing has been run here yet")
            }
            error => Failure::new(Kind::Store, error),
        }
    }
}

impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Missing { .. } => Failure::new(Kind::Usage, "nothing has been run here yet"),
            error => Failure::new(Kind::Store, error),
        }
    }
}

impl From<NoHome> for Failure {
    fn from(error: NoHome) -> Self {
        Failure::new(Kind::Usage, error)
    }
}

impl From<NoSuchRun> for Failure {
    fn from(error: NoSuchRun) -> Self {
        match error {
            NoSuchRun::Store(error) => error.into(),
            NoSuchRun::NotFound { text, .. } if text == "last" => {
                Failure::new(Kind::Usage, "nothing has been run here yet")
            }
            NoSuchRun::NotFound { text, nearest } => {
                let failure = Failure::new(Kind::Usage, format!("there is no run {text:?}"));
                match nearest {
                    Some(id) => failure.hint(format!("did you mean {id}?")),
                    None => failure.hint("`quintet runs` lists them"),
                }
            }
            NoSuchRun::Ambiguous { text, matches } => {
                let said = format!("{text:?} fits several runs");
                let hint = format!("say more of the id: {}", matches.join(", "));
                Failure::new(Kind::Usage, said).hint(hint)
            }
        }
    }
}

/// An error of our own output.
impl From<Unread> for Failure {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Run(error) => error.into(),
            Unread::Store(error) => error.into(),
            Unread::Contradiction { .. } => Failure::new(Kind::Store, error),
            Unread::NoStep {
                ref run_id,
                ref nearest,
                ..
            } => {
                let hint = match nearest {
                    Some(other) => format!("did you mean {other}?"),
                    None => format!("`quintet status {run_id}` lists them"),
                };
                Failure::new(Kind::Usage, &error).hint(hint)
            }
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::told(Kind::NobodyListens),
            _ => Failure::new(
                Kind::Store,
                format!("the output cannot be written: {error}"),
            ),
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Busy(_) => Failure::new(Kind::Busy, message),
            Refused::CalledOff("SIGTERM") => Failure::new(Kind::Terminated, message),
            Refused::CalledOff(_) => Failure::new(Kind::Interrupted, message),
            Refused::NeedsWord { run_id, steps } => {
                let step = &steps[0];
                Failure::new(Kind::Quarantined, message).hint(format!(
                    "quintet resume {run_id} --rerun {step}, or --assume-done {step}"
                ))
            }
            Refused::NeedsSecret { run_id, names } => {
                let name = &names[0];
                Failure::new(Kind::Usage, message)
                    .hint(format!("quintet resume {run_id} --var {name}=…"))
            }
            Refused::NotRestarted { run_id } => Failure::new(Kind::Usage, message).hint(format!(
                "restart it, then `quintet resume {run_id}`; or go on without: \
                     quintet resume {run_id} --no-restart"
            )),
            Refused::Succeeded { .. } | Refused::Unsuited { .. } | Refused::Site(_) => {
                Failure::new(Kind::Usage, message)
            }
            Refused::Store(error) => error.into(),
            Refused::Engine { run_id, error } => {
                let kind = match error {
                    EngineError::Log(_) | EngineError::Lock(_) => Kind::Store,
                    EngineError::Executor(_) | EngineError::Illegal(_) => Kind::Run,
                    EngineError::Plan(_) => Kind::Usage,
                };
                Failure::new(kind, message).hint(format!(
                    "steps that were running go on; quintet resume {run_id} takes them over"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        let kind = |kind: io::ErrorKind| Failure::from(io::Error::from(kind)).kind;
        assert_eq!(kind(io::ErrorKind::BrokenPipe).exit_code(), 0);
        assert_eq!(kind(io::ErrorKind::StorageFull).exit_code(), 74);
    }

    #[test]
    fn a_run_that_is_not_there_is_a_wrong_command_and_a_broken_store_is_not() {
        let not_found = NoSuchRun::NotFound {
            text: "x".into(),
            nearest: None,
        };
        assert_eq!(Failure::from(not_found).kind, Kind::Usage);
        let corrupt = StoreError::Corrupt {
            path: "quintet.db".into(),
            detail: "it".into(),
        };
        assert_eq!(Failure::from(NoSuchRun::Store(corrupt)).kind, Kind::Store);
    }
}
