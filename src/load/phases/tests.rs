//! What trees become, and which are refused.

use super::*;
use crate::plan::problem::Severity;
use crate::plan::{Absent, Action, Program, Step, Text};

/// A tree on the disk.
struct Trees(tempfile::TempDir);

impl Trees {
    fn new() -> Trees {
        Trees(tempfile::tempdir().expect("a directory"))
    }

    fn file(self, path: &str, text: impl AsRef<[u8]>) -> Trees {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
        self
    }

    /// A level with these children, and what else its file says.
    fn level(self, dir: &str, children: &str, more: &str) -> Trees {
        let names: Vec<String> = children
            .split_whitespace()
            .map(|n| format!("{n:?}"))
            .collect();
        let children = names.join(",");
        let text = format!(r#"{{"metadata": {{}}, "children": [{children}]{more}}}"#);
        self.file(&format!("{dir}/index.json"), text)
    }

    fn programs(self, paths: &str) -> Trees {
        let paths = paths.split_whitespace();
        paths.fold(self, |trees, path| trees.file(path, ""))
    }

    fn load(&self, dir: &str) -> Result<Loaded, Refusal> {
        let request = Request {
            cwd: self.0.path().to_string_lossy().into_owned(),
            env: Some(BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())])),
            ..Request::default()
        };
        crate::load::load(&self.0.path().join(dir), &request)
    }

    #[track_caller]
    fn plan(&self, dir: &str) -> crate::plan::Plan {
        let loaded = self.load(dir);
        loaded
            .unwrap_or_else(|refusal| panic!("{:?}", refusal.problems))
            .plan
    }

    /// Each step with what it needs, and behind `/` what it only waits for.
    #[track_caller]
    fn edges(&self, dir: &str) -> Vec<String> {
        let plan = self.plan(dir);
        let ids = |list: &[crate::plan::StepIx]| {
            let ids: Vec<&str> = list.iter().map(|ix| &*plan[*ix].id).collect();
            ids.join(" ")
        };
        let one = |step: &Step| match (ids(&step.needs), ids(&step.after)) {
            (needs, after) if after.is_empty() => format!("{}: {needs}", step.id),
            (needs, after) if needs.is_empty() => format!("{}: / {after}", step.id),
            (needs, after) => format!("{}: {needs} / {after}", step.id),
        };
        plan.steps
            .iter()
            .map(|step| one(step).trim_end().to_owned())
            .collect()
    }

    /// The errors, each with the file and line that it is in.
    #[track_caller]
    fn errors(&self, dir: &str) -> Vec<String> {
        match self.load(dir) {
            Ok(_) => Vec::new(),
            Err(refusal) => self.told(&refusal.problems, &refusal.sources, Severity::Error),
        }
    }

    #[track_caller]
    fn warnings(&self, dir: &str) -> Vec<String> {
        let loaded = self.load(dir).expect("a plan");
        self.told(&loaded.warnings, &loaded.sources, Severity::Warning)
    }

    /// Problems of a kind, each with its place, as seen from the tree's directory.
    fn told(&self, problems: &[Problem], sources: &Sources, severity: Severity) -> Vec<String> {
        let here = format!("{}/", self.0.path().display());
        let told = problems
            .iter()
            .filter(|problem| problem.severity == severity);
        let one = |problem: &Problem| match &problem.at {
            Some((span, _)) => {
                let place = sources.place(*span);
                let name = sources.name(span.file);
                format!("{name}:{}:{}: {problem}", place.line, place.column)
            }
            None => problem.to_string(),
        };
        told.map(|problem| one(problem).replace(&here, ""))
            .collect()
    }
}

/// What a step that can only fail will say.
fn why(step: &Step) -> String {
    let Action::Command(command) = &step.action else {
        panic!("{} does nothing", step.id);
    };
    let said = command.stdin.as_deref();
    said.map_or_else(String::new, |said| said.shown().into_owned())
}

fn argv(step: &Step) -> Vec<String> {
    match &step.action {
        Action::Command(command) => match &command.program {
            Program::Argv(argv) => argv.iter().map(|word| word.shown().into_owned()).collect(),
            Program::Shell { args, .. } => {
                args.iter().map(|arg| arg.shown().into_owned()).collect()
            }
        },
        Action::Builtin(_) | Action::Group => Vec::new(),
    }
}

