use super::super::book::{Named, Values};
use super::question::Kind;
use super::*;
use crate::plan::condition::{Facts, Value as Judged};
use crate::plan::problem::Span;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn scope(values: &[(&str, Value)]) -> Scope {
    let named = |(name, value): &(&str, Value)| Named {
        name: Said::new((*name).into(), Span::default()),
        value: Said::new(value.clone(), Span::default()),
    };
    let values: Values = values.iter().map(named).collect();
    Scope::default().with(&values, &mut Findings::default())
}

/// What a condition was read as, what it asks, and what is wrong.
struct Outcome {
    read: Option<Read>,
    questions: Vec<Question>,
    problems: Vec<Problem>,
}

fn try_read(text: &str, scope: &Scope, earlier: &[Earlier]) -> Outcome {
    let mut findings = Findings::default();
    let mut questions = Vec::new();
    let end = text.len() as u32 + 100;
    let at = Span {
        start: 100,
        end,
        ..Span::default()
    };
    let said = Said::new(text.to_owned(), at);
    let mut around = Around {
        whose: "stage \"x\"",
        scope,
        earlier,
        ask: &mut |question| {
            questions.push(question);
            format!("q{}", questions.len())
        },
    };
    let read = read(&said, &mut around, &mut findings);
    Outcome {
        read,
        questions,
        problems: findings.problems.into_vec(),
    }
}

#[track_caller]
fn reads_as(text: &str, values: &[(&str, Value)], expected: &str) {
    let outcome = try_read(text, &scope(values), &[]);
    let read = outcome
        .read
        .unwrap_or_else(|| panic!("{text}: {:?}", outcome.problems));
    assert_eq!(read.condition.text(), expected, "{text}");
    assert_eq!(outcome.problems, [], "{text}");
}

/// The construct that is refused, and its place in the text.
#[track_caller]
fn refused(text: &str) -> (String, Range<usize>) {
    let outcome = try_read(text, &Scope::default(), &[]);
    assert_eq!(outcome.read, None, "{text}");
    let [problem] = outcome.problems.try_into().unwrap();
    let (at, _) = problem.at.unwrap();
    let at = at.start as usize - 100..at.end as usize - 100;
    let message = problem.message;
    let why = message.strip_prefix("the condition of stage \"x\": ");
    (why.unwrap_or(&message).to_owned(), at)
}

struct World(BTreeMap<Box<str>, Value>);

impl Facts for World {
    fn look_up(&self, path: &[&str]) -> Judged {
        fn judged(value: &Value) -> Judged {
            match value {
                Value::Bool(b) => Judged::Bool(*b),
                Value::Number(n) => Judged::Number(n.as_f64().unwrap()),
                Value::String(s) => Judged::Text(s.clone()),
                Value::Array(items) => Judged::List(items.iter().map(judged).collect()),
                _ => Judged::Null,
            }
        }
        match path {
            [name] => self.0.get(*name).map_or(Judged::Null, judged),
            ["env", "CI"] => Judged::Text("true".into()),
            _ => Judged::Null,
        }
    }
}

#[track_caller]
fn holds(text: &str, values: &[(&str, Value)]) -> bool {
    let scope = scope(values);
    let outcome = try_read(text, &scope, &[]);
    let read = outcome
        .read
        .unwrap_or_else(|| panic!("{text}: {:?}", outcome.problems));
    let world = World(scope.values());
    read.condition.judge(&world).expect("comparable").holds
}

/// A24, A26: what the system's own document shows.
#[test]
fn a24_a26_documented_conditions_are_judged_with_all_that_is_known() {
    let known = [
        ("Environment", json!("Development")),
        ("Features", json!(["HyperV", "docker"])),
        ("SkipTests", json!(false)),
    ];
    assert!(!holds("Environment -eq 'Production'", &known));
    assert!(holds("environment -eq 'DEVELOPMENT'", &known));
    assert!(holds("Features -contains 'Docker'", &known));
    assert!(holds("SkipTests -ne $true", &known));
    assert!(holds(
        "$Features.Count -eq 2 -and $features.Length -gt 1",
        &known
    ));
}

