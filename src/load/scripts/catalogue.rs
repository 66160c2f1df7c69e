//! A folder's scripts, read: what each is, says, and is run by.
//!
//! It is what selections and playbooks pick from. So it is a plan too, with one
//! step for each script and no edges: the selection language works on plans.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::load::Request;
use crate::load::runner::{self, Runner};
use crate::plan::graph::Graph;
use crate::plan::problem::{Problem, Sources, Span};
use crate::plan::select::{SelectError, Selection};
use crate::plan::{About, Action, Condition, Plan, Source, Step};

use super::config::{Config, Defaults};
use super::folder::{self, Found};
use super::header::{self, Header, Said};
use super::needs;
use super::parameters::{self, Parameter};

/// So much of each file is read: its header, and PowerShell's `param()`.
const HEAD: u64 = 64 << 10;

/// The stage of a script that names none.
const NO_STAGE: &str = "Default";

/// A script's position in its catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScriptIx(pub usize);

/// A script that was read.
#[derive(Clone, Debug)]
pub struct Script {
    pub number: u16,
    /// What it is called in plans: the file's name without its extension, or
    /// with it where two differ in nothing else.
    pub id: String,
    /// The file's name.
    pub file: String,
    /// Absolute.
    pub path: String,
    pub stage: String,
    pub description: String,
    pub tags: Box<[Box<str>]>,
    /// What it depends on, word by word, each with its place.
    pub dependencies: Vec<(String, Span)>,
    /// What its header says of when it runs; or why that cannot be read.
    pub condition: Option<Result<Condition, Box<Problem>>>,
    pub runner: Runner,
    /// The interpreter that runs it and is not there.
    pub missing: Option<String>,
    /// By name in small letters.
    pub parameters: BTreeMap<String, Parameter>,
    pub defaults: Defaults,
    /// The file, as a place for problems.
    pub at: Span,
}

/// All scripts of a folder, ascending by number.
#[derive(Clone, Debug)]
pub struct Catalogue {
    scripts: Vec<Script>,
    /// For selecting: a step for each script, in the same order.
    plan: Plan,
    graph: Graph,
}

impl Catalogue {
    /// Reads a folder.
    ///
    /// # Errors
    /// The folder itself cannot be read.
    pub fn read(
        dir: &Path,
        config: &Config,
        request: &Request,
        sources: &mut Sources,
        problems: &mut Vec<Problem>,
    ) -> std::io::Result<Catalogue> {
        let found = folder::list(dir, problems)?;
        let mut stems = BTreeSet::new();
        let twice: BTreeSet<&str> = found
            .iter()
            .map(Found::stem)
            .filter(|stem| !stems.insert(*stem))
            .collect();
        let mut scripts = Vec::new();
        for one in &found {
            let id = match twice.contains(one.stem()) {
                true => &one.file,
                false => one.stem(),
            };
            scripts.extend(Script::read(dir, one, id, config, request, sources));
        }
        let mut plan = Plan::new("scripts");
        plan.steps = scripts.iter().map(Script::sketch).collect();
        Ok(Catalogue {
            graph: Graph::new(&plan),
            plan,
            scripts,
        })
    }

    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    pub fn script(&self, ix: ScriptIx) -> &Script {
        &self.scripts[ix.0]
    }

    /// All positions, ascending by number.
    pub fn all(&self) -> Vec<ScriptIx> {
        (0..self.scripts.len()).map(ScriptIx).collect()
    }

    /// The scripts that terms of the selection language select, ascending by number.
    ///
    /// # Errors
    /// What is wrong with the terms, or that they select nothing.
    pub fn select(
        &self,
        terms: &[String],
        allow_missing: bool,
    ) -> Result<Vec<ScriptIx>, Vec<SelectError>> {
        let selection = Selection::parse(terms)?;
        let selection = match allow_missing {
            true => selection.allow_missing(),
            false => selection,
        };
        let steps = selection.resolve(&self.plan, &self.graph)?;
        Ok(steps.iter().map(|step| ScriptIx(step.at())).collect())
    }

    /// The script of this number, name, or file name.
    ///
    /// # Errors
    /// There is none, or there are several: what to say of it.
    pub fn find(&self, word: &str) -> Result<ScriptIx, String> {
        let is_it = |script: &Script| {
            let number = word.len() == 4 && word.parse() == Ok(script.number);
            let names = [&*script.id, &*script.file, stem(&script.file)];
            number || names.iter().any(|name| name.eq_ignore_ascii_case(word))
        };
        let all: Vec<usize> = (0..self.scripts.len())
            .filter(|ix| is_it(&self.scripts[*ix]))
            .collect();
        match all.as_slice() {
            [one] => Ok(ScriptIx(*one)),
            [] => {
                let names = self.scripts.iter().map(|script| &*script.id);
                Err(match crate::plan::name::nearest(word, names) {
                    Some(near) => format!("there is no script {word:?}; did you mean {near:?}?"),
                    None => format!("there is no script {word:?}"),
                })
            }
            several => {
                let names: Vec<&str> = several.iter().map(|ix| &*self.scripts[*ix].id).collect();
                Err(format!(
                    "{word} is {}: name one of them",
                    names.join(" and ")
                ))
            }
        }
    }