fn env(step: &Step, name: &str) -> Option<Text> {
    let Action::Command(command) = &step.action else {
        return None;
    };
    let found = command.env.iter().find(|(known, _)| &**known == name);
    found.map(|(_, text)| text.clone())
}

/// H1. H3. H12.
#[test]
fn h1_a_tree_is_a_plan_of_its_phases_and_programs_in_their_order() {
    let trees = Trees::new()
        .level(
            "t",
            "c b a p d",
            r#", "phases": {"b": {"order": 1}, "p": {"order": 2}, "c": {"order": 2}}"#,
        )
        .level("t/p", "x y", r#", "phases": {"y": {"order": -1.5}}"#)
        .programs("t/a.sh t/b.sh t/c.sh t/d.sh t/p/x.sh t/p/y.sh");
    assert_eq!(
        trees.edges("t"),
        ["b:", "c: b", "p: p/x", "p/y: c", "p/x: p/y", "a: p", "d: a"]
    );
}

/// H4. H5.
#[test]
fn h4_order_and_enabled_hold_at_every_level() {
    let trees = Trees::new()
        .level("t", "p", "")
        .level(
            "t/p",
            "a b q",
            r#", "phases": {"b": {"order": 1}, "q": {"enabled": false}}"#,
        )
        .level("t/p/q", "z", "")
        .programs("t/p/a.sh t/p/b.sh t/p/q/z.sh");
    let plan = trees.plan("t");
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["p", "p/b", "p/a", "p/q", "p/q/z"]);
    let absent: Vec<Option<Absent>> = plan.steps.iter().map(|step| step.absent).collect();
    let off = Some(Absent::Disabled);
    assert_eq!(absent, [None, None, None, off, off]);
}

/// H7.
#[test]
fn h7_a_module_called_like_its_phase_hides_nothing_and_is_warned_of() {
    let trees = Trees::new()
        .level("t", "config", "")
        .level("t/config", "config theme", "")
        .programs("t/config/config.py t/config/theme.sh");
    let plan = trees.plan("t");
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["config", "config/config", "config/theme"]);
    assert!(
        argv(&plan.steps[1])
            .iter()
            .any(|word| word.ends_with("t/config/config.py"))
    );
    let warnings = trees.warnings("t");
    assert!(
        warnings[0].contains("t/config/config.py is called like its own phase"),
        "{warnings:?}"
    );
}

/// H15. H16. H17.
#[test]
fn h17_a_failure_counts_unless_the_level_or_the_child_says_otherwise() {
    let handling = r#", "execution": {"continue_on_error": true,
        "error_handling": {"b": {"continue_on_error": false}}}"#;
    let trees = Trees::new()
        .level("t", "a b c d", handling)
        .level("t/c", "x y", "")
        .programs("t/a.sh t/b.sh t/d.sh t/c/x.sh t/c/y.sh");
    assert_eq!(
        trees.edges("t"),
        ["a:", "b: / a", "c: c/y", "c/x: b", "c/y: c/x", "d: b / c"]
    );
    let plan = trees.plan("t");
    let critical: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| step.policy.critical)
        .map(|step| &*step.id)
        .collect();
    assert_eq!(
        critical,
        ["b"],
        "what is within a tolerated phase is tolerated"
    );
}

/// H16: the first children of a tolerated phase wait for what it waits for, and
/// so does the phase: what failed before it stops all of it.
#[test]
fn h16_a_failure_before_a_phase_reaches_all_that_is_in_it() {
    let tolerant = r#", "execution": {"continue_on_error": true}"#;
    let trees = Trees::new()
        .level("t", "a p b", "")
        .level("t/p", "x y", tolerant)
        .programs("t/a.sh t/b.sh t/p/x.sh t/p/y.sh");
    assert_eq!(
        trees.edges("t"),
        ["a:", "p: a / p/y", "p/x: a", "p/y: a / p/x", "b: p"]
    );
}

