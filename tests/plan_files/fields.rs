//! What the fields of a plan file mean.

use std::time::Duration;

use quintet::plan::problem::Severity;
use quintet::plan::{
    Executor, Level, Moment, OnAbort, OnFailure, OnRestart, Part, Rollback, StepIx, Text, Verdict,
};

use super::*;

fn shell(script: &str, args: &[&str]) -> Program {
    Program::Shell {
        script: script.into(),
        args: args.iter().map(|arg| Text::from(*arg)).collect(),
    }
}

#[test]
fn every_good_file_is_a_plan_without_warnings() {
    for path in fixtures("good") {
        match load(&path, &request()) {
            Ok(loaded) => assert_eq!(loaded.warnings, [], "{}", path.display()),
            Err(refusal) => panic!("{}", shown(&refusal)),
        }
    }
}

#[test]
fn one_plan_in_four_formats_is_one_plan() {
    let mut plans: Vec<Plan> = ["json", "psd1", "toml", "yaml"]
        .map(|extension| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good/full");
            load(&path.with_extension(extension), &request())
                .unwrap()
                .plan
        })
        .into();
    for plan in &mut plans {
        plan.files.clear();
        plan.origins.clear();
        for step in &mut plan.steps {
            assert_ne!(step.source.line, 0);
            step.source = Default::default();
        }
    }
    assert_eq!(plans[0], plans[1]);
    assert_eq!(plans[0], plans[2]);
    assert_eq!(plans[0], plans[3]);
}