    /// Numbers that several of these scripts have, with the scripts.
    pub fn duplicates(&self, of: &[ScriptIx]) -> Vec<(u16, Vec<&Script>)> {
        let mut by_number: BTreeMap<u16, Vec<&Script>> = BTreeMap::new();
        for script in of.iter().map(|ix| self.script(*ix)) {
            by_number.entry(script.number).or_default().push(script);
        }
        by_number.retain(|_, scripts| scripts.len() > 1);
        by_number.into_iter().collect()
    }
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

impl Script {
    /// Nothing, where the file is no script or cannot be read.
    fn read(
        dir: &Path,
        found: &Found,
        id: &str,
        config: &Config,
        request: &Request,
        sources: &mut Sources,
    ) -> Option<Script> {
        let path = dir.join(&found.file);
        let mut head = Vec::new();
        let file = File::open(&path).ok()?;
        file.take(HEAD).read_to_end(&mut head).ok()?;
        let runner = runner::of(&path, &found.extension(), &head)?;
        let text = String::from_utf8_lossy(&head);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let header = header::read(text);
        let at = Span {
            file: sources.add(path.display().to_string(), kept(&header, text)),
            ..Span::default()
        };
        let parameters = match runner.powershell {
            true => parameters::of(text),
            false => BTreeMap::new(),
        };
        let defaults = config.defaults(found.number);
        let said = |said: &Option<Said>| said.as_ref().map(|said| said.text.clone());
        let stage = said(&header.stage).or_else(|| defaults.stage.clone());
        Some(Script {
            number: found.number,
            id: id.to_owned(),
            file: found.file.clone(),
            path: path.to_string_lossy().into_owned(),
            stage: stage.unwrap_or_else(|| NO_STAGE.into()),
            description: said(&header.description).unwrap_or_default(),
            tags: tags(&header),
            dependencies: dependencies(&header, at),
            condition: header.condition.as_ref().map(|said| condition(said, at)),
            missing: runner::missing(&runner, request.path()),
            runner,
            parameters,
            defaults,
            at,
        })
    }

    /// What can be selected of it.
    fn sketch(&self) -> Step {
        let about = About {
            stage: Some(self.stage.as_str().into()),
            ..About::default()
        };
        Step {
            tags: self.tags.clone(),
            about: Some(Box::new(about)),
            source: self.source(),
            ..Step::new(self.id.as_str(), Action::Group)
        }
    }

    /// Where the script is written.
    pub fn source(&self) -> Source {
        Source {
            file: self.at.file,
            line: 1,
            column: 1,
        }
    }
}

/// As much of the text as a problem could point into.
fn kept(header: &Header, text: &str) -> String {
    let said = [&header.dependencies, &header.condition];
    let end = said.into_iter().flatten().map(|said| said.at.end).max();
    let end = end.map_or(0, |end| {
        text[end..].find('\n').map_or(text.len(), |at| end + at)
    });
    text[..end].to_owned()
}

fn tags(header: &Header) -> Box<[Box<str>]> {
    let said = header.tags.iter();
    let words = said.flat_map(|said| said.text.split([',', ';']).map(str::trim));
    words
        .filter(|word| !word.is_empty())
        .map(Box::from)
        .collect()
}

fn dependencies(header: &Header, file: Span) -> Vec<(String, Span)> {
    let Some(said) = &header.dependencies else {
        return Vec::new();
    };
    let words = needs::words(&said.text).into_iter();
    words
        .map(|(word, at)| {
            let at = said.at.start + at.start..said.at.start + at.end;
            (word.to_owned(), within(file, at))
        })
        .collect()
}

fn condition(said: &Said, file: Span) -> Result<Condition, Box<Problem>> {
    Condition::parse(&said.text).map_err(|error| {
        let at = said.at.start + error.at.start..said.at.start + error.at.end;
        let message = format!("Condition: {}", error.message);
        let problem = Problem::error(message).at(within(file, at), "");
        Box::new(match error.help {
            Some(help) => problem.help(help),
            None => problem,
        })
    })
}

fn within(file: Span, at: std::ops::Range<usize>) -> Span {
    Span {
        file: file.file,
        start: at.start as u32,
        end: at.end as u32,
    }
}
