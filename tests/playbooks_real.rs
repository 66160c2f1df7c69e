//! The real playbooks of the system that the sequence language comes from, on a
//! tree of stubs with the real scripts' names and header lines.
//!
//! They lie beside the checkout and are no part of it; without them these tests
//! say so and pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use quintet::load::playbook::{self, Options};
use quintet::load::{Loaded, Refusal, Request, scripts};
use quintet::plan::problem::Severity;
use quintet::plan::{Action, Plan};

/// One year's inputs: its playbooks, and a tree of stubs of its scripts.
struct Year {
    playbooks: PathBuf,
    stubs: tempfile::TempDir,
    request: Request,
}

impl Year {
    fn of(year: &str) -> Option<Year> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let inputs = root.join("../shared/inputs/aitherzero").join(year);
        let Ok(list) = fs::read(inputs.join("scripts.json")) else {
            eprintln!("skipped: there is no folder {}", inputs.display());
            return None;
        };
        let list: Vec<serde_json::Value> = serde_json::from_slice(&list).expect("a list");
        let stubs = tempfile::tempdir().expect("a folder");
        for script in &list {
            let file = script["file"].as_str().expect("a name");
            fs::write(stubs.path().join(file), stub(script)).expect("written");
        }
        let request = Request {
            cwd: stubs.path().to_string_lossy().into_owned(),
            env: Some(BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())])),
            ..Request::default()
        };
        Some(Year {
            playbooks: inputs.join("playbooks"),
            stubs,
            request,
        })
    }

    fn load(&self, path: &Path, options: &Options) -> Result<Loaded, Refusal> {
        let folder = scripts::open(self.stubs.path(), None, &self.request)?;
        playbook::load(folder, path, &self.playbooks, options, &self.request)
    }

    fn named(&self, name: &str) -> PathBuf {
        playbook::find::find(&self.playbooks, name, self.stubs.path()).expect("it is there")
    }
}

/// A script that does nothing, with the real one's header lines where they were.
fn stub(script: &serde_json::Value) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for field in script["fields"].as_array().into_iter().flatten() {
        let line = field["line"].as_u64().expect("a line") as usize;
        lines.resize(lines.len().max(line), "");
        lines[line - 1] = field["text"].as_str().expect("a text");
    }
    format!("{}\nexit 0\n", lines.join("\n"))
}

fn scripts_of(plan: &Plan) -> Vec<&str> {
    let is_script = |id: &&str| {
        let last = id.rsplit('/').next().unwrap_or_default();
        last.len() > 5 && last.as_bytes()[..4].iter().all(u8::is_ascii_digit)
    };
    let ids = plan.steps.iter().map(|step| &*step.id);
    ids.filter(is_script).collect()
}

/// The playbooks that are refused, and what each is refused for: the first
/// error's message.
const REFUSED: &[(&str, &str)] = &[];

/// A31: every real playbook loads, or is refused for a reason that names its place.
#[test]
fn a31_every_real_playbook_loads_or_is_refused_precisely() {
    for (name, count) in [("2025-08", 23), ("2025-11", 42)] {
        let Some(year) = Year::of(name) else { return };
        let all = playbook::find::all(&year.playbooks);
        assert_eq!(all.len(), count);
        for path in all {
            let shown = path
                .strip_prefix(&year.playbooks)
                .expect("below it")
                .display();
            match year.load(&path, &Options::default()) {
                Ok(loaded) => {
                    let plan = &loaded.plan;
                    println!(
                        "{name} {shown}: {} steps, {} scripts, {} warnings",
                        plan.steps.len(),
                        scripts_of(plan).len(),
                        loaded.warnings.len()
                    );
                    for warning in &loaded.warnings {
                        println!("      {}", warning.message);
                    }
                }
                Err(refusal) => {
                    for problem in refusal
                        .problems
                        .iter()
                        .filter(|p| p.severity == Severity::Error)
                    {
                        println!("{name} {shown}: REFUSED {}", problem.message);
                    }
                }
            }
        }
    }
}
