//! How a step's last attempt ended, kept small.
//!
//! A run of 100,000 steps keeps as many ends, and of most of them there is
//! nothing to tell but when: the program exited with 0, and left nothing. Such
//! an end is two numbers here, and a [`Finish`] again for whoever asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::event::{Exit, Finish, Millis, Output};
use crate::plan::Verdict;

/// The end of a step's last attempt, without its tail; or that there was none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Last(Kept);

#[derive(Clone, Debug, Default, PartialEq)]
enum Kept {
    #[default]
    Nothing,
    /// It exited with 0, which was a success, and there is no more to tell.
    Plainly {
        started_at: Millis,
        took_ms: u32,
    },
    Told(Box<Finish>),
}

impl Last {
    /// What is kept of this end.
    pub(super) fn of(end: &Finish) -> Last {
        let end = Finish {
            tail: None,
            ..end.clone()
        };
        let started_at = end.started_at;
        let took = end.ended_at.saturating_sub(started_at);
        let took_ms = u32::try_from(took).unwrap_or(u32::MAX);
        Last(match end == plainly(started_at, took_ms) {
            true => Kept::Plainly {
                started_at,
                took_ms,
            },
            false => Kept::Told(Box::new(end)),
        })
    }

    /// How the attempt ended, if one has.
    pub fn end(&self) -> Option<Cow<'_, Finish>> {
        match &self.0 {
            Kept::Nothing => None,
            Kept::Plainly {
                started_at,
                took_ms,
            } => Some(Cow::Owned(plainly(*started_at, *took_ms))),
            Kept::Told(end) => Some(Cow::Borrowed(end)),
        }
    }

    /// No attempt has ended.
    pub fn is_none(&self) -> bool {
        self.0 == Kept::Nothing
    }

    /// What it put out under this name for later steps.
    pub(super) fn output(&self, key: &str) -> Option<&str> {
        match &self.0 {
            Kept::Told(end) => end.outputs.get(key).map(AsRef::as_ref),
            Kept::Nothing | Kept::Plainly { .. } => None,
        }
    }
}

fn plainly(started_at: Millis, took_ms: u32) -> Finish {
    Finish {
        exit: Exit::Exited { code: 0 },
        verdict: Verdict::Success,
        started_at,
        ended_at: started_at.saturating_add(took_ms.into()),
        output: Output::default(),
        outputs: BTreeMap::new(),
        leaked: false,
        error: None,
        tail: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(end: &Finish) -> Finish {
        Last::of(end).end().expect("it is there").into_owned()
    }

    #[test]
    fn a_plain_end_is_small_and_comes_back_as_it_was() {
        let end = plainly(1_700_000_000_000, 12);
        assert!(matches!(Last::of(&end).0, Kept::Plainly { .. }));
        assert_eq!(again(&end), end);
        assert!(size_of::<Last>() <= 16, "there is one for each step");
    }

    #[test]
    fn of_any_other_end_nothing_is_lost_but_the_tail() {
        let plain = plainly(1_000, 12);
        let ends = [
            Finish {
                exit: Exit::Exited { code: 3 },
                ..plain.clone()
            },
            Finish {
                verdict: Verdict::Warning,
                ..plain.clone()
            },
            Finish {
                leaked: true,
                ..plain.clone()
            },
            Finish {
                error: Some("no".into()),
                ..plain.clone()
            },
            Finish {
                outputs: BTreeMap::from([("K".into(), "v".into())]),
                ..plain.clone()
            },
            Finish {
                output: Output {
                    masked: 1,
                    ..Output::default()
                },
                ..plain.clone()
            },
            // A clock may say what it will.
            Finish {
                ended_at: 0,
                ..plain.clone()
            },
            Finish {
                ended_at: 1_000 + (1 << 32),
                ..plain.clone()
            },
        ];
        for end in ends {
            assert_eq!(again(&end), end);
        }
        let told = Finish {
            tail: Some("x".into()),
            ..plain.clone()
        };
        assert_eq!(again(&told), plain);
        assert_eq!(Last::default().end(), None);
    }
}
