//! Front ends: what is written becomes a plan.
//!
//! A front end only lowers: it knows one way of writing work down, and turns it
//! into the one [`Plan`] that everything else knows. What makes a plan a plan
//! (names, edges, circles, pools) it leaves to [`crate::plan::build`], and what
//! variables mean to [`crate::plan::variables`].
//!
//! This room reads files and nothing else of the world: the working directory,
//! the environment and the variables' values come in with the [`Request`].

pub mod checks;
pub mod document;
mod facts;
pub mod jobs;
pub mod phases;
pub mod plan_file;
pub mod playbook;
mod runner;
pub mod scripts;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::plan::problem::{Problem, Severity};
use crate::plan::{Origin, Plan};

pub use crate::plan::problem::Sources;
pub use plan_file::load_str;

/// A front end.
pub struct Loader {
    /// One word for it.
    pub name: &'static str,
    /// What it reads, for people.
    pub about: &'static str,
    /// Whether what is at this path is for it.
    pub accepts: fn(&Path) -> bool,
    pub load: fn(&Path, &Request) -> Result<Loaded, Refusal>,
    /// What it reads says itself which project it belongs to. Else that follows
    /// from where it lies.
    pub says_project: bool,
}

/// All front ends. The first that accepts a path reads it.
pub static LOADERS: &[Loader] = &[
    Loader {
        name: "phases",
        about: "a tree of phases: directories with an index.json",
        accepts: phases::is_tree,
        load: phases::load,
        says_project: false,
    },
    Loader {
        name: "checks",
        about: "a file of checks: JSON, TOML, YAML or PowerShell data with phases of checks",
        accepts: checks::is_checks,
        load: checks::load,
        says_project: true,
    },
    Loader {
        name: "plan",
        about: "a plan file: JSON, TOML, YAML or PowerShell data with a list of steps",
        accepts: |path| !path.is_dir(),
        load: plan_file::load,
        says_project: false,
    },
    Loader {
        name: "scripts",
        about: "a folder of numbered scripts: NNNN_Name.*",
        accepts: scripts::is_folder,
        load: scripts::load,
        says_project: false,
    },
];

/// What a plan is loaded with.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Values of variables by name. Of two for one name the later counts.
    pub vars: Vec<(String, String)>,
    /// The directory that relative working directories are seen from; absolute.
    pub cwd: String,
    /// The environment that `${env.NAME}` is looked up in; without it nothing is.
    pub env: Option<BTreeMap<String, String>>,
    /// Warnings are errors.
    pub strict: bool,
    /// References to variables without a value stay as they are written.
    pub allow_unresolved: bool,
}

impl Request {
    /// Where programs are looked for: `PATH` of the environment.
    pub fn path(&self) -> Option<&str> {
        self.env.as_ref()?.get("PATH").map(String::as_str)
    }
}

/// A plan, and what is worth knowing about its files.
#[derive(Clone)]
pub struct Loaded {
    pub plan: Plan,
    /// Values of secret variables by name. They are no part of the plan, and
    /// belong into no record.
    pub secrets: BTreeMap<String, String>,
    pub warnings: Vec<Problem>,
    /// What a run would need of this machine and is not there. A preview is none
    /// the worse for it; a run is refused.
    pub unmet: Vec<Unmet>,
    /// What all these point into. Without any, the texts are gone.
    pub sources: Sources,
}

/// A program that a step is run by and this machine has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The step's id.
    pub step: String,
    /// As it would be looked for on PATH.
    pub program: String,
}

impl std::fmt::Debug for Loaded {
    /// Secret values are left out: debug output ends in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("plan", &self.plan)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Why there is no plan: at least one problem, and what they point into.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub problems: Vec<Problem>,
    pub sources: Sources,
}