/// H34.
#[test]
fn h34_children_of_equal_order_run_together_where_the_level_says_so() {
    for says in [r#""parallel": true"#, r#""mode": "parallel""#] {
        let more = format!(
            r#", "execution": {{{says}}}, "phases": {{"a": {{"order": 1}}, "p": {{"order": 1}}}}"#
        );
        let trees = Trees::new()
            .level("t", "a p c d", &more)
            .level("t/p", "x y", "")
            .programs("t/a.sh t/c.sh t/d.sh t/p/x.sh t/p/y.sh");
        assert_eq!(
            trees.edges("t"),
            ["a:", "p: p/y", "p/x:", "p/y: p/x", "c: a p", "d: a p"]
        );
        assert_eq!(trees.plan("t").max_concurrency.get(), 2);
    }
    let trees = Trees::new()
        .level("t", "a b", r#", "execution": {"mode": "sequential"}"#)
        .programs("t/a.sh t/b.sh");
    assert_eq!(trees.edges("t"), ["a:", "b: a"]);
}

/// H34: two large groups meet at a gate, and not each with each.
#[test]
fn h34_large_groups_meet_at_a_gate() {
    let names = |of: &str| (0..300).map(|n| format!("{of}{n}")).collect::<Vec<_>>();
    let (first, second) = (names("a"), names("b"));
    let orders: Vec<String> = first
        .iter()
        .map(|name| format!(r#""{name}": {{"order": 1}}"#))
        .collect();
    let more = format!(
        r#", "execution": {{"parallel": true}}, "phases": {{{}}}"#,
        orders.join(",")
    );
    let children = [first, second].concat().join(" ");
    let plan = Trees::new().level("t", &children, &more).plan("t");
    let edges: usize = plan.steps.iter().map(|step| step.needs.len()).sum();
    assert_eq!((plan.steps.len(), edges), (601, 600));
    assert_eq!(&*plan.steps[300].id, "after-order-1");
}

/// H13. H14.
#[test]
fn h13_a_child_that_is_nothing_is_a_step_that_fails_and_says_what_was_tried() {
    let trees = Trees::new()
        .level("t", "gone", "")
        .file("t/gone/readme", "");
    let plan = trees.plan("t");
    let said = why(&plan.steps[0]);
    for path in [
        "t/gone/index.json MISSING",
        "t/gone.py MISSING",
        "t/../gone.sh MISSING",
    ] {
        assert!(said.contains(path), "{said}");
    }
    assert!(
        said.contains("t/gone EXISTS: a directory without an index"),
        "{said}"
    );
    assert!(said.ends_with("paths were tried\n"), "{said}");
    let warnings = trees.warnings("t");
    assert!(
        warnings[0].contains("\"gone\" is nothing that runs"),
        "{warnings:?}"
    );
}

/// H11.
#[test]
fn h11_a_program_whose_interpreter_is_missing_is_a_step_that_fails() {
    let trees = Trees::new()
        .level("t", "a", "")
        .file("t/a.rb", "#!/nowhere/ruby\n");
    let said = why(&trees.plan("t").steps[0]);
    assert!(said.contains("\"/nowhere/ruby\", which runs"), "{said}");
    assert!(trees.warnings("t")[0].contains("is not on PATH"));
}

/// H28. H29.
#[test]
fn h28_a_child_is_passed_the_object_of_its_name_and_what_its_parent_was_passed() {
    let more = r#", "p": {"disk": "sda"}, "a": "no object", "other": {"x": 1}"#;
    let trees = Trees::new()
        .level("t", "a p b", more)
        .level("t/p", "x", r#", "x": {"own": true, "disk": "sdb"}"#)
        .programs("t/a.py t/b.sh t/p/x.sh");
    let plan = trees.plan("t");
    let config = |at: usize| env(&plan.steps[at], "QUINTET_CONFIG");
    assert_eq!(config(0), None);
    assert_eq!(config(2), Some(r#"{"disk":"sda","own":true}"#.into()));
    assert_eq!(config(3), None);
    let handed =
        |at: usize| env(&plan.steps[at], "QUINTET_HANDED_ON").map(|text| text.shown().into_owned());
    assert_eq!(handed(0), None);
    for at in [2, 3] {
        assert_eq!(handed(at).as_deref(), Some("[${steps.a.outputs.config}]"));
    }
}

#[test]
fn configuration_that_no_environment_holds_is_refused() {
    let long = "x".repeat(super::config::LONGEST);
    let trees = Trees::new()
        .level("t", "a", &format!(r#", "a": {{"k": "{long}"}}"#))
        .programs("t/a.sh");
    let errors = trees.errors("t");
    assert!(errors[0].contains("bytes of configuration"), "{errors:?}");
}

/// H21. H20.
#[test]
fn h21_the_roots_paths_are_expanded_and_programs_have_them() {
    let more = r#", "paths": {"log_file": "${X:-logs}/a.log", "prefix": "$NOT_THERE/p"}"#;
    let trees = Trees::new().level("t", "a", more).programs("t/a.sh");
    let plan = trees.plan("t");
    let (name, text) = &plan.env[0];
    assert_eq!(
        (&**name, &*text.shown()),
        (
            "QUINTET_PATHS",
            r#"{"log_file":"logs/a.log","prefix":"$NOT_THERE/p"}"#
        )
    );
    let log = plan.log_file.expect("a log file");
    assert!(log.path.ends_with("/t/logs/a.log"), "{log:?}");
    let warnings = trees.warnings("t");
    assert!(
        warnings[0].ends_with("the environment has no NOT_THERE"),
        "{warnings:?}"
    );
}

/// H25.
#[test]
fn h25_a_level_that_lacks_a_key_names_it() {
    let trees = Trees::new().file("t/index.json", r#"{"metadata": {}}"#);
    assert_eq!(
        trees.errors("t"),
        ["t/index.json:1:1: the key \"children\" is missing"]
    );
    let trees = Trees::new().file("t/index.json", r#"{"children": []}"#);
    assert_eq!(
        trees.errors("t"),
        ["t/index.json:1:1: the key \"metadata\" is missing"]
    );
    let trees = Trees::new().file("t/index.json", "[]");
    assert_eq!(
        trees.errors("t"),
        ["t/index.json:1:1: the key \"metadata\" and \"children\" is missing"]
    );
}

/// H26.
#[test]
fn h26_values_of_wrong_kinds_are_told_all_at_once() {
    let text = r#"{
"metadata": [],
"paths": {"log_file": 1},
"children": ["a", 2, "a", {"name": "b"}],
"execution": {"mode": "fast", "parallel": "yes", "error_handling": {"a": {"continue_on_error": 1}}},
"phases": {"a": {"order": "first", "enabled": "no"}, "aa": {}}
}"#;
    let trees = Trees::new().file("t/index.json", text).programs("t/a.sh");
    insta::assert_snapshot!(trees.errors("t").join("\n"), @r#"
    t/index.json:2:13: metadata must be an object
    t/index.json:3:23: paths.log_file must be a string
    t/index.json:4:19: children[1] must be a name in double quotes
    t/index.json:4:23: "a" is a child twice
    t/index.json:4:27: children[3] must be a name in double quotes
    t/index.json:5:24: execution.mode must be "sequential" or "parallel"
    t/index.json:5:44: execution.parallel must be true or false
    t/index.json:5:96: execution.error_handling.a.continue_on_error must be true or false
    t/index.json:6:28: phases.a.order must be a number
    t/index.json:6:48: phases.a.enabled must be true or false
    "#);
    let refusal = trees.load("t").expect_err("it is refused");
    let warnings = trees.told(&refusal.problems, &refusal.sources, Severity::Warning);
    assert_eq!(
        warnings,
        ["t/index.json:6:55: phases speaks of \"aa\", which is no child"]
    );
}

/// H26. H27.
#[test]
fn h27_names_that_lead_elsewhere_are_refused() {
    let names = r#"["..", ".", "a/b", "/etc/passwd", "../t", "", "a\u0000b", "-x", "con"]"#;
    let text = format!(r#"{{"metadata": {{}}, "children": {names}}}"#);
    let trees = Trees::new().file("t/index.json", text);
    let errors = trees.errors("t");
    assert_eq!(errors.len(), 9, "{errors:?}");
    assert!(
        errors
            .iter()
            .all(|error| error.contains("is no name for a child")),
        "{errors:?}"
    );
}

/// H27.
#[test]
fn h27_a_link_that_leads_back_is_refused() {
    use std::os::unix::fs::symlink;
    for to in ["..", ".", "../..", "../p"] {
        let trees = Trees::new().level("t", "p", "").level("t/p", "q", "");
        symlink(to, trees.0.path().join("t/p/q")).expect("a link");
        let refused = match to {
            // Nothing above the tree is part of it.
            "../.." => continue,
            _ => trees.errors("t"),
        };
        assert!(
            refused[0].contains("\"p/q\" leads back to where it is in"),
            "{to}: {refused:?}"
        );
    }
    let trees = Trees::new()
        .level("t", "p", "")
        .level("other", "x", "")
        .programs("other/x.sh");
    symlink("../other", trees.0.path().join("t/p")).expect("a link");
    assert_eq!(
        trees.edges("t"),
        ["p: p/x", "p/x:"],
        "another place is no circle"
    );
}

/// H27: links can make of a few directories a tree without end.
#[test]
fn h27_a_tree_that_links_make_endless_is_given_up() {
    let mut trees = Trees::new();
    for level in 0..40 {
        trees = trees.level(&format!("l{level}"), "a b", "");
    }
    for level in 0..39 {
        for name in ["a", "b"] {
            let link = trees.0.path().join(format!("l{level}/{name}"));
            std::os::unix::fs::symlink(format!("../l{}", level + 1), link).expect("a link");
        }
    }
    let mut reading = Reading::default();
    let root = trees.0.path().join("l0");
    let tree = tree::read(&root, "l0", 1000, &Request::default(), &mut reading);
    assert_eq!(tree.nodes.len(), 1000);
    let problems = reading.problems.into_vec();
    let said = problems
        .iter()
        .any(|p| p.message == "the tree has more than 1000 phases and steps");
    assert!(said, "{problems:?}");
}

/// H33.
#[test]
fn h33_a_file_of_other_things_is_noted_and_refused_only_where_it_is_named() {
    let foreign = r#"{"packages": ["zsh"], "deployments": []}"#;
    let trees = Trees::new()
        .level("t", "a", "")
        .programs("t/a.sh")
        .file("t/prebuild/index.json", foreign)
        .file("t/.git/index.json", "{ damaged")
        .level("t/unused", "x y z", "");
    assert_eq!(
        trees.warnings("t"),
        ["t/prebuild/index.json:1:1: this is no phase's index.json, and no phase names it"]
    );
    let trees = Trees::new()
        .level("t", "p", "")
        .file("t/p/index.json", foreign);
    assert_eq!(
        trees.errors("t"),
        ["t/p/index.json:1:1: the key \"metadata\" and \"children\" is missing"]
    );
}

/// H24.
#[test]
fn h24_every_damaged_file_is_told_and_each_once() {
    let trees = Trees::new()
        .level("t", "p q", "")
        .file("t/p/index.json", "{\n  metadata: {},\n  \"children: []\n}")
        .file(
            "t/q/index.json",
            "{\n  \"metadata\": {},\n  \"children\": [\"a\",]\n}",
        )
        .file("t/nobodys/index.json", "{")
        .file("t/latin/index.json", b"{\"metadata\": \"\xe9\"}")
        .file("t/empty/index.json", "");
    let errors = trees.errors("t");
    let places: Vec<&str> = errors
        .iter()
        .map(|error| error.split(": ").next().expect("a place"))
        .collect();
    assert_eq!(
        places,
        [
            "t/p/index.json:2:3",
            "t/q/index.json:3:19",
            "t/empty/index.json:1:1",
            "t/latin/index.json:1:15",
            "t/nobodys/index.json:1:1",
        ]
    );
}

#[test]
fn a_directory_that_only_holds_trees_is_told_where_they_begin() {
    let trees = Trees::new()
        .level("t/deep/tree", "a", "")
        .level("t/tree", "a", "");
    let refusal = trees.load("t").expect_err("it has no root");
    let message = &refusal.problems[0].message;
    assert!(
        message.starts_with("there is no index.json in "),
        "{message}"
    );
    let help = refusal.problems[0].help.as_deref().unwrap_or_default();
    assert!(help.ends_with("/t/tree\""), "{help}");
}

/// H2.
#[test]
fn h2_the_index_itself_means_its_directory() {
    let trees = Trees::new().level("t", "a", "").programs("t/a.sh");
    assert_eq!(trees.edges("t/index.json"), ["a:"]);
    let plan = r#"{"metadata": {}, "steps": [{"id": "x", "command": "true"}]}"#;
    let trees = Trees::new().file("t/index.json", plan);
    assert_eq!(trees.edges("t/index.json"), ["x:"]);
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let trees = Trees::new().level("t", "p", "").programs("t/p/x");
    let pipe = trees.0.path().join("t/p/index.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_eq!(
        trees.errors("t")[0],
        "\"t/p/index.json\" is no regular file"
    );
}

#[test]
fn what_is_too_long_or_not_unicode_is_refused() {
    let trees = Trees::new().level("t", "p", "").programs("t/p/index.json");
    let file = std::fs::File::options()
        .write(true)
        .open(trees.0.path().join("t/p/index.json"));
    let length = crate::load::document::MAX_BYTES as u64 + 1;
    file.expect("it is there")
        .set_len(length)
        .expect("a length");
    let errors = trees.errors("t");
    assert!(
        errors[0].starts_with("t/p/index.json:1:1: the file is longer than"),
        "{errors:?}"
    );
    use std::os::unix::ffi::OsStrExt;
    let trees = Trees::new().level("t", "a", "").programs("t/a.sh");
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    std::fs::write(trees.0.path().join("t").join(odd), "").expect("written");
    assert_eq!(
        trees.edges("t"),
        ["a:"],
        "a file that no child can be called"
    );
    let moved = trees.0.path().join(odd);
    std::fs::rename(trees.0.path().join("t"), &moved).expect("renamed");
    let refusal = crate::load::load(&moved, &Request::default()).expect_err("no plan");
    assert!(
        refusal.problems[0]
            .message
            .ends_with("is not Unicode, and no plan can hold it")
    );
}

/// What only loses time when it is slow hangs here when it is endless: a
/// thousand levels, each with a program, on a small stack.
#[test]
fn a_thousand_levels_are_read_without_recursion() {
    let mut trees = Trees::new();
    let mut dir = String::from("t");
    for _ in 0..1000 {
        trees = trees
            .level(&dir, "x d", "")
            .programs(&format!("{dir}/x.sh"));
        dir.push_str("/d");
    }
    trees = trees.level(&dir, "x", "").programs(&format!("{dir}/x.sh"));
    let small = std::thread::Builder::new().stack_size(512 << 10);
    let read = small.spawn(move || {
        let plan = trees.plan("t");
        (
            plan.steps.len(),
            plan.steps.last().map(|step| step.id.len()),
        )
    });
    let read = read.expect("a thread").join().expect("it is read");
    assert_eq!(read, (2001, Some(2001)));
}

/// Fifty thousand nodes in two hundred levels.
#[test]
fn fifty_thousand_nodes_are_read() {
    let names: Vec<String> = (0..249).map(|n| format!("n{n}")).collect();
    let phases: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
    let mut trees = Trees::new().level("t", &phases.join(" "), "");
    for phase in &phases {
        trees = trees.level(&format!("t/{phase}"), &names.join(" "), "");
        trees = trees.programs("t/n0.sh");
    }
    let plan = trees.plan("t");
    assert_eq!(plan.steps.len(), 50_000);
    assert_eq!(argv(&plan.steps[1])[0], "bash");
}

#[test]
fn ten_thousand_children_of_one_level_are_read() {
    let names: Vec<String> = (0..10_000).map(|n| format!("n{n}")).collect();
    let plan = Trees::new().level("t", &names.join(" "), "").plan("t");
    assert_eq!(plan.steps.len(), 10_000);
}
