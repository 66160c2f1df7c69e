//! What holds of variables, seen from outside the folder.

use proptest::prelude::*;

use super::*;
use crate::plan::{Part, Text};

fn at(len: usize) -> Span {
    Span {
        file: 0,
        start: 100,
        end: 100 + len as u32,
    }
}

fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |&(k, v): &(&str, &str)| (k.to_owned(), v.to_owned());
    pairs.iter().map(own).collect()
}

fn scope(pairs: &[(&str, &str)]) -> Scope {
    let (scope, problems) = Scope::resolve(&[], &given(pairs), false);
    assert_eq!(problems, []);
    scope
}

fn declared(name: &str, kind: Kind) -> Declaration {
    Declaration::new(name, kind, Span::default())
}

/// The one problem that `value` makes for `declaration`, message and help.
fn refusal(declaration: Declaration, value: &str) -> String {
    let name = declaration.name.clone();
    let (_, problems) = Scope::resolve(&[declaration], &given(&[(&name, value)]), false);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let help = problems[0].help.as_deref().unwrap_or_default();
    format!("{} {help}", problems[0].message)
}

fn expanded(scope: &Scope, text: &str) -> String {
    match scope.expand(text, at(text.len())).unwrap() {
        Text::Plain(text) => text.into(),
        parts => panic!("{parts:?}"),
    }
}

fn error(scope: &Scope, text: &str) -> Problem {
    scope.expand(text, at(text.len())).unwrap_err()
}

/// The bytes of `text` under the caret.
fn pointed_at<'a>(problem: &Problem, text: &'a str) -> &'a str {
    let (span, _) = problem.at.as_ref().unwrap();
    &text[span.start as usize - 100..span.end as usize - 100]
}

/// P6.
#[test]
fn p6_only_braced_names_are_replaced() {
    let scope = scope(&[("B", "x"), ("Q", "a\"b\\c\nd")]);
    assert_eq!(expanded(&scope, "${B}"), "x");
    assert_eq!(expanded(&scope, "$B $$ $${B} $ ${B}$"), "$B $ ${B} $ x$");
    assert_eq!(expanded(&scope, "$(B) `B` $1 $?"), "$(B) `B` $1 $?");
    assert_eq!(expanded(&scope, "[${Q}]"), "[a\"b\\c\nd]");
    assert_eq!(expanded(&scope, "$$$$"), "$$");
    assert_eq!(expanded(&scope, "é${B}é"), "éxé");
}

/// XF09.
#[test]
fn xf09_values_are_never_expanded_again() {
    let long = "x".repeat(1 << 20);
    for value in [
        "; touch X",
        "$(touch X)",
        "`touch X`",
        "'\"",
        "\n",
        "-rf",
        "${OTHER}",
        "$$",
        &long,
    ] {
        let scope = scope(&[("V", value), ("OTHER", "o")]);
        assert_eq!(expanded(&scope, "${V}"), value);
        assert_eq!(expanded(&scope, "${NONE:-$$x}"), "$$x");
    }
}

/// XF09.
#[test]
fn xf09_in_a_script_a_value_is_only_ever_environment() {
    let scope = scope(&[("V", "$(touch X)"), ("E", "")]);
    let script = "echo \"${V}\" ${V} $V $${V%x} $$$$ ${E:-; rm} ${N:-`x`} ${E}";
    let (text, env) = scope.expand_shell(script, at(script.len())).unwrap();
    assert_eq!(
        &*text,
        "echo \"${V}\" ${V} $V ${V%x} $$ ${QUINTET_VAR_1} ${QUINTET_VAR_2} ${E}"
    );
    let expected: Vec<(Box<str>, Text)> = vec![
        ("V".into(), "$(touch X)".into()),
        ("QUINTET_VAR_1".into(), "; rm".into()),
        ("QUINTET_VAR_2".into(), "`x`".into()),
        ("E".into(), "".into()),
    ];
    assert_eq!(env, expected);
}

