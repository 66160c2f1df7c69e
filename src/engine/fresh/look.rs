//! Looking at one step: from what is remembered and what is there to an answer.

use std::time::Duration;

use super::Environment;
use super::compare::{change, difference, shown};
use super::fingerprint::{Of, Taker};
use super::identity::Identity;
use super::key::key;
use super::walk::{Links, look};
use crate::paths::StateDir;
use crate::plan::{CacheUse, Plan, StepIx};
use crate::run::{Fresh, Freshness, Millis, Stale};
use crate::store::Store;
use crate::store::cache::{Entry, File, Files, Known, Print, Remembered, State, Whose};

/// Looks at steps' freshness and changes nothing: for previews.
pub struct Looker {
    pub(super) taker: Taker,
    pub(super) remembered: Remembered,
}

/// What looking came to, and what was learned by the way.
pub(super) struct Looked {
    pub freshness: Freshness,
    /// What it depends on now, if that could be told.
    pub print: Option<Print>,
    /// What is to be remembered instead: files were read again, and say
    /// something new of themselves.
    pub again: Option<(Millis, Known)>,
}

impl Looker {
    /// Begins with what the store remembers of the plan's steps. A store that
    /// cannot be read remembers nothing; that is said in the second value.
    pub fn new(plan: &Plan, env: Environment, state: &StateDir) -> (Looker, Option<String>) {
        let store = Store::read_only(state);
        let remembered = store.and_then(|store| store.remembered(&whose(plan), keeps(plan)));
        let (key, lost) = match key(state, false) {
            Ok(key) => (key, None),
            Err(why) => (None, Some(why)),
        };
        let (remembered, unread) = match remembered {
            Ok(remembered) => (remembered, None),
            Err(why) => (Remembered::default(), Some(why.to_string())),
        };
        let looker = Looker {
            taker: Taker::new(env, key.unwrap_or_default()),
            remembered,
        };
        let warning = unread.or(lost);
        (
            looker,
            warning.map(|why| format!("nothing is remembered of earlier runs: {why}")),
        )
    }

    /// Whether a step with a cache is fresh at this moment. A step without one
    /// never is.
    pub fn look(
        &mut self,
        plan: &Plan,
        step: StepIx,
        identity: Identity,
        now: Millis,
    ) -> Freshness {
        self.looked(plan, step, identity, now).freshness
    }

    pub(super) fn looked(
        &mut self,
        plan: &Plan,
        step: StepIx,
        identity: Identity,
        now: Millis,
    ) -> Looked {
        let step = &plan[step];
        let Some(cache) = step.cache.as_deref() else {
            return stale(Stale::Unknown, None);
        };
        let of = Of { plan, step, cache };
        let entry = self.remembered.last(&step.id);
        let known = entry.as_ref().and_then(|entry| entry.known.as_ref());
        let print = match self.taker.print(of, identity, known, now) {
            Ok(print) => print,
            Err(error) => return stale(Stale::Unreadable { error }, None),
        };
        if plan.cache == CacheUse::Refresh {
            return stale(Stale::Asked, Some(print));
        }
        match entry {
            None => stale(Stale::Unknown, Some(print)),
            Some(entry) => self.compared(of, entry, print, now),
        }
    }

    fn compared(&mut self, of: Of<'_>, entry: Entry, print: Print, now: Millis) -> Looked {
        let at = entry.at;
        match entry.state {
            State::Succeeded => {}
            State::Failed { ref exit } => {
                let exit = exit.to_string();
                return match self.failed_alike(of, &entry, &print, now) {
                    true => Looked {
                        freshness: Freshness::FailedBefore { at, exit },
                        print: Some(print),
                        again: None,
                    },
                    false => stale(Stale::Failed { at }, Some(print)),
                };
            }
            State::Unseen => return stale(Stale::Unseen, Some(print)),
            State::ChangedMeanwhile { path } => {
                return stale(Stale::ChangedMeanwhile { path }, Some(print));
            }
            State::MadeNothing { pattern: path } => {
                let change = crate::run::Change::Removed;
                return stale(Stale::Output { path, change }, Some(print));
            }
        }
        if let Some(why) = out_of_date(at, of.cache.ttl, now) {
            return stale(why, Some(print));
        }
        let Some(known) = entry.known else {
            return match declares_only_a_ttl(of) {
                true => fresh(of, at, now, Default::default(), Some(print)),
                false => stale(Stale::Unknown, Some(print)),
            };
        };
        if let Some(why) = difference(&known.print, &print) {
            return stale(why, Some(print));
        }
        let outputs = match self.outputs(&known.outputs, now) {
            Ok(outputs) => outputs,
            Err(why) => return stale(why, Some(print)),
        };
        let seen = Known {
            print: print.clone(),
            outputs: outputs.into(),
            put_out: known.put_out.clone(),
        };
        let again = (seen != known).then_some((at, seen));
        Looked {
            again,
            ..fresh(of, at, now, known.put_out, Some(print))
        }
    }