#[test]
fn every_field_reaches_the_plan() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good/full.json");
    let plan = load(&path, &with_var("COUNT", "7")).unwrap().plan;
    assert_eq!(
        (&*plan.id, &*plan.name, &*plan.version),
        ("FULL-001", "Everything", "2")
    );
    assert_eq!(
        plan.description,
        "Every field of a plan file, once, for staging"
    );
    assert_eq!(plan.metadata["nested"]["target"], "staging");
    assert_eq!(plan.metadata["x-owner"], "nobody");
    assert_eq!(plan.variables["COUNT"], "7");
    assert_eq!(plan.variables["DRY"], "true");
    assert!(
        !plan.variables.contains_key("TOKEN"),
        "secrets are in no plan"
    );
    assert_eq!(plan.max_concurrency.get(), 4);
    assert_eq!(plan.slurm_jobs.map(|jobs| jobs.get()), Some(50));
    assert_eq!(plan.deadline, Some(Duration::from_secs(3600)));
    assert_eq!(
        (plan.on_abort, plan.rollback),
        (OnAbort::Terminate, Rollback::OnFailureOrCancel)
    );
    assert_eq!(plan.on_restart, OnRestart::Stop);
    let notices = plan.notices.iter();
    let notices: Vec<_> = notices.map(|n| (n.on, n.level, &*n.message)).collect();
    assert_eq!(
        notices,
        [
            (Moment::Start, Level::Info, "to staging"),
            (Moment::Warning, Level::Warning, "look")
        ]
    );
    let log_file = plan.log_file.as_ref().unwrap();
    assert_eq!(&*log_file.path, "/var/log/staging.log");
    let cwd = request().cwd;
    assert_eq!(
        log_file.fallbacks[..],
        [format!("{cwd}/full.log").into_boxed_str()]
    );
    let lock = plan.lock.as_ref().unwrap();
    assert_eq!((&*lock.name, lock.wait), ("full-staging", Duration::ZERO));
    assert_eq!(plan.env[1], ("LEVEL".into(), "3".into()));
    assert_eq!((plan.pools["net"], plan.resources["ram"]), (2, 16));

    let prepare = &plan.steps[0];
    assert_eq!(
        argv(prepare),
        ["mkdir", "-p", "out/staging", "--mode", "755"]
    );
    assert_eq!(prepare.name.as_deref(), Some("Prepare staging"));
    let run = command(prepare);
    assert_eq!(&*run.cwd, "/run/from/work/sub");
    assert_eq!(run.env[0], ("A".into(), "1".into()));
    assert_eq!(
        run.env[1].1,
        Text::Parts([Part::Secret("TOKEN".into())].into())
    );
    assert_eq!(run.stdin.as_deref(), Some(&"line\n".into()));
    let policy = &prepare.policy;
    assert_eq!(policy.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(policy.grace, Duration::from_secs(2));
    assert_eq!(
        (policy.retry.count, policy.retry.delay),
        (0, Duration::from_secs(3))
    );
    assert_eq!(
        (policy.priority, policy.idempotent, policy.own_log),
        (-5, false, true)
    );
    assert_eq!(policy.exit_codes[&3010], Verdict::RestartRequired);
    assert_eq!(policy.exit_codes[&1], Verdict::Warning);
    let about = prepare.about.as_ref().unwrap();
    assert_eq!(
        (&*about.description, about.stage.as_deref()),
        ("Makes the folder", Some("first"))
    );
    assert_eq!((about.group.as_deref(), about.weight), (Some("Setup"), 10));
    let executor = prepare.executor.slurm().unwrap();
    assert_eq!((executor.cpus, executor.memory), (Some(4), Some(2048)));
    assert_eq!(
        (executor.gpus.as_deref(), executor.time),
        (Some("a100:2"), Some(2))
    );
    assert_eq!(executor.partition.as_deref(), Some("main,long"));
    assert_eq!(executor.account.as_deref(), Some("lab"));
    assert_eq!(&*executor.labels["plan"], "staging");
    assert_eq!(executor.options, ["--exclusive".into()]);
    assert_eq!(prepare.confirm.as_deref(), Some("Make the folder?"));
    let undo = prepare.undo.as_ref().unwrap();
    assert_eq!(&*undo.command.cwd, "/run/from/work/sub/sub2");
    let names: Vec<&str> = undo.command.env.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        ["A", "TOKEN", "B"],
        "the step's environment is under the undo's"
    );
    assert_eq!(
        (undo.timeout, undo.retry.count),
        (Some(Duration::from_secs(9)), 1)
    );

    let one = &plan.steps[1];
    let script = "for i in 1 2 3; do echo \"$i ${NAME} $1\"; done";
    assert_eq!(command(one).program, shell(script, &["first"]));
    assert_eq!(*command(one).env, [("NAME".into(), "abc".into())]);
    assert_eq!(one.policy.timeout, None, "0 is no limit");
    assert_eq!(one.policy.grace, Duration::from_secs(11));
    let retry = &one.policy.retry;
    assert_eq!(
        (retry.count, retry.factor_percent, retry.jitter_percent),
        (5, 150, 25)
    );
    assert_eq!(retry.cap, Some(Duration::from_secs(30)));
    assert!(!one.policy.critical);
    assert_eq!(one.needs[..], [StepIx::new(0)]);
    let holds = one.holds.as_ref().unwrap();
    assert_eq!(holds.pool, Some(("net".into(), 2)));
    assert_eq!(*holds.locks, ["cache".into(), "db".into()]);
    assert_eq!(*holds.resources, [("ram".into(), 8)]);
    assert_eq!(
        one.about.as_ref().unwrap().extra["x-note"]["any"][0],
        "thing"
    );

    let other = &plan.steps[2];
    assert_eq!(other.fallback_of, Some(StepIx::new(1)));
    assert_eq!(command(other).program, shell("echo ${COUNT} ${DRY}", &[]));
    assert_eq!(
        *command(other).env,
        [("COUNT".into(), "7".into()), ("DRY".into(), "true".into())]
    );
    assert_eq!(other.policy.on_failure, OnFailure::Continue);
    assert_eq!(other.executor, Executor::Local);
    assert_eq!(other.confirm.as_deref(), Some("Run step build/other?"));
    assert_eq!(other.policy.retry.count, 2, "from the globals");

    assert_eq!(plan.steps[3].action, Action::Group);
    let report = &plan.steps[4];
    assert_eq!(
        argv(report),
        ["echo", "${steps.prepare.outputs.PATH}", "$HOME", "$"]
    );
    assert_eq!(report.policy.on_failure, OnFailure::SkipDependents);
    assert!(report.policy.always && report.after.is_empty());
    assert_eq!(&*command(report).cwd, "/abs/dir");
    assert!(plan.steps[5].absent.is_some());
}