#[test]
fn outputs_and_the_environment_get_names_that_a_shell_can_hold() {
    let env = BTreeMap::from([("HOME".to_owned(), "/h".to_owned())]);
    let scope = scope(&[]).with_env(env);
    let script = "${steps.a/b.outputs.K} ${env.HOME} ${steps.a/b.outputs.K} ${prev.c.outputs.L:-d}";
    let (text, env) = scope.expand_shell(script, at(script.len())).unwrap();
    assert_eq!(
        &*text,
        "${QUINTET_OUT_1} ${QUINTET_VAR_1} ${QUINTET_OUT_1} ${QUINTET_OUT_2}"
    );
    let names: Vec<&str> = env.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["QUINTET_OUT_1", "QUINTET_VAR_1", "QUINTET_OUT_2"]);
    assert_eq!(env[1].1, Text::from("/h"));
    assert_eq!(
        env[2].1,
        Text::Parts(
            [Part::Output {
                step: "c".into(),
                key: "L".into(),
                default: Some("d".into())
            }]
            .into()
        )
    );
}

#[test]
fn an_output_is_a_hole_between_literals() {
    let scope = scope(&[("B", "x")]);
    let text = "${B}-${steps.a.b.outputs.SHA}-$$";
    assert_eq!(
        scope.expand(text, at(text.len())).unwrap(),
        Text::Parts(Box::new([
            Part::Literal("x-".into()),
            Part::Output {
                step: "a.b".into(),
                key: "SHA".into(),
                default: None
            },
            Part::Literal("-$".into()),
        ]))
    );
    assert!(scope.expand_plain(text, at(text.len())).is_err());
    assert_eq!(&*scope.expand_plain("${B}", at(4)).unwrap(), "x");
}

#[test]
fn a_default_stands_in_for_nothing_and_for_the_empty() {
    let scope = scope(&[("EMPTY", ""), ("FULL", "f")]);
    assert_eq!(
        expanded(&scope, "${NONE:-d} ${EMPTY:-d} ${FULL:-d} ${NONE:-}"),
        "d d f "
    );
    assert_eq!(expanded(&scope, "[${EMPTY}]"), "[]");
}

#[test]
fn the_environment_is_read_only_where_it_is_named() {
    let env = BTreeMap::from([("HOME".to_owned(), "/h".to_owned())]);
    let with = scope(&[]).with_env(env);
    assert_eq!(expanded(&with, "${env.HOME}"), "/h");
    assert!(error(&with, "${HOME}").message.contains("\"HOME\""));
    assert!(error(&with, "${env.NONE}").message.contains("is not set"));
    assert_eq!(expanded(&with, "${env.NONE:-d}"), "d");
    assert!(
        error(&scope(&[]), "${env.HOME}")
            .message
            .contains("cannot be read here")
    );
}

/// P7.
#[test]
fn p7_an_unresolved_name_is_an_error_with_its_place_and_the_nearest() {
    let scope = scope(&[("BRANCH", "x")]);
    let text = "merge ${BRNCH} now";
    let problem = error(&scope, text);
    assert_eq!(problem.message, "variable \"BRNCH\" has no value");
    assert_eq!(pointed_at(&problem, text), "${BRNCH}");
    assert_eq!(problem.help.as_deref(), Some("did you mean `${BRANCH}`?"));
    let script = "echo ${NOPE}";
    assert!(scope.expand_shell(script, at(script.len())).is_err());
}

/// P7.
#[test]
fn p7_unresolved_names_stay_where_that_is_allowed() {
    let mut required = declared("R", Kind::String);
    required.required = true;
    let (scope, problems) = Scope::resolve(&[required], &[], true);
    assert_eq!(problems, []);
    assert_eq!(
        expanded(&scope, "${R} ${X} ${env.Y} ${Z:-z}"),
        "${R} ${X} ${env.Y} z"
    );
    let (text, env) = scope.expand_shell("${X}", at(4)).unwrap();
    assert_eq!((&*text, env.len()), ("${X}", 0));
    // Broken forms are errors all the same.
    assert!(scope.expand("${A B}", at(6)).is_err());
}