    /// Whether it failed so short a time ago, and with the same before it, that
    /// its failure still counts.
    fn failed_alike(&self, of: Of<'_>, entry: &Entry, print: &Print, now: Millis) -> bool {
        let counts = |ttl| out_of_date(entry.at, Some(ttl), now).is_none();
        let alike = |known: &Known| difference(&known.print, print).is_none();
        of.cache.failure_ttl.is_some_and(counts) && entry.known.as_ref().is_some_and(alike)
    }

    /// The files that it made, as they are now, if they are what they were.
    fn outputs(&mut self, made: &Files, now: Millis) -> Result<Files, Stale> {
        let mut files = Vec::with_capacity(made.len());
        for before in made.iter() {
            let found = self.output(before, now).map_err(|error| {
                let error = format!("{}: {error}", before.path.display());
                Stale::Unreadable { error }
            })?;
            if let Some(change) = change(Some(before), found.as_ref()) {
                let path = shown(&before.path);
                return Err(Stale::Output { path, change });
            }
            let mode = before.mode;
            files.extend(found.map(|file| File { mode, ..file }));
        }
        Ok(Files::new(files))
    }

    fn output(&mut self, before: &File, now: Millis) -> std::io::Result<Option<File>> {
        let contents = &mut self.taker.contents;
        match look(&before.path, Links::Kept)? {
            // A directory is no file that it made.
            None => Ok(None),
            Some(meta) if meta.is_dir() => Ok(None),
            Some(meta) => contents
                .file(&before.path, &meta, Some(before), now)
                .map(Some),
        }
    }
}

/// Why a success does not count any more, by its age alone.
fn out_of_date(at: Millis, ttl: Option<Duration>, now: Millis) -> Option<Stale> {
    let ttl = ttl?;
    let Some(age) = now.checked_sub(at) else {
        return Some(Stale::Future { at });
    };
    let age = Duration::from_millis(age);
    (age >= ttl).then_some(Stale::Expired { age, ttl })
}

/// Whether time is all that the step depends on.
fn declares_only_a_ttl(of: Of<'_>) -> bool {
    let cache = of.cache;
    let lists = [&cache.inputs, &cache.env, &cache.tools, &cache.outputs];
    cache.ttl.is_some() && lists.iter().all(|list| list.is_empty())
}

fn fresh(
    of: Of<'_>,
    since: Millis,
    now: Millis,
    outputs: std::collections::BTreeMap<Box<str>, Box<str>>,
    print: Option<Print>,
) -> Looked {
    let freshness = Freshness::Fresh(Fresh {
        since,
        age: Duration::from_millis(now.saturating_sub(since)),
        ttl: of.cache.ttl,
        restored: 0,
        outputs,
    });
    Looked {
        freshness,
        print,
        again: None,
    }
}

fn stale(why: Stale, print: Option<Print>) -> Looked {
    Looked {
        freshness: Freshness::Stale(why),
        print,
        again: None,
    }
}

/// By what the store finds the plan's steps.
pub(super) fn whose(plan: &Plan) -> Whose {
    Whose {
        project: plan.project.clone(),
        plan: plan.id.as_str().into(),
    }
}

/// Whether outputs of any step are kept.
pub(super) fn keeps(plan: &Plan) -> bool {
    let mut caches = plan.steps.iter().filter_map(|step| step.cache.as_ref());
    caches.any(|cache| cache.restore)
}