/// A25: every operator, on bare and `$` names.
#[test]
fn a25_operators() {
    let known = [
        ("n", json!(5)),
        ("t", json!("Abc")),
        ("l", json!(["x", "y"])),
    ];
    for text in [
        "n -eq 5",
        "$n -ne 4",
        "n -gt 4",
        "n -ge 5",
        "n -lt 6",
        "n -le 5",
        "$t -like 'a*'",
        "t -notlike 'b*'",
        "t -match '^ab'",
        "t -notmatch 'z'",
        "l -contains 'X'",
        "l -notcontains 'z'",
        "'x' -in $l",
        "'z' -notin l",
        "t -in @('abc', 'd')",
        "-not (n -eq 4)",
        "!(n -eq 4)",
        "n -eq 4 -or t -eq 'abc'",
        "(n -eq 5 -or t -eq 'no') -and l -contains 'y'",
        "n == 5 && t != 'q'",
        "n >= 5 || n <= 1",
        "$env:CI -eq 'true'",
        "$env:CI.Length -gt 0",
        "$null -eq $nobody",
        "nobody -eq $null",
        "$true",
        "-not $nobody",
    ] {
        assert!(holds(text, &known), "{text}");
    }
}

/// A34, A28: templates in conditions.
#[test]
fn a34_templates_are_names_conditions_and_texts() {
    let known = [
        ("commitMessage", json!("auto")),
        ("yes", json!(true)),
        ("Out", json!("it's/out")),
        ("list", json!(["a", "b"])),
        ("evil", json!("' -or $true -or '")),
    ];
    let reads = |text, expected| reads_as(text, &known, expected);
    reads("{{commitMessage == 'auto'}}", "(commitMessage == 'auto')");
    reads("{{yes}}", "$yes");
    reads("{{YES}} -eq $true", "$yes -eq $true");
    reads("${{ yes }}", "$yes");
    reads("{{no:=false}}", "false");
    reads("{{no:=5}} -gt 4", "'5' -gt 4");
    reads("{{yes:=false}} -eq $true", "$yes -eq $true");
    reads(
        "'{{commitMessage}}' -eq 'auto'",
        "$commitMessage -eq 'auto'",
    );
    reads("'{{Out}}/x' -ne ''", "'it''s/out/x' -ne ''");
    reads("'x{{evil}}' -eq 'y'", "'x'' -or $true -or ''' -eq 'y'");
    reads("'{{list}}' -contains 'a'", "@('a', 'b') -contains 'a'");
    reads("$(yes) -eq $true", "$yes -eq $true");
    reads("$($yes) -or $( yes )", "$yes -or $yes");
    reads("\"$yes\" -eq \"${YES}\"", "$yes -eq $yes");
    reads("\"$env:A\" -eq 'x'", "$env:A -eq 'x'");
    reads("'a \"b\"' -eq \"c:\\d\"", "'a \"b\"' -eq 'c:\\d'");
}

#[test]
fn a34_names_in_braces_that_nobody_knows_are_told() {
    let outcome = try_read(
        "{{prTitle}} -and '{{prTitle}}' -ne ''",
        &Scope::default(),
        &[],
    );
    assert_eq!(
        outcome.read.unwrap().condition.text(),
        "$prTitle -and '' -ne ''"
    );
    let [problem] = outcome.problems.try_into().unwrap();
    let expected = "nothing gives a value to \"prTitle\", so it is empty";
    assert_eq!(problem.message, expected);
}

/// A27.
#[test]
fn a27_systems_have_names_and_unknown_names_are_null() {
    reads_as("$iswindows", &[], "$IsWindows");
    reads_as("IsLinux -or $islinux", &[], "IsLinux -or $IsLinux");
    reads_as("$summary.Duration -gt 60", &[], "$summary.Duration -gt 60");
    assert!(!holds("$summary.Duration -gt 60", &[]));
    reads_as(
        "$env:GITHUB_ACTIONS -eq 'true'",
        &[],
        "$env:GITHUB_ACTIONS -eq 'true'",
    );
}

#[test]
fn names_that_conditions_cannot_spell_stand_as_their_values() {
    let known = [
        ("dry-run", json!(true)),
        ("env", json!("prod")),
        ("in", json!("x")),
        ("matrix.os", json!("linux")),
        ("Tools", json!({"One": {"On": true}})),
    ];
    reads_as("{{dry-run}} -and dry-run", &known, "true -and true");
    reads_as("{{env}} -eq 'prod'", &known, "'prod' -eq 'prod'");
    reads_as("{{in}} -eq 'x'", &known, "'x' -eq 'x'");
    reads_as("matrix.os == 'linux'", &known, "'linux' == 'linux'");
    reads_as("$Tools.One.On", &known, "true");
}

