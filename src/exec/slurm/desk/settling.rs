//! What follows from all that is known of an attempt.

use std::time::{Duration, Instant};

use super::super::files::{FOLDER, ends_now, key};
use super::super::judge::{Over, Verdict, judge};
use super::Desk;
use super::open::{Open, Sent};
use super::reading::SETTLES;
use crate::exec::{Done, Report};
use crate::run::{Attempt, Exit, Loss};

/// How something was settled.
enum Settled {
    /// Its node has written that it was ended, and Slurm tells why.
    Cut(Over),
    Over(Over),
    UnlessBegun(Over),
}

impl<T: Fn(Report) + Send + 'static> Desk<T> {
    pub(super) fn settle(&mut self, now: Instant) {
        let silence = self.silence();
        let judged = |(attempt, open): (&Attempt, &Open)| {
            if open.sent == Sent::Unsure && open.claim.is_none() {
                return None;
            }
            if open.cut.is_some() {
                return Some((*attempt, Settled::Cut(open.cut_by()?)));
            }
            match judge(open.seen(now, silence)) {
                Verdict::Open => None,
                Verdict::Over(over) => Some((*attempt, Settled::Over(over))),
                Verdict::OverUnlessBegun(over) => Some((*attempt, Settled::UnlessBegun(over))),
            }
        };
        let judged: Vec<_> = self.open.iter().filter_map(judged).collect();
        for (attempt, settled) in judged {
            match settled {
                Settled::Cut(over) => self.cut_short(attempt, over),
                Settled::Over(over) => self.is_over(attempt, over, true),
                Settled::UnlessBegun(over) => self.over_unless_begun(attempt, over),
            }
        }
    }

    pub(super) fn over_unless_begun(&mut self, attempt: Attempt, over: Over) {
        match self.shared.fence(&key(attempt)) {
            Ok(true) => self.is_over(attempt, over, false),
            // It was begun, and the claim has not been seen so far.
            Ok(false) => self.folders[0].read_until = Instant::now() + SETTLES,
            // Nobody knows. It is asked again.
            Err(_) => {}
        }
    }

    /// An attempt is over that has left no result.
    pub(super) fn is_over(&mut self, attempt: Attempt, over: Over, begun: bool) {
        // Written since, perhaps: it is the truth, whatever Slurm says.
        if begun && self.shared.ended(attempt).is_some() {
            return self.take_result(attempt);
        }
        let (exit, error) = self.meaning(attempt, over, begun);
        let done = ends_now(exit, Some(error).filter(|error| !error.is_empty()));
        self.finish(attempt, done);
    }

    /// An attempt ended because somebody stopped it who was not the engine.
    pub(super) fn cut_short(&mut self, attempt: Attempt, over: Over) {
        let over = match over {
            // Our own script ends so, whatever ended the step.
            Over::Lost(Loss::NoResult) => Over::CanceledElsewhere,
            over => over,
        };
        let (exit, error) = self.meaning(attempt, over, true);
        let Some(open) = self.open.get_mut(&attempt) else {
            return;
        };
        let Some(ending) = open.cut.take() else {
            return;
        };
        let done = Done {
            exit,
            error: Some(error).filter(|error| !error.is_empty()),
            ..ending.done
        };
        self.finish(attempt, done);
    }

    /// What the end comes to, and in words.
    pub(super) fn meaning(&self, attempt: Attempt, over: Over, begun: bool) -> (Exit, String) {
        let open = self.open.get(&attempt);
        let row = open.and_then(|open| open.row.as_ref());
        let shown = row.map_or_else(String::new, |row| match row.reason.as_str() {
            "" | "None" => row.state.clone(),
            reason => format!("{} ({reason})", row.state),
        });
        match over {
            Over::Canceled => (Exit::Canceled { signal: None }, String::new()),
            Over::CanceledElsewhere => {
                let exit = match begun {
                    true => Exit::Signaled {
                        signal: 15,
                        core: false,
                    },
                    false => Exit::FailedToStart {
                        errno: "ECANCELED".into(),
                    },
                };
                (exit, "somebody has canceled its job in Slurm".into())
            }
            Over::OutOfMemory => {
                let exit = Exit::Signaled {
                    signal: 9,
                    core: false,
                };
                (exit, "it used more memory than Slurm gave it".into())
            }
            Over::TimeLimit => {
                let time = open.and_then(|open| time_limit(&open.arguments));
                let exit = Exit::TimedOut {
                    after: time.unwrap_or_default(),
                    signal: Some(15),
                };
                (exit, "it took longer than Slurm gave it".into())
            }
            Over::Lost(why) => {
                let error = match shown.is_empty() {
                    true => format!("lost: {why}"),
                    false => format!("lost: {why}; Slurm shows {shown}"),
                };
                let log = match begun {
                    true => String::new(),
                    false => format!(
                        "; `quintet doctor --executor slurm` looks for what keeps jobs from \
                         beginning, and {FOLDER}/log of the run may tell it"
                    ),
                };
                (
                    Exit::Lost {
                        why,
                        started: begun,
                    },
                    error + &log,
                )
            }
        }
    }
}

fn time_limit(arguments: &[String]) -> Option<Duration> {
    let minutes = arguments
        .iter()
        .find_map(|word| word.strip_prefix("--time="))?;
    Some(Duration::from_secs(60 * minutes.parse::<u64>().ok()?))
}
