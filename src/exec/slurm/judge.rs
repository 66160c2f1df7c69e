//! What is true of an attempt that has left no result, by all that is known of it.
//!
//! Slurm's word alone is never enough. It shows a job as completed that it has
//! started a second time after a crash of its controller, forgets one that runs, and
//! calls a node failed that only cannot be reached. So while its node says that the
//! attempt goes on, it does; and what nobody has begun is over only once nobody can.

use super::clerk::Row;
use crate::run::Loss;

/// What is known of an attempt without a result.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// A node has begun it.
    pub begun: bool,
    /// Nothing was heard of that node for several heartbeats.
    pub silent: bool,
    /// How Slurm shows it, if it does.
    pub row: Option<&'a Row>,
    /// Slurm was asked since it was submitted, and knows nothing of it.
    pub unknown: bool,
    /// The engine wants it to end.
    pub stopped: bool,
}

/// What that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It waits or runs; or nobody can tell, which is no reason to give it up.
    Open,
    /// It is over like this if nobody begins it any more, which is to be seen to.
    OverUnlessBegun(Over),
    Over(Over),
}

/// How it was over without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Lost(Loss),
    /// As the engine wanted.
    Canceled,
    /// Somebody else has ended it, by Slurm's own means.
    CanceledElsewhere,
    OutOfMemory,
    /// Slurm's own limit, of whole minutes.
    TimeLimit,
}

/// Decides.
pub fn judge(seen: Seen<'_>) -> Verdict {
    let over = match seen.row {
        // Its node is gone, and it was put back into the queue, where it waits to be
        // begun a second time, which it never is.
        Some(row) if seen.begun && row.state == "PENDING" => Some(Over::Lost(Loss::NodeFailed)),
        // Where its node had begun neither it nor anything else of the job, a node has
        // refused it: after a crash of the controller it may know another by that id.
        Some(row) if !seen.begun && row.state == "CANCELLED" && !row.node.is_empty() => {
            Some(Over::Lost(Loss::NoResult))
        }
        Some(row) => over(&row.state),
        None => seen.unknown.then_some(Over::Lost(Loss::Forgotten)),
    };
    let Some(over) = over else {
        return Verdict::Open;
    };
    let over = if seen.stopped { Over::Canceled } else { over };
    match (seen.begun, seen.silent) {
        (false, _) => Verdict::OverUnlessBegun(over),
        (true, false) => Verdict::Open,
        (true, true) => Verdict::Over(over),
    }
}

/// What it means that Slurm shows a job in this state; nothing where the job is not
/// over. A state that is not known here is taken for one of those.
pub fn over(state: &str) -> Option<Over> {
    Some(match state {
        "NODE_FAIL" | "BOOT_FAIL" => Over::Lost(Loss::NodeFailed),
        "PREEMPTED" => Over::Lost(Loss::Preempted),
        "REVOKED" => Over::Lost(Loss::Forgotten),
        "TIMEOUT" | "DEADLINE" => Over::TimeLimit,
        "OUT_OF_MEMORY" => Over::OutOfMemory,
        "CANCELLED" => Over::CanceledElsewhere,
        "COMPLETED" | "FAILED" => Over::Lost(Loss::NoResult),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &str) -> Row {
        Row {
            name: "b".into(),
            index: None,
            state: state.into(),
            reason: "None".into(),
            node: "n1".into(),
            id: "7".into(),
        }
    }

    const NOTHING: Seen<'_> = Seen {
        begun: false,
        silent: false,
        row: None,
        unknown: false,
        stopped: false,
    };

    #[test]
    fn where_slurm_cannot_be_asked_nothing_is_over() {
        for begun in [false, true] {
            for silent in [false, true] {
                let seen = Seen {
                    begun,
                    silent,
                    ..NOTHING
                };
                assert_eq!(judge(seen), Verdict::Open);
            }
        }
    }

    #[test]
    fn whatever_slurm_says_an_attempt_of_which_its_node_speaks_goes_on() {
        for state in ["NODE_FAIL", "COMPLETED", "CANCELLED", "PENDING"] {
            let row = row(state);
            let seen = Seen {
                begun: true,
                row: Some(&row),
                ..NOTHING
            };
            assert_eq!(judge(seen), Verdict::Open, "{state}");
        }
        let forgotten = Seen {
            begun: true,
            unknown: true,
            ..NOTHING
        };
        assert_eq!(judge(forgotten), Verdict::Open);
    }

    #[test]
    fn a_silent_node_alone_is_no_loss() {
        let row = row("RUNNING");
        let seen = Seen {
            begun: true,
            silent: true,
            row: Some(&row),
            ..NOTHING
        };
        assert_eq!(judge(seen), Verdict::Open);
    }

    #[test]
    fn what_was_begun_and_waits_again_is_lost_once_its_node_is_silent() {
        let row = row("PENDING");
        let seen = Seen {
            begun: true,
            silent: true,
            row: Some(&row),
            ..NOTHING
        };
        let lost = Over::Lost(Loss::NodeFailed);
        assert_eq!(judge(seen), Verdict::Over(lost));
        let waits = Seen {
            begun: false,
            silent: false,
            ..seen
        };
        assert_eq!(judge(waits), Verdict::Open);
    }

    #[test]
    fn a_job_that_was_canceled_before_it_had_a_node_was_canceled_by_somebody() {
        let refused = row("CANCELLED");
        let waited = Row {
            node: String::new(),
            ..refused.clone()
        };
        let of = |row| {
            judge(Seen {
                row: Some(row),
                ..NOTHING
            })
        };
        let somebody = Verdict::OverUnlessBegun(Over::CanceledElsewhere);
        assert_eq!(of(&waited), somebody);
        let lost = Verdict::OverUnlessBegun(Over::Lost(Loss::NoResult));
        assert_eq!(of(&refused), lost);
    }

    #[test]
    fn both_together_are_one_and_a_wanted_end_is_none() {
        let row = row("NODE_FAIL");
        let seen = Seen {
            begun: true,
            silent: true,
            row: Some(&row),
            ..NOTHING
        };
        let lost = Over::Lost(Loss::NodeFailed);
        assert_eq!(judge(seen), Verdict::Over(lost));
        let stopped = Seen {
            stopped: true,
            ..seen
        };
        assert_eq!(judge(stopped), Verdict::Over(Over::Canceled));
        let early = Seen {
            begun: false,
            ..seen
        };
        assert_eq!(judge(early), Verdict::OverUnlessBegun(lost));
    }
}