/// The two questions.
#[test]
fn questions_about_the_outside_world_are_asked_by_steps() {
    let path = |path: &str, kind| Question::Path {
        path: path.into(),
        kind,
    };
    let cases = [
        ("Test-Path './a/*.json'", path("./a/*.json", Kind::Anything)),
        ("test-path -Path \"a b\"", path("a b", Kind::Anything)),
        (
            "Test-Path '{{Out}}/docs'",
            path("it's/docs", Kind::Anything),
        ),
        ("Test-Path $Out", path("it's", Kind::Anything)),
        (
            "Test-Path ./x.txt -PathType Leaf",
            path("./x.txt", Kind::File),
        ),
        (
            "Test-Path -PathType Container -LiteralPath 'd'",
            path("d", Kind::Folder),
        ),
        (
            "Get-Command git -ErrorAction SilentlyContinue",
            Question::Command("git".into()),
        ),
        (
            "get-command -Name 'gh' -EA Ignore",
            Question::Command("gh".into()),
        ),
    ];
    let scope = scope(&[("Out", json!("it's"))]);
    for (text, question) in cases {
        let outcome = try_read(text, &scope, &[]);
        let read = outcome
            .read
            .unwrap_or_else(|| panic!("{text}: {:?}", outcome.problems));
        assert_eq!(
            read.condition.text(),
            "steps['q1'].exit_code == 0",
            "{text}"
        );
        assert_eq!(outcome.questions, [question], "{text}");
    }
    let text = "-not $Gen -or (Test-Path 'a' ) -or (Test-Path b)";
    let outcome = try_read(text, &scope, &[]);
    assert_eq!(
        outcome.read.unwrap().condition.text(),
        "-not $Gen -or (steps['q1'].exit_code == 0) -or (steps['q2'].exit_code == 0)"
    );
}

/// A28, A26: everything that would have to be run is refused by name and place.
#[test]
fn a28_code_is_refused_by_name() {
    let cases = [
        (
            "(Get-ChildItem 'x').Count -gt 0",
            "the command \"Get-ChildItem\"",
            1..14,
        ),
        (
            "Get-VMSwitch -Name 'a'",
            "the command \"Get-VMSwitch\"",
            0..12,
        ),
        (
            "$a -or (gh auth status 2>$null)",
            "the command \"gh\"",
            8..10,
        ),
        ("git 'status'", "the command \"git\"", 0..3),
        (
            "$PSVersionTable.PSVersion -ge [version]'7.0'",
            "the type \"version\"",
            30..39,
        ),
        (
            "[Security.Principal]::Get() -eq 1",
            "the type \"Security.Principal\"",
            0..20,
        ),
        ("$a | Where-Object x", "a pipeline", 3..4),
        ("$a; $b", "a second statement", 2..3),
        ("$x.IsInRole('a')", "the call of \"x.IsInRole\"", 0..11),
        ("($x).Count -gt 0", "a member of a result", 4..5),
        ("$(Get-Date) -eq 1", "an expression in `$(…)`", 0..2),
        ("{ $true }", "a script block", 0..1),
        ("& foo", "a call", 0..1),
        ("$a = 1", "an assignment", 3..4),
        ("@{a=1}", "a table", 0..1),
        ("\"a $b\" -eq 'x'", "a text with variables in it", 0..6),
        ("\"a`n\" -eq 'x'", "a text with escapes (`)", 0..5),
        ("$a -eq 2>$null", "a redirection", 7..9),
    ];
    for (text, construct, at) in cases {
        let expected = format!("{construct} is code, which is never run here");
        assert_eq!(refused(text), (expected, at), "{text}");
    }
}

/// A28: what is no condition is shown where it stands.
#[test]
fn a28_what_cannot_be_read_is_shown_in_the_files_own_words() {
    assert_eq!(refused("{{x == 'a' 'b'}}").1, 11..14);
    assert_eq!(refused("$aa -eqq 'x'").1, 4..8);
    assert_eq!(refused("'abc").1, 0..1);
    assert_eq!(refused("{{abc").1, 0..2);
    assert_eq!(refused("").0, "the condition is empty");
    assert_eq!(
        refused("Test-Path").0,
        "`Test-Path` asks about one thing here"
    );
    assert_eq!(
        refused("Test-Path a b").0,
        "`Test-Path` asks about one thing here"
    );
    assert_eq!(refused("$a -or $b -and $c").1, 3..6);
    assert_eq!(refused("success() -and frobnicate()").1, 15..25);
}