#[test]
fn broken_forms_are_pointed_at_to_the_byte() {
    let scope = scope(&[("A", "a")]);
    for (text, wrong) in [
        ("x${", "${"),
        ("x${A", "${"),
        ("x${}", "${}"),
        ("x${:-d}", "${:-d}"),
        ("x${A B}", " "),
        ("é${A%.c}", "%"),
        ("${1}", "1"),
        ("${env.}", ""),
        ("${env.A-B}", "-"),
        ("${A:-${B}}", "${"),
        ("${steps.a}", "a"),
        ("${steps.a b.outputs.K}", "a b"),
        ("${steps.a.outputs.K K}", "K K"),
        ("${steps.../x.outputs.K}", "../x"),
    ] {
        let problem = error(&scope, text);
        assert_eq!(pointed_at(&problem, text), wrong, "{text}: {problem:?}");
        assert!(problem.help.is_some());
    }
}

#[test]
fn the_place_is_the_whole_string_where_its_bytes_do_not_map() {
    let text = "ab${}";
    let quoted = Span {
        file: 3,
        start: 10,
        end: 17,
    };
    assert_eq!(
        place_in(text, quoted, 2..5),
        Span {
            file: 3,
            start: 13,
            end: 16
        }
    );
    let escaped = Span { end: 25, ..quoted };
    assert_eq!(place_in(text, escaped, 2..5), escaped);
    assert_eq!(inner(quoted, 5..99).end, 17);
}

#[test]
fn values_of_a_wrong_kind_are_refused_by_name_value_and_what_is_accepted() {
    let mut port = declared("PORT", Kind::Int);
    (port.min, port.max) = (Some(1.0), Some(65535.0));
    for value in [
        "x",
        "0",
        "65536",
        "1.5",
        "",
        "-",
        "+1",
        "99999999999999999999",
        " 1",
    ] {
        assert_eq!(
            refusal(port.clone(), value).trim(),
            format!("variable \"PORT\" is {value:?}; it takes a whole number from 1 to 65535")
        );
    }
    assert!(refusal(declared("N", Kind::Number), "NaN").contains("a number"));
    assert!(refusal(declared("N", Kind::Number), "inf").contains("a number"));
    assert!(refusal(declared("B", Kind::Bool), "maybe").contains("true or false"));
    assert!(refusal(declared("P", Kind::Path), "").contains("a path"));
    assert!(refusal(declared("S", Kind::String), "a\0b").contains("NUL"));
    let mut mode = declared("MODE", Kind::Choice);
    mode.choices = vec!["fast".into(), "slow".into()];
    let message = refusal(mode, "fsat");
    assert!(
        message.contains("one of fast, slow did you mean \"fast\"?"),
        "{message}"
    );
    let mut tag = declared("TAG", Kind::String);
    tag.pattern = Some("v[0-9]+|latest".into());
    assert!(refusal(tag.clone(), "v1x").contains("`v[0-9]+|latest`"));
    assert!(refusal(tag, "xlatest").contains("matches"));
}

#[test]
fn good_values_are_kept_as_they_are_written_but_for_bools() {
    let declarations = [
        declared("I", Kind::Int),
        declared("N", Kind::Number),
        declared("B", Kind::Bool),
    ];
    let pairs = given(&[("I", "-007"), ("N", "1e3"), ("B", "YES"), ("B", "Off")]);
    let (scope, problems) = Scope::resolve(&declarations, &pairs, false);
    assert_eq!(problems, []);
    let values: Vec<_> = scope.values().into_values().collect();
    assert_eq!(values, ["false", "-007", "1e3"]);
}

#[test]
fn declarations_that_make_no_sense_are_all_reported() {
    let mut choice = declared("C", Kind::Choice);
    choice.default = Some("x".into());
    let mut limits = declared("L", Kind::Int);
    (limits.min, limits.max) = (Some(2.0), Some(1.0));
    let mut text = declared("T", Kind::String);
    text.min = Some(1.0);
    let mut pattern = declared("P", Kind::String);
    pattern.pattern = Some("(".into());
    let huge = Declaration {
        name: "H".into(),
        pattern: Some("(\\w{1000}){1000}".into()),
        ..pattern.clone()
    };
    let name = declared("a-b", Kind::String);
    let twice = declared("T", Kind::String);
    let (_, problems) = Scope::resolve(
        &[choice, limits, text, pattern, huge, name, twice],
        &[],
        false,
    );
    let messages: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(messages.len(), 8, "{messages:#?}");
}

