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

/// The playbooks that are refused, and what for: the beginning of each error.
/// All of them ask before anything runs for something that only PowerShell could
/// tell; nothing of that is ever run.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "ci-cd-pipeline",
        &["the check \"GitHub Token\": the command \"gh\""],
    ),
    (
        "quick-dev-setup",
        &["the check \"PowerShell Version\": the type \"version\""],
    ),
    (
        "hyperv-lab-setup",
        &[
            "the check \"Administrator Rights\": the type \"Security.Principal.WindowsPrincipal\"",
            "the check \"Hyper-V Support\": the command \"Get-WindowsOptionalFeature\"",
        ],
    ),
    (
        "system-cleanup",
        &["the check \"Sufficient Disk Space\": the command \"Get-PSDrive\""],
    ),
];

/// What is asked after all is only ever a warning, and so is what cannot be
/// judged: the playbooks, and the code in them.
const UNJUDGED: [(&str, &str); 5] = [
    ("claude-custom-agent-personas", "Get-ChildItem"),
    ("claude-custom-commands", "Get-ChildItem"),
    ("claude-intelligent-automation", "Get-ChildItem"),
    ("claude-multi-agent-orchestration", "Get-ChildItem"),
    ("claude-sub-agent-delegation", "Get-ChildItem"),
];

/// A37.
#[test]
fn a37_what_cannot_be_judged_after_all_is_a_warning() {
    let Some(year) = Year::of("2025-11") else {
        return;
    };
    for (name, code) in UNJUDGED {
        let path = playbook::find::find(&year.playbooks, name, Path::new("")).expect("it is there");
        let loaded = year.load(&path, &Options::default()).expect("it loads");
        let told = loaded
            .warnings
            .iter()
            .any(|problem| problem.message.contains(code));
        assert!(told, "{name}: {:#?}", loaded.warnings);
    }
}

/// A31, A28: every real playbook loads, or is refused by name, place and construct.
#[test]
fn a31_every_real_playbook_loads_or_is_refused_precisely() {
    for (name, count) in [("2025-08", 23), ("2025-11", 42)] {
        let Some(year) = Year::of(name) else { return };
        let all = playbook::find::all(&year.playbooks);
        assert_eq!(all.len(), count, "{name}");
        for path in all {
            let stem = path.file_stem().expect("a name").to_string_lossy();
            let expected = REFUSED.iter().find(|(known, _)| *known == stem);
            let expected = expected.map_or(&[][..], |(_, errors)| *errors);
            let found = match year.load(&path, &Options::default()) {
                Ok(loaded) => {
                    assert!(!scripts_of(&loaded.plan).is_empty(), "{stem}");
                    Vec::new()
                }
                Err(refusal) => errors(&refusal),
            };
            assert_eq!(found.len(), expected.len(), "{name}/{stem}: {found:#?}");
            for (found, expected) in found.iter().zip(expected) {
                let begins = format!("the condition of {expected} is code");
                assert!(found.starts_with(&begins), "{stem}: {found}");
            }
        }
    }
}

/// The errors of a refusal, each of which must have its place in a file.
fn errors(refusal: &Refusal) -> Vec<String> {
    let errors = refusal.problems.iter();
    let errors = errors.filter(|problem| problem.severity == Severity::Error);
    errors
        .map(|problem| {
            let (span, _) = problem.at.as_ref().expect("a place");
            let name = refusal.sources.name(span.file);
            assert!(name.ends_with(".json"), "{name}: {}", problem.message);
            problem.message.clone()
        })
        .collect()
}