#[test]
fn a_value_that_would_be_read_as_a_name_is_refused() {
    let outcome = try_read("'{{a}}' -eq '{{b}}x'", &scope(&[("a", json!("${b}"))]), &[]);
    assert!(outcome.read.is_some(), "it goes by its name");
    let known = scope(&[("a-b", json!("${HOME}"))]);
    let outcome = try_read("'{{a-b}}' -eq 'x'", &known, &[]);
    assert_eq!(outcome.read, None);
}

/// A40: what became of the jobs before.
#[test]
fn a40_endings_of_other_jobs() {
    let earlier = [Earlier {
        key: "build".into(),
        group: Some("build".into()),
        steps: vec!["build/a".into(), "build/b".into()],
    }];
    let ok = "(steps['build'].status == 'succeeded')";
    let bad = "(steps['build/a'].status == 'failed' or steps['build/b'].status == 'failed')";
    let cases = [
        ("success()", ok.into(), false),
        ("always()", "true".into(), true),
        ("failure() && x == 'y'", format!("{bad} && x == 'y'"), true),
        ("needs.Build.result == 'success'", format!("({ok})"), true),
        (
            "needs.build.result != \"failure\"",
            format!("(not {bad})"),
            true,
        ),
        (
            "${{ needs.build.result -eq 'skipped' }}",
            format!("(((not {ok} and not {bad})))"),
            true,
        ),
    ];
    for (text, expected, regardless) in cases {
        let outcome = try_read(text, &Scope::default(), &earlier);
        let read = outcome
            .read
            .unwrap_or_else(|| panic!("{text}: {:?}", outcome.problems));
        assert_eq!(
            (read.condition.text(), read.regardless),
            (&*expected, regardless),
            "{text}"
        );
    }
    for text in [
        "needs.nobody.result == 'success'",
        "steps.nobody.outcome == 'success'",
        "needs.build.result == 'done'",
        "cancelled()",
    ] {
        let outcome = try_read(text, &Scope::default(), &earlier);
        assert_eq!(outcome.read, None, "{text}");
        assert_eq!(outcome.problems.len(), 1, "{text}");
    }
}

/// A40.
#[test]
fn a40_items_are_asked_about_by_their_names_in_the_playbook() {
    let mut scope = Scope::default();
    scope.add_step("get", "job/0001_Get");
    for (text, expected) in [
        (
            "steps.get.outputs.v == '2'",
            "steps['job/0001_Get'].outputs['v'] == '2'",
        ),
        (
            "steps['get'].status == 'success'",
            "steps['job/0001_Get'].status == 'success'",
        ),
        (
            "{{steps.get.outputs.v}} -eq '2'",
            "steps['job/0001_Get'].outputs['v'] -eq '2'",
        ),
        ("steps['a/b'].exit_code == 0", "steps['a/b'].exit_code == 0"),
        ("prev.a.status == 'failed'", "prev.a.status == 'failed'"),
        ("env.CI == 'x' and vars.Y", "env.CI == 'x' and vars.Y"),
        (
            "steps.get.outcome == 'failure'",
            "steps['job/0001_Get'].status == 'failed'",
        ),
        (
            "${{ steps.get.outcome != 'success' }}",
            "(steps['job/0001_Get'].status != 'succeeded')",
        ),
    ] {
        let outcome = try_read(text, &scope, &[]);
        let read = outcome
            .read
            .unwrap_or_else(|| panic!("{text}: {:?}", outcome.problems));
        assert_eq!(read.condition.text(), expected, "{text}");
    }
}

#[test]
fn hostile_conditions_end() {
    for text in [
        "(".repeat(60_000),
        "{{".repeat(30_000),
        "{{a == ".repeat(8000),
        "'".repeat(60_001),
        "$(".repeat(30_000),
        "-not ".repeat(12_000),
        "a.".repeat(30_000),
    ] {
        assert_eq!(try_read(&text, &Scope::default(), &[]).read, None);
    }
}
