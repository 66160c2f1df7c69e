//! Looking at one step: from what is remembered and what is there to an answer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Environment;
use super::compare::{change, difference, shown};
use super::fingerprint::{Of, Taker};
use super::identity::Identity;
use super::key::key;
use super::objects::Objects;
use super::restore::put_back;
use super::walk::{Links, look};
use crate::paths::StateDir;
use crate::plan::pattern::Patterns;
use crate::plan::{CacheUse, Plan, StepIx};
use crate::run::{Change, Fresh, Freshness, Millis, Stale};
use crate::store::Store;
use crate::store::cache::{
    Entry, File, Files, Known, Print, Remembered, State, Tool, Whose, Write,
};

/// Looks at steps' freshness and changes nothing: for previews.
pub struct Looker {
    pub(super) taker: Taker,
    pub(super) remembered: Remembered,
    pub(super) objects: Objects,
    /// Files that can be put back are, instead of only being known to be.
    pub(super) puts_back: bool,
}

/// What looking came to, and what was learned by the way.
pub(super) struct Looked {
    pub freshness: Freshness,
    /// What it depends on now, if that could be told.
    pub print: Option<Print>,
    /// What is to be remembered instead.
    pub again: Option<Write>,
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
            objects: Objects::of(state),
            puts_back: false,
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
        let looked = match entry {
            None => stale(Stale::Unknown, Some(print)),
            Some(entry) => self.by_last(of, entry, print, now),
        };
        match &looked.freshness {
            // Nobody knows what an unseen attempt has done, even if what it
            // should have made could be put back.
            Freshness::Stale(why) if *why != Stale::Unseen => {
                self.by_past(of, &looked, now).unwrap_or(looked)
            }
            _ => looked,
        }
    }

    /// By its last attempt.
    fn by_last(&mut self, of: Of<'_>, entry: Entry, print: Print, now: Millis) -> Looked {
        let at = entry.at;
        let print = Some(print);
        match &entry.state {
            State::Succeeded => {}
            State::Failed { exit } => {
                let freshness = match self.failed_alike(of, &entry, print.as_ref(), now) {
                    true => Freshness::FailedBefore {
                        at,
                        exit: exit.to_string(),
                    },
                    false => Freshness::Stale(Stale::Failed { at }),
                };
                return Looked {
                    freshness,
                    print,
                    again: None,
                };
            }
            State::Unseen => return stale(Stale::Unseen, print),
            State::ChangedMeanwhile { path } => {
                let path = path.clone();
                return stale(Stale::ChangedMeanwhile { path }, print);
            }
            State::MadeNothing { pattern } => {
                let path = pattern.clone();
                let change = Change::Removed;
                return stale(Stale::Output { path, change }, print);
            }
        }
        if let Some(why) = out_of_date(at, of.cache.ttl, now) {
            return stale(why, print);
        }
        let Some(known) = entry.known else {
            return match declares_only_a_ttl(of) {
                true => fresh(of, at, now, print),
                false => stale(Stale::Unknown, print),
            };
        };
        match print
            .as_ref()
            .and_then(|print| difference(&known.print, print))
        {
            Some(why) => stale(why, print),
            None => self.with_outputs(of, at, known, print, now),
        }
    }

    /// By an earlier success that depended on the same, and whose outputs are kept.
    fn by_past(&mut self, of: Of<'_>, looked: &Looked, now: Millis) -> Option<Looked> {
        if !of.cache.restore {
            return None;
        }
        let print = looked.print.as_ref()?;
        let past = self.remembered.past(&of.step.id, &print.digest())?;
        let known = past
            .known
            .filter(|known| difference(&known.print, print).is_none())?;
        if out_of_date(past.at, of.cache.ttl, now).is_some() {
            return None;
        }
        let mut found = self.with_outputs(of, past.at, known.clone(), Some(print.clone()), now);
        if !matches!(found.freshness, Freshness::Fresh(_)) {
            return None;
        }
        let known = match found.again.take() {
            Some(Write::SeenAgain { known, .. }) => known,
            _ => known,
        };
        // From now on it is its last success.
        found.again = Some(Write::Ended {
            step: of.step.id.clone(),
            entry: Entry {
                state: State::Succeeded,
                at: past.at,
                known: Some(known),
            },
            kept: true,
        });
        Some(found)
    }

    /// Nothing that it depends on has changed; what it made is left to be seen.
    fn with_outputs(
        &mut self,
        of: Of<'_>,
        at: Millis,
        known: Known,
        print: Option<Print>,
        now: Millis,
    ) -> Looked {
        let (outputs, restored) = match self.outputs(of, &known.outputs, now) {
            Ok(outputs) => outputs,
            Err(why) => return stale(why, print),
        };
        let mut looked = fresh(of, at, now, print);
        if let Freshness::Fresh(fresh) = &mut looked.freshness {
            fresh.restored = restored;
            fresh.outputs = known.put_out.clone();
        }
        let outputs = outputs.shared_with(Some(&known.outputs));
        let print = looked.print.as_ref().unwrap_or(&known.print);
        let is_news = says_more(&known.outputs, &outputs)
            || says_more(&known.print.inputs, &print.inputs)
            || tools_say_more(&known.print.tools, &print.tools);
        looked.again = is_news.then(|| {
            let print = print.clone();
            Write::SeenAgain {
                step: of.step.id.clone(),
                at,
                known: Known {
                    print,
                    outputs,
                    put_out: known.put_out,
                },
            }
        });
        looked
    }

    /// Whether it failed so short a time ago, and with the same before it, that
    /// its failure still counts.
    fn failed_alike(&self, of: Of<'_>, entry: &Entry, print: Option<&Print>, now: Millis) -> bool {
        let counts = |ttl| out_of_date(entry.at, Some(ttl), now).is_none();
        let both = entry.known.as_ref().zip(print);
        let alike = |(known, print): (&Known, _)| difference(&known.print, print).is_none();
        of.cache.failure_ttl.is_some_and(counts) && both.is_some_and(alike)
    }

    /// The files that it made, as they are now, if they are what they were; and
    /// how many of them had to be put back for that.
    fn outputs(&mut self, of: Of<'_>, made: &Files, now: Millis) -> Result<(Files, u32), Stale> {
        let mut files = Vec::with_capacity(made.len());
        let mut wrong = Vec::new();
        for before in made.iter() {
            let found = self.output(before, now);
            let found = found.map_err(|e| unreadable(&before.path, &e))?;
            match change(Some(before), found.as_ref()) {
                Some(change) => wrong.push((before, change)),
                None => files.extend(found.map(|file| File {
                    mode: before.mode,
                    ..file
                })),
            }
        }
        let Some((first, change)) = wrong.first() else {
            return Ok((Files::new(files), 0));
        };
        let stale = Stale::Output {
            path: shown(&first.path),
            change: change.clone(),
        };
        // All of it, or none: half of what it made is worse than what is there.
        let whole = |(file, _): &(&File, _)| self.objects.has(&file.hash);
        if !of.cache.restore || !wrong.iter().all(whole) {
            return Err(stale);
        }
        for (file, _) in &wrong {
            if self.puts_back {
                self.put_back(of, file).map_err(|_| stale.clone())?;
            }
            files.push(File {
                stat: None,
                ..(*file).clone()
            });
        }
        Ok((Files::new(files), wrong.len() as u32))
    }

    fn put_back(&self, of: Of<'_>, file: &File) -> Result<(), String> {
        let outputs = Patterns::parse(&of.cache.outputs)?;
        put_back(file, &outputs, Path::new(&*of.plan.project), &self.objects)
    }

    fn output(&mut self, before: &File, now: Millis) -> io::Result<Option<File>> {
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

/// Whether files that are what they were say something new of themselves that can
/// be relied on. What cannot be is not worth writing down: they are read again.
fn says_more(before: &Arc<Files>, now: &Arc<Files>) -> bool {
    let said = |file: &File| before.get(&file.path).and_then(|file| file.stat);
    let is_news = |file: &File| file.stat.is_some() && file.stat != said(file);
    !Arc::ptr_eq(before, now) && now.iter().any(is_news)
}

/// The same of programs.
fn tools_say_more(before: &[Tool], now: &[Tool]) -> bool {
    let stat = |(_, found): &Tool| found.as_ref().and_then(|file| file.stat);
    let mut both = before.iter().zip(now);
    both.any(|(before, now)| stat(now).is_some() && stat(now) != stat(before))
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

fn unreadable(path: &Path, error: &io::Error) -> Stale {
    let error = format!("{}: {error}", path.display());
    Stale::Unreadable { error }
}

fn fresh(of: Of<'_>, since: Millis, now: Millis, print: Option<Print>) -> Looked {
    let freshness = Freshness::Fresh(Fresh {
        since,
        age: Duration::from_millis(now.saturating_sub(since)),
        ttl: of.cache.ttl,
        restored: 0,
        outputs: BTreeMap::new(),
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