#[test]
fn a_required_variable_has_to_be_given() {
    let mut required = declared("BRANCH", Kind::String);
    required.required = true;
    let (_, problems) = Scope::resolve(&[required.clone()], &[], false);
    assert_eq!(
        problems[0].message,
        "variable \"BRANCH\" is required and was not given"
    );
    required.default = Some("main".into());
    let (scope, problems) = Scope::resolve(&[required], &[], false);
    assert_eq!((problems.len(), scope.get("BRANCH")), (0, Some("main")));
}

#[test]
fn an_undeclared_name_is_accepted_unless_it_looks_misspelt() {
    let declarations = [declared("BRANCH", Kind::String)];
    let (scope, problems) = Scope::resolve(&declarations, &given(&[("OTHER_THING", "x")]), false);
    assert_eq!((problems.len(), scope.get("OTHER_THING")), (0, Some("x")));
    let (_, problems) = Scope::resolve(&declarations, &given(&[("branch", "x")]), false);
    assert_eq!(
        problems[0].help.as_deref(),
        Some("did you mean \"BRANCH\"?")
    );
    let (_, problems) = Scope::resolve(&[], &given(&[("a-b", "x")]), false);
    assert_eq!(problems.len(), 1);
}

#[test]
fn a_secret_is_in_no_message_no_record_and_no_text() {
    let mut token = declared("TOKEN", Kind::Choice);
    token.secret = true;
    token.choices = vec!["hunter2".into()];
    let message = refusal(token.clone(), "hunter3");
    assert!(!message.contains("hunter"), "{message}");

    let (scope, _) = Scope::resolve(&[token], &given(&[("TOKEN", "hunter2")]), false);
    let text = scope.expand("key=${TOKEN}", at(12)).unwrap();
    let (_, env) = scope.expand_shell("use ${TOKEN}", at(12)).unwrap();
    assert_eq!(
        env[0],
        (
            "TOKEN".into(),
            Text::Parts([Part::Secret("TOKEN".into())].into())
        )
    );
    let seen = format!("{scope:?} {text:?} {:?} {env:?}", scope.values());
    assert!(!seen.contains("hunter"), "{seen}");
    assert_eq!(scope.secrets().collect::<Vec<_>>(), ["TOKEN"]);
    assert_eq!(scope.get("TOKEN"), Some("hunter2"));
    assert!(scope.expand_plain("${TOKEN}", at(8)).is_err());
}

#[test]
fn a_variable_that_no_text_uses_is_told() {
    let scope = scope(&[("A", "1"), ("B", "2")]);
    assert_eq!(scope.unused().collect::<Vec<_>>(), ["A", "B"]);
    expanded(&scope, "${B}");
    assert_eq!(scope.unused().collect::<Vec<_>>(), ["A"]);
}

#[test]
fn a_short_text_cannot_grow_without_end() {
    let value = "x".repeat(1 << 20);
    let scope = scope(&[("V", &value)]);
    let problem = error(&scope, &"${V}".repeat(17));
    assert!(problem.message.contains("16 MiB"), "{problem}");
    error(&scope, &"${V}${steps.a.outputs.K}".repeat(17));
}

proptest! {
    #[test]
    fn nothing_panics(text in "(\\$|\\{|\\}|:-|steps\\.|env\\.|\\.outputs\\.|A|é| |/){0,12}") {
        let scope = scope(&[("A", "a")]);
        for span in [at(text.len()), at(text.len() + 2), at(1)] {
            let _ = scope.expand(&text, span);
            let _ = scope.expand_shell(&text, span);
        }
    }

    /// XF09: whatever a value holds, it arrives as it is, and the script's own
    /// text does not depend on it.
    #[test]
    fn xf09_values_arrive_byte_for_byte(value in "[^\\x00]*", before in "[a-z ]*", after in "[a-z ]*") {
        let scope = scope(&[("V", &value)]);
        let text = format!("{before}${{V}}{after}");
        prop_assert_eq!(expanded(&scope, &text), format!("{before}{value}{after}"));
        let (script, env) = scope.expand_shell(&text, at(text.len())).unwrap();
        prop_assert_eq!(&*script, &*text);
        prop_assert_eq!(env, vec![("V".into(), Text::from(value))]);
    }
}