/// A39: each profile of each playbook that loads.
#[test]
fn a39_every_real_profile_is_known() {
    for name in ["2025-08", "2025-11"] {
        let Some(year) = Year::of(name) else { return };
        let mut profiles = 0;
        for path in playbook::find::all(&year.playbooks) {
            let stem = path.file_stem().expect("a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("a file");
            let book: serde_json::Value =
                serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("JSON");
            let refused = REFUSED.iter().any(|(known, _)| *known == stem);
            for profile in profile_names(&book) {
                let options = Options {
                    profile: Some(profile.to_uppercase()),
                    ..Options::default()
                };
                if let Err(refusal) = year.load(&path, &options) {
                    assert!(refused, "{stem} {profile}: {:#?}", refusal.problems);
                }
                profiles += 1;
            }
        }
        assert!(profiles > 10, "{name}: {profiles}");
    }
}

/// The names of a playbook's profiles, wherever it has them.
fn profile_names(book: &serde_json::Value) -> Vec<String> {
    let places = [
        "/profiles",
        "/options/profiles",
        "/Options/Profiles",
        "/Profiles",
    ];
    let places = places.into_iter().chain(["/orchestration/profiles"]);
    let found = places.filter_map(|place| book.pointer(place)?.as_object());
    found.flat_map(|all| all.keys().cloned()).collect()
}

/// A32: the order that the original got wrong.
#[test]
fn a32_the_git_workflow_runs_as_it_is_written() {
    for name in ["2025-08", "2025-11"] {
        let Some(year) = Year::of(name) else { return };
        let path = year.named("git-workflow");
        let plan = year.load(&path, &Options::default()).expect("a plan").plan;
        let scripts = scripts_of(&plan);
        let numbers: Vec<&str> = scripts
            .iter()
            .map(|id| &id.rsplit('/').next().expect("a name")[..4])
            .collect();
        assert_eq!(numbers, ["0704", "0702", "0705", "0703"]);
        for pair in scripts.windows(2) {
            assert!(waits_for(&plan, pair[1], pair[0]), "{pair:?}");
        }
    }
}

/// Whether one step starts only when another is over, directly or not.
fn waits_for(plan: &Plan, later: &str, earlier: &str) -> bool {
    let mut open: Vec<usize> = (0..plan.steps.len())
        .filter(|at| *plan.steps[*at].id == *later)
        .collect();
    let mut seen = vec![false; plan.steps.len()];
    while let Some(at) = open.pop() {
        let step = &plan.steps[at];
        if *step.id == *earlier {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(step.needs.iter().chain(&step.after).map(|ix| ix.at()));
        }
    }
    false
}

/// A33, A34: each stage of a workflow has its own variables, filled from the
/// command line.
#[test]
fn a33_the_ai_workflow_tells_each_script_its_own_variables() {
    let Some(year) = Year::of("2025-08") else {
        return;
    };
    let path = year.named("ai-complete-workflow");
    let options = Options {
        variables: [
            ("branchName".into(), "fix'it".into()),
            ("commitMessage".into(), "by hand".into()),
        ]
        .into(),
        ..Options::default()
    };
    let plan = year.load(&path, &options).expect("a plan").plan;
    let told = |stage: &str, name: &str| {
        let mut steps = plan.steps.iter();
        let step = steps
            .find(|step| step.id.starts_with(&format!("{stage}/")))
            .expect("a step");
        let Action::Command(command) = &step.action else {
            panic!("{}", step.id);
        };
        let mut env = command.env.iter();
        let (_, text) = env.find(|(known, _)| **known == *format!("AITHERZERO_{name}"))?;
        Some(text.shown().into_owned())
    };
    assert_eq!(
        told("create-feature-branch", "Name").as_deref(),
        Some("fix'it")
    );
    assert_eq!(
        told("create-feature-branch", "Type").as_deref(),
        Some("feature")
    );
    assert_eq!(
        told("create-manual-commit", "Message").as_deref(),
        Some("by hand")
    );
    assert_eq!(told("create-pull-request", "Base").as_deref(), Some("main"));
    assert_eq!(
        told("create-pull-request", "AutoMerge").as_deref(),
        Some("false")
    );
    assert_eq!(told("push-branch", "Message"), None);
    let conditions: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| step.when.as_ref().map(|when| when.text()))
        .collect();
    assert_eq!(
        conditions,
        ["(commitMessage == 'auto')", "(commitMessage != 'auto')"]
    );
}
