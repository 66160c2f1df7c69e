//! Taking a step's fingerprint, and what it made.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::contents::Contents;
use super::identity::{Identity, of_lists};
use super::walk::{Links, Met, walk};
use super::{Environment, tools};
use crate::plan::pattern::Patterns;
use crate::plan::{Cache, Plan, Step, Text};
use crate::run::Millis;
use crate::store::cache::{Digest, File, Files, Known, Print, Tool};

/// Part of each declaration's digest: raised when the rules of this room change,
/// so that nothing counts as fresh by rules that it was not made by.
const RULES: &str = "1";

/// Takes fingerprints. What it has read it does not read again, and what it has
/// walked it does not walk again until [`Taker::look_again`].
pub(super) struct Taker {
    env: Environment,
    key: [u8; 32],
    pub contents: Contents,
    walked: HashMap<Digest, Result<Arc<Files>, String>>,
}

/// A step with a cache, of its plan.
#[derive(Clone, Copy)]
pub(super) struct Of<'p> {
    pub plan: &'p Plan,
    pub step: &'p Step,
    pub cache: &'p Cache,
}

/// What a step made.
pub(super) struct Made {
    pub files: Files,
    /// A pattern that it made nothing of.
    pub lacks: Option<Box<str>>,
}

impl Taker {
    pub fn new(env: Environment, key: [u8; 32]) -> Taker {
        Taker {
            env,
            key,
            contents: Contents::default(),
            walked: HashMap::new(),
        }
    }

    /// Something ran: what was walked before says nothing any more.
    pub fn look_again(&mut self) {
        self.walked.clear();
    }

    /// All that the step depends on. `before` is what it depended on then.
    ///
    /// # Errors
    /// In words: something that it depends on cannot be read.
    pub fn print(
        &mut self,
        of: Of<'_>,
        identity: Identity,
        before: Option<&Known>,
        now: Millis,
    ) -> Result<Print, String> {
        let before = before.map(|known| &known.print);
        Ok(Print {
            identity: identity.0,
            declaration: declaration(of.cache),
            env: self.env(of),
            tools: self.tools(of, before, now)?,
            inputs: self.inputs(of.cache, before.map(|print| &print.inputs), now)?,
        })
    }

    /// The files that the step reads: where nothing has changed, the very list of
    /// them that is remembered.
    ///
    /// # Errors
    /// In words: one of them cannot be read.
    pub fn inputs(
        &mut self,
        cache: &Cache,
        before: Option<&Arc<Files>>,
        now: Millis,
    ) -> Result<Arc<Files>, String> {
        let which = of_lists(&[&cache.inputs]);
        if let Some(files) = self.walked.get(&which) {
            return files.clone();
        }
        let files = self.read_inputs(cache, before.map(AsRef::as_ref), now);
        let files = files.map(|files| files.shared_with(before));
        // One file that need not be read is looked at as soon as found here.
        let is_little =
            |files: &Arc<Files>| files.len() <= 1 && files.iter().all(|file| file.stat.is_some());
        if !files.as_ref().is_ok_and(is_little) {
            self.walked.insert(which, files.clone());
        }
        files
    }

    fn read_inputs(
        &mut self,
        cache: &Cache,
        before: Option<&Files>,
        now: Millis,
    ) -> Result<Files, String> {
        let met = walk(&Patterns::parse(&cache.inputs)?, Links::Followed)?;
        let mut files = Vec::with_capacity(met.len());
        for Met { path, meta } in met {
            let before = before.and_then(|files| files.get(&path));
            let file = self.contents.file(&path, &meta, before, now);
            files.push(file.map_err(|e| format!("{}: {e}", path.display()))?);
        }
        Ok(Files::new(files))
    }

    /// The files that the step has made.
    ///
    /// # Errors
    /// In words: one of them cannot be read.
    pub fn made(&mut self, cache: &Cache, now: Millis) -> Result<Made, String> {
        let patterns = Patterns::parse(&cache.outputs)?;
        let met = walk(&patterns, Links::Kept)?;
        let lacks = patterns.taking_in().find_map(|(place, pattern)| {
            let is_its = |met: &Met| pattern.names(&met.path);
            (!met.iter().any(is_its)).then(|| cache.outputs[place].clone())
        });
        let mut files = Vec::with_capacity(met.len());
        for Met { path, meta } in met {
            let file = self.contents.file(&path, &meta, None, now);
            let file = file.map_err(|e| format!("{}: {e}", path.display()))?;
            let mode = meta.mode() & 0o7777;
            files.push(File { mode, ..file });
        }
        let files = Files::new(files);
        Ok(Made { files, lacks })
    }

    /// The variables that the step declares. What the plan or the step sets
    /// itself is part of what it runs.
    fn env(&self, of: Of<'_>) -> Vec<(Box<str>, Option<Digest>)> {
        let hashed = |name: &str| {
            let value = match set_by_plan(of, name) {
                Some(_) => None,
                None => self.env.get(OsStr::new(name)),
            };
            let hash =
                value.map(|value| *blake3::keyed_hash(&self.key, value.as_bytes()).as_bytes());
            (name.into(), hash)
        };
        of.cache.env.iter().map(|name| hashed(name)).collect()
    }

    fn tools(
        &mut self,
        of: Of<'_>,
        before: Option<&Print>,
        now: Millis,
    ) -> Result<Vec<Tool>, String> {
        let cwd = Path::new(of.step.action.cwd().map_or("/", |cwd| cwd));
        // A PATH with holes is not known before the step starts.
        let path = match set_by_plan(of, "PATH") {
            Some(Text::Plain(path)) => Some(OsString::from(&**path)),
            _ => self.env.get(OsStr::new("PATH")).cloned(),
        };
        let mut tools = Vec::with_capacity(of.cache.tools.len());
        for (at, name) in of.cache.tools.iter().enumerate() {
            let found = match tools::find(name, path.as_deref(), cwd) {
                None => None,
                Some((file, meta)) => {
                    let before = before.and_then(|print| print.tools.get(at)?.1.as_ref());
                    let before = before.filter(|before| *before.path == *file);
                    let read = self.contents.file(&file, &meta, before, now);
                    Some(read.map_err(|e| format!("{}: {e}", file.display()))?)
                }
            };
            tools.push((name.clone(), found));
        }
        Ok(tools)
    }
}

fn declaration(cache: &Cache) -> Digest {
    let rules = [RULES.into()];
    of_lists(&[
        &rules,
        &cache.inputs,
        &cache.env,
        &cache.tools,
        &cache.outputs,
    ])
}

/// The value that the step or its plan gives a variable; the last one counts.
fn set_by_plan<'p>(of: Of<'p>, name: &str) -> Option<&'p Text> {
    let mut all = of.plan.env.iter().chain(of.step.action.env()).rev();
    all.find_map(|(key, text)| (**key == *name).then_some(text))
}