/// P30.
#[test]
fn p30_the_seeds_plan_needs_no_version_and_no_name() {
    let plan = plan(
        r#"{"plan_id": "TEST-001", "globals": {"max_concurrency": 1},
        "steps": [{"id": "echo", "command": "echo", "args": ["hello"], "depends_on": []}]}"#,
    );
    assert_eq!((&*plan.version, &*plan.name), ("1", "TEST-001"));
    let policy = &plan.steps[0].policy;
    assert_eq!(policy.timeout, Some(Duration::from_secs(1800)));
    assert_eq!(policy.grace, Duration::from_secs(5));
    assert_eq!((policy.retry.count, policy.critical), (0, true));
    assert_eq!(policy.on_failure, OnFailure::Abort);
    assert_eq!(&*command(&plan.steps[0]).cwd, "/run/from");
}

#[test]
fn a_plan_without_an_id_is_called_like_its_file() {
    let text = r#"{"steps": [{"id": "a", "command": "true"}]}"#;
    let plan = load_str("some/where/deploy.json", text, &request())
        .unwrap()
        .plan;
    assert_eq!(plan.id, "deploy");
    assert_eq!(plan.files, ["some/where/deploy.json"]);
    let named = loaded(r#"{"id": "x", "steps": [{"id": "a", "command": "true"}]}"#).plan;
    assert_eq!(named.id, "x");
}

/// P4.
#[test]
fn p4_max_concurrency_is_one_unless_said_and_at_least_one() {
    assert_eq!(
        plan(r#"{"steps": [{"id": "a", "command": "true"}]}"#)
            .max_concurrency
            .get(),
        1
    );
    for (value, expected) in [
        (
            "0",
            "globals.max_concurrency: 0 is too small; 1 is the least",
        ),
        (
            "-2",
            "globals.max_concurrency: -2 is too small; 1 is the least",
        ),
        (
            "1.5",
            "globals.max_concurrency: expected a whole number, found 1.5",
        ),
        (
            "\"4\"",
            "globals.max_concurrency: expected a whole number, found the text \"4\"",
        ),
        (
            "true",
            "globals.max_concurrency: expected a whole number, found true",
        ),
    ] {
        let text = format!(
            r#"{{"globals": {{"max_concurrency": {value}}}, "steps": [{{"id": "a", "command": "true"}}]}}"#
        );
        assert_eq!(messages(&refused(&text).problems), [expected]);
    }
}

/// P6.
#[test]
fn p6_values_are_put_in_after_parsing_and_never_read_again() {
    let text = one_step(r#""args": ["<${V}>", "$$", "$V", "${V:-x}", "$${V}"], "name": "${V}""#);
    for value in [
        "\"",
        "\\",
        "a\nb",
        "${OTHER}",
        "; touch X",
        "$(touch X)",
        "-rf",
        "'`",
        "\", \"x",
    ] {
        let step = &loaded_with(&text, &with_var("V", value)).plan.steps[0];
        let expected = ["true", &format!("<{value}>"), "$", "$V", value, "${V}"].map(String::from);
        assert_eq!(argv(step), expected);
        assert_eq!(step.name.as_deref(), Some(value));
    }
}

/// P6.
#[test]
fn p6_values_reach_scripts_as_environment() {
    let text = r#"{"steps": [{"id": "a", "shell": true, "command": "echo ${V} $V $$${V}"}]}"#;
    let plan = loaded_with(text, &with_var("V", "; touch X")).plan;
    let run = command(&plan.steps[0]);
    assert_eq!(run.program, shell("echo ${V} $V $${V}", &[]));
    assert_eq!(*run.env, [("V".into(), "; touch X".into())]);
}

/// P7.
#[test]
fn p7_an_unresolved_variable_is_an_error_naming_it_and_its_step() {
    let text = one_step(r#""args": ["x", "${BRANCH}"]"#);
    let refusal = refused(&text);
    assert_eq!(
        messages(&refusal.problems),
        ["steps[0].args[1] of step \"a\": variable \"BRANCH\" has no value"]
    );
    let (span, _) = refusal.problems[0].at.clone().unwrap();
    let place = &refusal.sources.text(0)[span.start as usize..span.end as usize];
    assert_eq!(place, "${BRANCH}");
    let lenient = Request {
        allow_unresolved: true,
        ..request()
    };
    let plan = loaded_with(&text, &lenient).plan;
    assert_eq!(argv(&plan.steps[0]), ["true", "x", "${BRANCH}"]);
}

/// P10.
#[test]
fn p10_an_explicit_zero_of_retries_overrides_the_default() {
    let text = r#"{"globals": {"default_retries": 3}, "steps": [
        {"id": "a", "command": "true", "retries": 0},
        {"id": "b", "command": "true"},
        {"id": "c", "command": "true", "retry": {"count": 1}},
        {"id": "d", "command": "true", "retry": {"factor": 2}}]}"#;
    let counts: Vec<u32> = plan(text)
        .steps
        .iter()
        .map(|s| s.policy.retry.count)
        .collect();
    assert_eq!(counts, [0, 3, 1, 3]);
}

/// P20.
#[test]
fn p20_consuming_what_nothing_provides_is_a_warning_and_with_strict_an_error() {
    let text = r#"{"plan_id": "p", "steps": [
        {"id": "a", "command": "true", "provides": ["x"]},
        {"id": "b", "command": "true", "consumes": ["x", "y"], "depends_on": ["a"]}]}"#;
    let expected = ["step \"b\" consumes \"y\", which nothing it waits for provides"];
    let loaded = loaded(text);
    assert_eq!(messages(&loaded.warnings), expected);
    let (span, _) = loaded.warnings[0].at.clone().unwrap();
    assert_eq!(
        &loaded.sources.text(0)[span.start as usize..span.end as usize],
        "y"
    );
    let strict = Request {
        strict: true,
        ..request()
    };
    let refusal = refused_with(text, &strict);
    assert_eq!(messages(&refusal.problems), expected);
    assert_eq!(refusal.problems[0].severity, Severity::Error);
}

