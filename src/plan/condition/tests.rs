//! What holds of conditions, seen from outside the folder.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Facts by their path, joined with `|`.
#[derive(Default)]
struct Known(BTreeMap<String, Value>);

impl Facts for Known {
    fn look_up(&self, path: &[&str]) -> Value {
        self.0.get(&path.join("|")).cloned().unwrap_or(Value::Null)
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn facts() -> Known {
    let list = |items: &[&str]| Value::List(items.iter().map(|item| text(item)).collect());
    Known(BTreeMap::from(
        [
            ("steps|a|status", text("succeeded")),
            ("steps|b|status", text("failed")),
            ("steps|git-merge|status", text("canceled")),
            ("steps|a/b.c|status", text("skipped")),
            ("steps|b|exit_code", Value::Number(3.0)),
            ("steps|b|attempts", Value::Number(2.0)),
            ("steps|a|outputs|SHA", text("abc123")),
            ("env|X", text("y")),
            ("env|N", text("10")),
            ("env|EMPTY", text("")),
            ("env|KEY", text("hunter2")),
            ("vars|DEBUG", text("true")),
            ("Environment", text("Production")),
            ("Features", list(&["Docker", "Git"])),
            ("IsLinux", Value::Bool(true)),
            ("IsWindows", Value::Bool(false)),
            ("SkipTests", Value::Bool(false)),
            ("Name", text("O'Neill \"x\" C:\\dir")),
        ]
        .map(|(path, value)| (path.to_owned(), value)),
    ))
}

fn judged(condition: &str) -> Judgement {
    let condition = Condition::parse(condition).unwrap_or_else(|e| panic!("{condition}: {e:?}"));
    condition.judge(&facts()).unwrap()
}

#[track_caller]
fn all_hold(conditions: &[&str]) {
    for condition in conditions {
        assert!(judged(condition).holds, "{condition}");
    }
}

#[track_caller]
fn none_holds(conditions: &[&str]) {
    for condition in conditions {
        assert!(!judged(condition).holds, "{condition}");
    }
}

fn refused(condition: &str) -> SyntaxError {
    match Condition::parse(condition) {
        Err(error) => error,
        Ok(read) => panic!("{condition} was read as {:?}", read),
    }
}

/// P18.
#[test]
fn p18_the_words_of_plan_files() {
    all_hold(&[
        "prev.a.status == 'success'",
        "prev.a.status == 'succeeded' and env.X == 'y'",
        "steps.b.status != 'success' or env.X != 'y'",
        "not prev.a.status == 'failed'",
        "prev.b.status in ('failure', 'skipped') && !(env.X == 'z')",
        "prev.a.status not in ['failed', \"canceled\"]",
        "prev.git-merge.status == 'cancelled'",
        "prev['a/b.c'].status == 'skipped'",
        "prev.b.exit_code == 3 and prev.b.exit_code >= 3 and prev.b.attempts < 2.5",
        "prev.a.outputs.SHA == 'abc123'",
        "'abc' in prev.a.outputs.SHA",
        "prev.a.outputs.SHA contains 'c12'",
        "vars.DEBUG == true and vars.DEBUG",
        "$env:X == 'y' and ${env.X} == 'y' and '${env.X}' == 'y'",
        "'success' == prev.a.status",
    ]);
    none_holds(&[
        "prev.a.status == 'failed'",
        "prev.a.status == 'success' and env.X == 'Y'",
        "env.X in ('z')",
        "prev.none.status == 'success'",
    ]);
}

#[test]
fn a25_the_words_of_powershell_ignore_case() {
    all_hold(&[
        "Environment -eq 'Production'",
        "$Environment -EQ 'PRODUCTION'",
        "Environment -ceq 'Production' -and Environment -cne 'production'",
        "Features -contains 'docker'",
        "Features -notcontains 'K8s' -and 'git' -in $Features",
        "Features -ccontains 'Docker' -and -not (Features -ccontains 'docker')",
        "$Environment -in @('dev', 'production')",
        "$Environment -notin @('dev') -and $Environment -ne 'dev'",
        "$env:N -gt 5 -and $env:N -ge 10 -and $env:N -lt 11 -and $env:N -le 10",
        "Environment -like 'prod*' -and Environment -like '?roduct[hi]on'",
        "Environment -notlike 'rod*' -and Environment -notlike 'prod'",
        "Environment -match '^pro.*n$' -and Environment -notmatch '\\d'",
        "Environment -cmatch 'P' -and Environment -clike 'P*'",
        "SkipTests -ne $true",
        "(Environment -eq 'x') -or (Environment -eq 'production')",
        "$env:KEY -and $env:KEY.Length -gt 0 -and $Features.Count -eq 2",
        "'Docker' -in $Features",
        "Environment -contains 'production'",
    ]);
    none_holds(&[
        "Environment -contains 'prod'",
        "'Prod' -in $Environment",
        "Environment -ceq 'production'",
        "-not $IsLinux",
        "$env:NONE.Length -gt 0",
    ]);
}

#[test]
fn a27_builtins_and_the_unknown() {
    all_hold(&[
        "IsLinux",
        "$IsLinux -and !IsWindows",
        "Unknown == null",
        "$x.y.z -eq $null",
        "not Unknown",
    ]);
    none_holds(&[
        "Unknown",
        "Unknown == ''",
        "Unknown == 0",
        "Unknown < 1",
        "Unknown >= 0",
        "Unknown contains 'a'",
        "'a' in Unknown",
        "Unknown -match '.*'",
        "Unknown == false",
        "env.EMPTY",
        "false",
        "null",
    ]);
    all_hold(&["Unknown != 'x'", "env.EMPTY == ''", "true"]);
}

#[test]
fn numbers_are_numbers_where_both_are() {
    all_hold(&[
        "env.N == 10",
        "env.N == 10.0",
        "env.N > 9",
        "'10' > '9'",
        "'b' > 'a'",
        "-1 < 0",
    ]);
    none_holds(&[
        "env.N == '10.0'",
        "env.X == 1",
        "env.X != env.X",
        "'nan' == 1",
    ]);
}

#[test]
fn and_binds_closer_than_or_and_not_closer_than_both() {
    all_hold(&[
        "true or false and false",
        "not false and true",
        "not (true and false)",
        "not not true",
    ]);
    none_holds(&[
        "(true or false) and false",
        "not (false or true)",
        "not env.X == 'y'",
    ]);
}

#[test]
fn where_languages_differ_parentheses_are_asked_for() {
    for condition in [
        "$a -or $b -and $c",
        "$a or $b -and $c",
        "$a -or $b and $c",
        "!a == b",
        "-not $a -eq $b",
        "!(a) == b",
    ] {
        let error = refused(condition);
        assert!(
            error.message.contains("parentheses"),
            "{condition}: {error}"
        );
    }
    for condition in [
        "($a -or $b) -and $c",
        "-not ($a -eq $b)",
        "-not $a -and !b",
        "$a -and $b -or $c",
        "a or b and c",
    ] {
        Condition::parse(condition).unwrap();
    }
}

#[test]
fn quotes_inside_texts() {
    all_hold(&[
        "Name == 'O''Neill \"x\" C:\\dir'",
        "Name == \"O'Neill \"\"x\"\" C:\\dir\"",
        "Name == \"O'Neill \\\"x\\\" C:\\\\dir\"",
        "'\\n' != \"\\n\" and 'a\\' == \"a\\\\\"",
        "'é' == \"é\"",
    ]);
}

#[test]
fn because_tells_the_values_that_decided() {
    for (condition, because) in [
        ("prev.b.status == 'success'", "prev.b.status is \"failed\""),
        (
            "env.X == 'y' and env.NONE == 'z' and IsLinux",
            "env.NONE is not set",
        ),
        ("env.X == 'z' or env.N > 9", "env.N is \"10\""),
        (
            "env.X == 'z' or env.N > 10",
            "env.X is \"y\", env.N is \"10\"",
        ),
        ("env.X == 'y' and env.X != 'z'", "env.X is \"y\""),
        (
            "not (Features -contains 'Docker')",
            "Features is [\"Docker\", \"Git\"]",
        ),
        (
            "env.X in (env.N, env.NONE)",
            "env.X is \"y\", env.N is \"10\", env.NONE is not set",
        ),
        ("not $env:KEY", "$env:KEY is set"),
        ("$env:KEY.Length > 3", "$env:KEY.Length is 7"),
        ("IsWindows", "IsWindows is false"),
        ("false", "it names nothing that could change"),
    ] {
        assert_eq!(judged(condition).because, because, "{condition}");
    }
}

#[test]
fn because_is_one_short_line() {
    let long = Known(BTreeMap::from([(
        "A".to_owned(),
        text(&"x\n\u{202e}".repeat(1000)),
    )]));
    let many: Vec<String> = (0..500)
        .map(|i| format!("A != 'b' and N{i} == null"))
        .collect();
    let because = Condition::parse(&many.join(" and "))
        .unwrap()
        .judge(&long)
        .unwrap()
        .because;
    assert!(
        because.chars().count() <= 201 && !because.contains(['\n', '\u{202e}']),
        "{because}"
    );
}

/// XF10.
#[test]
fn xf10_what_cannot_be_compared_is_a_typed_error_with_its_place() {
    for condition in [
        "Features < 3",
        "Features == 'Docker'",
        "IsLinux > 1",
        "3 contains 1",
        "1 in IsLinux",
        "Features -match 'D'",
    ] {
        let condition = format!("true and {condition}");
        let error = Condition::parse(&condition)
            .unwrap()
            .judge(&facts())
            .unwrap_err();
        assert_eq!(error.at, 9..condition.len(), "{condition}");
        assert!(error.message.contains("cannot be compared"), "{error}");
    }
}

#[test]
fn a28_what_is_not_a_condition_is_refused_with_its_place() {
    for (condition, at) in [
        ("", 0..0),
        ("  ", 0..2),
        ("a ==", 4..4),
        ("a = 'b'", 2..3),
        ("a == 'b", 5..6),
        ("a == b == c", 7..9),
        ("a and", 5..5),
        ("(a", 0..1),
        ("a)", 1..2),
        ("a b", 2..3),
        ("a == 'x' 'y'", 9..12),
        ("prev.a.statsu == 'x'", 0..13),
        ("prev.a == 'x'", 0..6),
        ("prev.a.b.status == 'failed'", 0..15),
        ("prev.a.outputs == 'x'", 0..14),
        ("prev.a.status == 'sucess'", 17..25),
        ("prev.a.status in ('failed', 'done')", 17..35),
        ("a -foo b", 2..6),
        ("a -match b", 9..10),
        ("a -match '('", 9..12),
        ("a -match '(\\w{100}){100}'", 9..25),
        ("a in (('b'))", 6..7),
        ("a not b", 6..7),
        ("'text'", 0..6),
        ("1", 0..1),
        ("(a == b) == c", 0..8),
        ("a == (b == c)", 5..13),
        ("env == 'x'", 0..3),
        ("env.a.b == 'x'", 0..7),
        ("$ == 1", 1..2),
        ("${a == 1", 3..4),
        ("$global:x -eq 1", 7..8),
        ("a. == 1", 2..3),
        ("x == '${a} b ${c}'", 5..18),
        ("1GB < 2", 0..3),
        ("a, b", 1..2),
        ("()", 1..2),
        ("a & b", 2..3),
    ] {
        assert_eq!(
            refused(condition).at,
            at,
            "{condition}: {}",
            refused(condition)
        );
    }
    assert_eq!(
        refused("prev.a.statsu == 'x'").help.as_deref(),
        Some("did you mean `status`?")
    );
    assert_eq!(
        refused("prev.a.status == 'sucess'").help.as_deref(),
        Some("did you mean 'success'?")
    );
    assert_eq!(
        refused("a -equ b").help.as_deref(),
        Some("did you mean `-eq`?")
    );
}

/// XF10.
#[test]
fn xf10_a26_code_is_no_condition() {
    for condition in [
        "__import__('os')",
        "1/0",
        "1/0 == 1",
        "exec 'rm'",
        "a; rm",
        "$(rm)",
        "`rm`",
        "a | b",
        "lambda: 1",
        "a = 1",
        "a == (Get-ChildItem x).Count",
        "Test-Path './x'",
        "prev.a.status.upper() == 'x'",
        "a['b']()",
        "{{x}} == 1",
        "a ? b : c",
        "\0",
        "a == 1 # comment",
    ] {
        refused(condition);
    }
    assert!(refused("__import__('os')").message.contains("called"));
}

/// XF10.
#[test]
fn xf10_depth_and_length_are_bounded() {
    let depth = 60_000;
    for open in ["(", "not ", "!", "a in (", "[", "@("] {
        refused(&open.repeat(depth / open.len()));
    }
    let parentheses = format!("{}a{}", "(".repeat(30_000), ")".repeat(30_000));
    assert!(refused(&parentheses).message.contains("deep"));
    assert!(refused(&"(".repeat(1_000_000)).message.contains("at most"));
    Condition::parse(&format!("{}a{}", "(".repeat(60), ")".repeat(60))).unwrap();
    let wide = vec!["a == 'b'"; 5000].join(" or ");
    assert!(
        !Condition::parse(&wide)
            .unwrap()
            .judge(&facts())
            .unwrap()
            .holds
    );
    let patterns = vec!["a -match 'b'"; 17].join(" -or ");
    assert!(refused(&patterns).message.contains("16 patterns"));
}

#[test]
fn a_condition_is_recorded_as_its_text() {
    let condition = Condition::parse("prev.a.status  ==  \"success\"").unwrap();
    let json = serde_json::to_string(&condition).unwrap();
    assert_eq!(json, r#""prev.a.status  ==  \"success\"""#);
    assert_eq!(serde_json::from_str::<Condition>(&json).unwrap(), condition);
    assert!(serde_json::from_str::<Condition>("\"a =\"").is_err());
    assert_ne!(
        Condition::parse("a").unwrap(),
        Condition::parse("(a)").unwrap()
    );
}

#[test]
fn the_steps_and_variables_it_names_are_known() {
    let condition =
        Condition::parse("prev.b.status == 'failed' or steps['a/b'].outputs.K in (vars.V, W, env.E, prev.b.exit_code, W)")
            .unwrap();
    assert_eq!(condition.steps(), ["b", "a/b"]);
    assert_eq!(condition.variables(), ["V", "W"]);
}

/// Words that make something like conditions more often than random letters do.
const WORDS: &str = "(prev\\.a\\.status|env\\.X|\\$env:X|a|'|\"|x|==|!=| -eq | -in | -match | and | or | not |!|-|\\(|\\)|,|\\[|\\]|@|\\$|\\{|\\}|\\.|1|'b'|é| |\\\\){0,14}";

proptest! {
    /// XF10.
    #[test]
    fn xf10_nothing_panics(text in WORDS, any in any::<String>()) {
        for text in [text, any] {
            match Condition::parse(&text) {
                Ok(condition) => {
                    let _ = condition.judge(&facts());
                }
                Err(error) => {
                    prop_assert!(error.at.start <= error.at.end && error.at.end <= text.len());
                    prop_assert!(text.get(error.at).is_some(), "the place splits a character");
                }
            }
        }
    }
}