/// Loads what is at `path`, whatever kind of input it is.
///
/// # Errors
/// Everything that is wrong with it, in the order of the files.
pub fn load(path: &Path, request: &Request) -> Result<Loaded, Refusal> {
    match LOADERS.iter().find(|loader| (loader.accepts)(path)) {
        Some(loader) => {
            let mut loaded = (loader.load)(path, request)?;
            if !loaded.plan.project.is_empty() && !loader.says_project {
                loaded.plan.project = project(path, request);
            }
            Ok(loaded)
        }
        None => {
            let mut refusal = unreadable(format!(
                "{:?} is no input that can be read",
                path.display().to_string()
            ));
            let known: Vec<&str> = LOADERS.iter().map(|loader| loader.about).collect();
            let help = format!("what can be read is {}", known.join("; or "));
            refusal.problems[0].help = Some(help);
            Err(refusal)
        }
    }
}

/// The project that what is at `path` belongs to: a folder itself, else the
/// folder that it is in; absolute, and without links, so that it is the same
/// project however one gets there.
fn project(path: &Path, request: &Request) -> Box<str> {
    let absolute = Path::new(&request.cwd).join(path);
    let folder = match absolute.is_dir() {
        true => Some(absolute.as_path()),
        false => absolute.parent(),
    };
    let folder = folder.unwrap_or(&absolute);
    let real = folder.canonicalize();
    let folder = real.as_deref().unwrap_or(folder);
    folder.to_string_lossy().into()
}

/// The content id that a file has now, as [`Origin::content`] spells it; `None`
/// where there is no such text.
pub fn content_of(path: &Path) -> Option<String> {
    let text = read_file(path, &path.display().to_string()).ok()?;
    Some(content_id(&text))
}

fn content_id(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Where a plan comes from, for its record.
fn origin(path: &Path, text: &str, request: &Request) -> Origin {
    let absolute = Path::new(&request.cwd).join(path);
    Origin {
        path: absolute.to_string_lossy().into_owned(),
        content: content_id(text),
        cwd: request.cwd.clone(),
    }
}

/// The text of a file.
fn read_file(path: &Path, name: &str) -> Result<String, Refusal> {
    let bytes =
        read_bytes(path).map_err(|error| unreadable(format!("cannot read {name:?}: {error}")))?;
    if bytes.len() > document::MAX_BYTES {
        return Err(Refusal {
            problems: vec![document::too_long()],
            sources: Sources::default(),
        });
    }
    document::decode(bytes, 0).map_err(|not_text| {
        let mut sources = Sources::default();
        sources.add(name, not_text.shown);
        Refusal {
            problems: vec![not_text.problem],
            sources,
        }
    })
}

/// The file's bytes, of one that is too long only as many as tell that it is.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let most = document::MAX_BYTES as u64 + 1;
    let expected = file.metadata()?.len().min(most);
    let mut bytes = Vec::with_capacity(expected as usize + 1);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(message: String) -> Refusal {
    Refusal {
        problems: vec![Problem::error(message)],
        sources: Sources::default(),
    }
}

/// What a front end makes of its files.
struct Lowered {
    plan: Plan,
    secrets: BTreeMap<String, String>,
    unmet: Vec<Unmet>,
}

/// What a front end ends with: a plan where nothing is in its way.
fn conclude(
    lowered: Option<Lowered>,
    mut problems: Vec<Problem>,
    mut sources: Sources,
    request: &Request,
) -> Result<Loaded, Refusal> {
    if request.strict {
        for problem in &mut problems {
            problem.severity = Severity::Error;
        }
    }
    problems.sort_by_key(|problem| {
        let place = problem.at.as_ref().map(|(span, _)| (span.file, span.start));
        (problem.severity, place)
    });
    let sound = problems.iter().all(|p| p.severity == Severity::Warning);
    match lowered.filter(|_| sound) {
        Some(Lowered {
            mut plan,
            secrets,
            unmet,
        }) => {
            plan.files = sources.names();
            let is_cached = plan.steps.iter().any(|step| step.cache.is_some());
            if is_cached && plan.project.is_empty() {
                plan.project = request.cwd.as_str().into();
            }
            if problems.is_empty() && unmet.is_empty() {
                sources.forget_texts();
            }
            Ok(Loaded {
                plan,
                secrets,
                warnings: problems,
                unmet,
                sources,
            })
        }
        None => Err(Refusal { problems, sources }),
    }
}