/// P36.
#[test]
fn p36_unknown_fields() {
    let text = r#"{"plan_id": "p", "owner": "me", "x-any": 1, "steps": [
        {"id": "a", "command": "true", "notes": [1, "two"], "x-y": 2},
        {"id": "b", "command": "true", "notes": "again"}]}"#;
    let loaded = loaded(text);
    assert_eq!(
        messages(&loaded.warnings),
        [
            "the unknown field \"owner\" has no effect",
            "the unknown field \"notes\" has no effect; this file has it 2 times",
        ]
    );
    assert_eq!(loaded.plan.metadata["owner"], "me");
    assert_eq!(loaded.plan.metadata["x-any"], 1);
    let extra = &loaded.plan.steps[0].about.as_ref().unwrap().extra;
    assert_eq!(
        (&extra["notes"][1], &extra["x-y"]),
        (&"two".into(), &2.into())
    );
    let strict = Request {
        strict: true,
        ..request()
    };
    assert_eq!(refused_with(text, &strict).problems.len(), 2);
}

#[test]
fn every_bad_file_is_refused_with_an_error_that_has_a_place() {
    for folder in ["bad_shape", "bad_meaning", "bad_syntax"] {
        for path in fixtures(folder) {
            let name = path.display().to_string();
            let Err(refusal) = load(&path, &request()) else {
                panic!("{name} is accepted");
            };
            let placed = refusal.problems.iter().any(|p| p.at.is_some());
            assert!(placed, "{name}: {:?}", refusal.problems);
            assert!(shown(&refusal).contains(&name), "{name}");
        }
    }
}

#[test]
fn a_variable_that_was_given_and_is_not_used_is_a_warning() {
    let loaded = loaded_with(&one_step("\"name\": \"x\""), &with_var("BRNCH", "x"));
    assert_eq!(
        messages(&loaded.warnings),
        ["the variable \"BRNCH\" was given, and the plan does not use it"]
    );
    let asked = one_step(r#""condition": "vars.BRNCH == 'x'""#);
    assert_eq!(loaded_with(&asked, &with_var("BRNCH", "x")).warnings, []);
}

#[test]
fn secrets_are_beside_the_plan_and_never_in_it() {
    let text = r#"{"variables": {"TOKEN": {"secret": true}, "OPEN": "x"}, "steps": [
        {"id": "a", "command": "echo", "args": ["${TOKEN}"], "env": {"T": "${TOKEN}"}}]}"#;
    let loaded = loaded_with(text, &with_var("TOKEN", "hunter2"));
    assert_eq!(loaded.secrets.len(), 1);
    assert_eq!(loaded.secrets["TOKEN"], "hunter2");
    assert!(!loaded.plan.to_json().contains("hunter2"));
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let named = text.replace("\"id\"", "\"name\": \"${TOKEN}\", \"id\"");
    let refusal = refused_with(&named, &with_var("TOKEN", "hunter2"));
    assert!(!shown(&refusal).contains("hunter2"));
}

#[test]
fn the_outside_world_is_what_it_was_when_the_plan_was_made() {
    let text = one_step(r#""condition": "env.HOME == '/root' and env.UNSET == null and IsLinux""#);
    let env = [("HOME", "/root"), ("OTHER", "x")];
    let request = Request {
        env: Some(env.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        ..request()
    };
    let facts = loaded_with(&text, &request).plan.facts;
    assert_eq!(facts.len(), 2, "only what is asked for: {facts:?}");
    assert_eq!(facts["env.HOME"], "/root");
    assert_eq!(facts["IsLinux"], cfg!(target_os = "linux").to_string());
}

#[test]
fn what_a_condition_or_text_mentions_comes_first() {
    let plan = plan(
        r#"{"plan_id": "p", "steps": [
        {"id": "late", "command": "true"},
        {"id": "a", "command": "echo", "args": ["${steps.late.outputs.K}"]},
        {"id": "b", "command": "true", "condition": "prev.late.status == 'success'"}]}"#,
    );
    assert_eq!(plan.steps[1].after[..], [StepIx::new(0)]);
    assert_eq!(plan.steps[2].after[..], [StepIx::new(0)]);
}

#[test]
fn a_condition_is_not_expanded() {
    let text = one_step(r#""condition": "vars.V == 'x'""#);
    let plan = loaded_with(&text, &with_var("V", "' or 'a' == 'a")).plan;
    assert_eq!(plan.steps[0].when.as_ref().unwrap().text(), "vars.V == 'x'");
}

#[test]
fn files_that_cannot_be_read_are_problems_too() {
    let missing = load(Path::new("no/such/file.json"), &request()).unwrap_err();
    assert!(
        missing.problems[0]
            .message
            .starts_with("cannot read \"no/such/file.json\": ")
    );
    let folder = load(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        &request(),
    )
    .unwrap_err();
    assert!(
        folder.problems[0]
            .message
            .ends_with("is no input that can be read")
    );
}

/// A plan names the environment in its own way, in which a default can stand.
#[test]
fn powershells_environment_is_no_text_of_a_plan() {
    let text = concat!(
        "@{ metadata = @{ a = $env:HOME }; steps = @(\n",
        "@{ id = 'x'; command = \"$env:HOME/x\" }) }"
    );
    let refusal = load_str("plan.psd1", text, &request()).unwrap_err();
    let problems: Vec<_> = refusal.problems.iter().map(|p| &*p.message).collect();
    assert_eq!(
        problems,
        [
            "metadata.a: PowerShell's environment is not read here",
            "steps[0].command: expected a text, found an environment variable of PowerShell",
        ]
    );
    for problem in &refusal.problems {
        let help = problem.help.as_deref();
        assert_eq!(
            help,
            Some("a plan names it as '${env.NAME}', in single quotes")
        );
    }
}

/// H20.
#[test]
fn h20_a_log_file_is_a_path_or_several_of_which_the_first_that_can_be_written_counts() {
    let with = |log_file: &str| {
        format!(r#"{{"log_file": {log_file}, "steps": [{{"id": "a", "command": "true"}}]}}"#)
    };
    let one = plan(&with(r#""logs/run.log""#)).log_file.unwrap();
    let here = request().cwd;
    assert_eq!(*one.path, *format!("{here}/logs/run.log"));
    assert!(one.fallbacks.is_empty());
    assert_eq!(plan(&with("[]")).log_file, None);
    for nothing in [r#""""#, r#"["/var/log/a.log", "."]"#] {
        let refusal = refused(&with(nothing));
        let said = messages(&refusal.problems);
        assert!(
            matches!(said[..], [said] if said.ends_with("names no file")),
            "{said:?}"
        );
    }
}
