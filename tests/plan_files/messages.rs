//! What people see when a plan file is wrong.

use super::*;

/// A fixture's problems as people see them. Its name is the file's alone.
fn shown_fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let short = path.file_name().unwrap().to_str().unwrap();
    match load_str(short, text, &request()) {
        Ok(_) => panic!("{name} is accepted"),
        Err(refusal) => shown(&refusal),
    }
}

/// P36.
#[test]
fn p36_misspelt_fields_are_refused_with_what_was_meant() {
    insta::assert_snapshot!(shown_fixture("bad_meaning/misspelt.json"), @r#"
    error: steps[0]: unknown field "retrys"
     --> misspelt.json:1:44
      |
    1 | {"steps": [{"id": "a", "command": "true", "retrys": 3, "Timeout_sec": 5, "timeout": 6, "condt...
      |                                            ^^^^^^
      |
      = help: did you mean "retry"?

    error: steps[0]: unknown field "Timeout_sec"
     --> misspelt.json:1:57
      |
    1 | {"steps": [{"id": "a", "command": "true", "retrys": 3, "Timeout_sec": 5, "timeout": 6, "condt...
      |                                                         ^^^^^^^^^^^
      |
      = help: did you mean "timeout_sec"?

    error: steps[0]: unknown field "timeout"
     --> misspelt.json:1:75
      |
    1 | {"steps": [{"id": "a", "command": "true", "retrys": 3, "Timeout_sec": 5, "timeout": 6, "condt...
      |                                                                           ^^^^^^^
      |
      = help: did you mean "timeout_sec"?

    error: steps[0]: unknown field "condtion"
     --> misspelt.json:1:89
      |
    1 | ...ys": 3, "Timeout_sec": 5, "timeout": 6, "condtion": "true"}], "global": {}}
      |                                             ^^^^^^^^
      |
      = help: did you mean "condition"?

    error: unknown field "global"
     --> misspelt.json:1:111
      |
    1 | ...: 5, "timeout": 6, "condtion": "true"}], "global": {}}
      |                                              ^^^^^^
      |
      = help: did you mean "globals"?
    "#);
}

/// P37.
#[test]
fn p37_comments_before_json() {
    insta::assert_snapshot!(shown_fixture("bad_syntax/comments.json"), @r"
    error: JSON has no comments, and this file has 2
     --> comments.json:1:1
      |
    1 | // DOC_LINK: DOC-CONFIG-WS-01
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the first is here
      |
      = help: remove them, or keep the plan as YAML or TOML, where # begins a comment
    ");
}

/// P5.
#[test]
fn p5_everything_wrong_is_shown_at_once() {
    insta::assert_snapshot!(shown_fixture("bad_meaning/everything.json"), @r#"
    error: steps[0].args[1] of step "fetch": variable "BRANCH" has no value
     --> everything.json:4:58
      |
    4 |     {"id": "fetch", "command": "git", "args": ["fetch", "${BRANCH}"]},
      |                                                          ^^^^^^^^^ not given, and not declared
      |
      = help: give it with --var BRANCH=VALUE, or a default as in `${BRANCH:-DEFAULT}`; for these characters themselves write `$${BRANCH}`

    error: step "merge" needs "fecth", which does not exist
     --> everything.json:5:55
      |
    5 |     {"id": "merge", "command": "git", "depends_on": ["fecth"]},
      |                                                       ^^^^^ no step has this id
      |
      = help: did you mean "fetch"?

    error: two steps have the id "merge"
     --> everything.json:6:13
      |
    5 |     {"id": "merge", "command": "git", "depends_on": ["fecth"]},
      |             ----- the first is here
    6 |     {"id": "merge", "command": "git"},
      |             ^^^^^ the second is here
      |
      = help: ids are unique in a plan; rename one of the two

    error: steps wait for each other in a circle: x -> y -> x
     --> everything.json:7:52
      |
    7 |     {"id": "x", "command": "true", "depends_on": ["y"], "timeout_sec": 5, "timout_sec": 6},
      |                                                    ^ "x" needs "y"
    8 |     {"id": "y", "command": "true", "depends_on": ["x"], "condition": "prev.x.status = 'succes...
      |                                                    - "y" needs "x"

    error: steps[3]: unknown field "timout_sec"
     --> everything.json:7:76
      |
    7 |     {"id": "x", "command": "true", "depends_on": ["y"], "timeout_sec": 5, "timout_sec": 6},
      |                                                                            ^^^^^^^^^^
      |
      = help: did you mean "timeout_sec"?

    error: steps[4].condition: '=' is not part of a condition
     --> everything.json:8:85
      |
    8 |     {"id": "y", "command": "true", "depends_on": ["x"], "condition": "prev.x.status = 'succes...
      |                                                                                     ^
      |
      = help: equality is written `==` or `-eq`
    "#);
}

/// P5.
#[test]
fn p5_wrong_types_and_choices_are_shown_at_once() {
    insta::assert_snapshot!(shown_fixture("bad_shape/types.json"), @r#"
    error: plan_id: expected a text, found the number 7
     --> types.json:2:14
      |
    2 |   "plan_id": 7,
      |              ^
      |
      = help: put it into quotes

    error: globals.max_concurrency: expected a whole number, found the text "four"
     --> types.json:3:35
      |
    3 |   "globals": {"max_concurrency": "four", "default_timeout_sec": -1, "env": ["A=1"], "on_abort...
      |                                   ^^^^

    error: globals.default_timeout_sec: -1 is too small; 0 is the least
     --> types.json:3:65
      |
    3 |   "globals": {"max_concurrency": "four", "default_timeout_sec": -1, "env": ["A=1"], "on_abort...
      |                                                                 ^^

    error: globals.env: expected an object, found a list
     --> types.json:3:76
      |
    3 |   "globals": {"max_concurrency": "four", "default_timeout_sec": -1, "env": ["A=1"], "on_abort...
      |                                                                            ^

    error: globals.on_abort: expected one of wait, terminate, found "explode"
     --> types.json:3:98
      |
    3 | ...t_sec": -1, "env": ["A=1"], "on_abort": "explode"},
      |                                             ^^^^^^^

    error: steps[0].timeout_sec: expected a number of seconds, found the text "5"
     --> types.json:5:52
      |
    5 |     {"id": "a", "command": "true", "timeout_sec": "5", "retries": true, "args": "one", "criti...
      |                                                    ^
      |
      = help: write 5, without quotes

    error: steps[0].retries: expected a whole number, found true
     --> types.json:5:67
      |
    5 |     {"id": "a", "command": "true", "timeout_sec": "5", "retries": true, "args": "one", "criti...
      |                                                                   ^^^^

    error: steps[0].args: expected a list of texts, found the text "one"
     --> types.json:5:82
      |
    5 |     {"id": "a", "command": "true", "timeout_sec": "5", "retries": true, "args": "one", "criti...
      |                                                                                  ^^^
      |
      = help: put it into brackets: it is a list of one

    error: steps[0].critical: expected true or false, found the text "yes"
     --> types.json:5:101
      |
    5 | ...etries": true, "args": "one", "critical": "yes"},
      |                                               ^^^
      |
      = help: write true, without quotes

    error: steps[1].command: expected a text, found the number 5
     --> types.json:6:28
      |
    6 |     {"id": "b", "command": 5, "depends_on": "a", "retry": {"factor": 0.5, "jitter": 2}, "prio...
      |                            ^
      |
      = help: put it into quotes

    error: steps[1].depends_on: expected a list of texts, found the text "a"
     --> types.json:6:46
      |
    6 |     {"id": "b", "command": 5, "depends_on": "a", "retry": {"factor": 0.5, "jitter": 2}, "prio...
      |                                              ^
      |
      = help: put it into brackets: it is a list of one

    error: steps[1].retry.factor: 0.5 is too small; 1 is the least
     --> types.json:6:70
      |
    6 |     {"id": "b", "command": 5, "depends_on": "a", "retry": {"factor": 0.5, "jitter": 2}, "prio...
      |                                                                      ^^^

    error: steps[1].retry.jitter: 2 is too large; 1 is the most
     --> types.json:6:85
      |
    6 |     {"id": "b", "command": 5, "depends_on": "a", "retry": {"factor": 0.5, "jitter": 2}, "prio...
      |                                                                                     ^

    error: steps[1].priority: expected a whole number, found 1.5
     --> types.json:6:101
      |
    6 | ... {"factor": 0.5, "jitter": 2}, "priority": 1.5},
      |                                               ^^^

    error: steps[2].env.A: expected a text, found true
     --> types.json:7:49
      |
    7 |     {"id": "c", "command": "true", "env": {"A": true}, "args": ["x", null, {"y": 1}], "confir...
      |                                                 ^^^^
      |
      = help: put it into quotes

    error: steps[2].args[1]: expected a text, found nothing
     --> types.json:7:70
      |
    7 |     {"id": "c", "command": "true", "env": {"A": true}, "args": ["x", null, {"y": 1}], "confir...
      |                                                                      ^^^^

    error: steps[2].args[2]: expected a text, found an object
     --> types.json:7:76
      |
    7 |     {"id": "c", "command": "true", "env": {"A": true}, "args": ["x", null, {"y": 1}], "confir...
      |                                                                            ^

    error: steps[2].confirm: expected a text or true or false, found the number 3
     --> types.json:7:98
      |
    7 | ..., "args": ["x", null, {"y": 1}], "confirm": 3, "pool": {"slots": 0}},
      |                                                ^

    error: steps[2].pool: "name" is missing
     --> types.json:7:109
      |
    7 | ...ll, {"y": 1}], "confirm": 3, "pool": {"slots": 0}},
      |                                         ^ this needs it

    error: steps[2].pool.slots: 0 is too small; 1 is the least
     --> types.json:7:119
      |
    7 | ... {"y": 1}], "confirm": 3, "pool": {"slots": 0}},
      |                                                ^

    and 1 more error
    "#);
    insta::assert_snapshot!(shown_fixture("bad_shape/choices.yaml"), @r#"
    error: steps[0].on_failure: expected one of abort, skip_dependents, continue, fallback_step, found "skip_dependants"
     --> choices.yaml:4:17
      |
    4 |     on_failure: skip_dependants
      |                 ^^^^^^^^^^^^^^^
      |
      = help: did you mean "skip_dependents"?

    error: steps[0].exit_codes.3: expected one of success, warning, restart_required, needs_handling, failure, found "sucess"
     --> choices.yaml:6:10
      |
    6 |       3: sucess
      |          ^^^^^^
      |
      = help: did you mean "success"?

    error: steps[0].log: expected one of shared, own, found "none"
     --> choices.yaml:7:10
      |
    7 |     log: none
      |          ^^^^

    error: steps[0].type: expected one of command, group, found "comand"
     --> choices.yaml:8:11
      |
    8 |     type: comand
      |           ^^^^^^
      |
      = help: did you mean "command"?
    "#);
}

#[test]
fn what_is_missing_is_shown_where_it_should_be() {
    insta::assert_snapshot!(shown_fixture("bad_shape/missing.json"), @r#"
    error: steps[0]: "id" is missing
     --> missing.json:1:28
      |
    1 | {"plan_id": "p", "steps": [{"command": "true"}, {"id": "b"}, {"id": "c", "type": "group", "co...
      |                            ^ this needs it

    error: steps[1]: this step has no command
     --> missing.json:1:49
      |
    1 | {"plan_id": "p", "steps": [{"command": "true"}, {"id": "b"}, {"id": "c", "type": "group", "co...
      |                                                 ^
      |
      = help: a meeting point for other steps has "type": "group"

    error: steps[2]: a group runs nothing, and has a command
     --> missing.json:1:103
      |
    1 | ..., {"id": "c", "type": "group", "command": "true"}]}
      |                                               ^^^^
    "#);
}

#[test]
fn several_syntax_errors_are_shown_at_once() {
    insta::assert_snapshot!(shown_fixture("bad_syntax/trailing.json"), @r#"
    error: steps[0].command: a comma before the closing bracket
     --> trailing.json:3:34
      |
    3 |     {"id": "a", "command": "true",},
      |                                  ^
      |
      = help: JSON allows no trailing comma: remove it

    error: steps[1].id: a comma is missing
     --> trailing.json:4:15
      |
    4 |     {"id": "b" "command": "true"},
      |               ^ expected a comma here

    error: steps[1]: a comma before the closing bracket
     --> trailing.json:4:34
      |
    4 |     {"id": "b" "command": "true"},
      |                                  ^
      |
      = help: JSON allows no trailing comma: remove it

    error: steps: a comma before the closing bracket
     --> trailing.json:5:4
      |
    5 |   ],
      |    ^
      |
      = help: JSON allows no trailing comma: remove it
    "#);
    insta::assert_snapshot!(shown_fixture("bad_syntax/broken.toml"), @r"
    error: string values must be quoted, expected literal string
     --> broken.toml:1:10
      |
    1 | plan_id =
      |          ^

    error: unclosed array table, expected `]`
     --> broken.toml:2:9
      |
    2 | [[steps]
      |         ^
    ");
    insta::assert_snapshot!(shown_fixture("bad_syntax/tabs.yaml"), @r"
    error: tabs disallowed within this context (block indentation)
     --> tabs.yaml:2:2
      |
    2 |     - id: a
      |     ^
    ");
}

#[test]
fn variables_and_texts_are_checked_where_they_stand() {
    insta::assert_snapshot!(shown_fixture("bad_meaning/variables.json"), @r#"
    error: variable "MODE" has the default "fats"; it takes one of fast, slow
     --> variables.json:2:18
      |
    2 |   "variables": {"MODE": {"type": "choice", "choices": ["fast", "slow"], "default": "fats"}, "...
      |                  ^^^^ declared here
      |
      = help: did you mean "fast"?

    error: "1X" cannot be a variable's name: a name is letters, digits and `_`, and does not begin with a digit
     --> variables.json:2:94
      |
    2 | ...fast", "slow"], "default": "fats"}, "1X": "y", "NEEDED": {"required": true}},
      |                                         ^^ declared here

    error: variable "NEEDED" is required and was not given
     --> variables.json:2:105
      |
    2 | ...], "default": "fats"}, "1X": "y", "NEEDED": {"required": true}},
      |                                       ^^^^^^ declared here
      |
      = help: give it with --var NEEDED=VALUE

    error: steps[0].args[0] of step "a": variable "MDOE" has no value
     --> variables.json:3:54
      |
    3 |   "steps": [{"id": "a", "command": "echo", "args": ["${MDOE}", "${", "x\u0000y"], "env": {"A=...
      |                                                      ^^^^^^^ not given, and not declared
      |
      = help: did you mean `${MODE}`?

    error: steps[0].args[1] of step "a": a reference that cannot be read
     --> variables.json:3:65
      |
    3 |   "steps": [{"id": "a", "command": "echo", "args": ["${MDOE}", "${", "x\u0000y"], "env": {"A=...
      |                                                                 ^^ `${` without a `}`
      |
      = help: references are `${NAME}`, `${env.NAME}` and `${steps.ID.outputs.KEY}`, each also with `:-DEFAULT`; for the characters `${` themselves write `$${`

    error: steps[0].args[2]: holds a NUL, which no program can be given
     --> variables.json:3:71
      |
    3 |   "steps": [{"id": "a", "command": "echo", "args": ["${MDOE}", "${", "x\u0000y"], "env": {"A=...
      |                                                                       ^^^^^^^^

    error: steps[0].env.A=B: cannot be the name of an environment variable
     --> variables.json:3:92
      |
    3 | ...": ["${MDOE}", "${", "x\u0000y"], "env": {"A=B": "1"}}]
      |                                               ^^^
    "#);
}

#[test]
fn fallbacks_and_pools_are_checked() {
    insta::assert_snapshot!(shown_fixture("bad_meaning/fallbacks.toml"), @r#"
    error: steps[0]: "on_failure" asks for a "fallback_step", which is missing
     --> fallbacks.toml:4:15
      |
    4 | on_failure = "fallback_step"
      |               ^^^^^^^^^^^^^

    error: step "b" falls back on "nobody", which does not exist
     --> fallbacks.toml:9:18
      |
    9 | fallback_step = "nobody"
      |                  ^^^^^^ no step has this id

    error: steps[2].continue_on_error: contradicts "on_failure"
      --> fallbacks.toml:15:21
       |
    14 | on_failure = "abort"
       |               ----- says otherwise
    15 | continue_on_error = true
       |                     ^^^^ says continue
    "#);
    insta::assert_snapshot!(shown_fixture("bad_meaning/pools.yaml"), @r#"
    error: step "a" wants 2 of pool "net", which has 1
     --> pools.yaml:4:43
      |
    4 |   - {id: a, command: "true", pool: {name: net, slots: 2}}
      |                                           ^^^
      |
      = help: it could never start

    error: step "b" uses the pool "nte", which is not declared
     --> pools.yaml:5:36
      |
    5 |   - {id: b, command: "true", pool: nte}
      |                                    ^^^
      |
      = help: did you mean "net"?

    error: step "c" uses the resource "ram", which is not declared
     --> pools.yaml:6:42
      |
    6 |   - {id: c, command: "true", resources: {ram: 1}}
      |                                          ^^^
    "#);
}

/// P7: two escapes make a text as much shorter as quotes would; its places are
/// then those of the whole text, and never within a character.
#[test]
fn p7_a_reference_in_a_text_with_escapes_is_placed_at_the_text() {
    let text = r#"{"steps": [{"id": "a", "command": "true", "args": ["\n\"é${"]}]}"#;
    let refusal = refused(text);
    let (span, _) = refusal.problems[0].at.clone().expect("a place");
    let place = &text[span.start as usize..span.end as usize];
    assert_eq!(place, r#"\n\"é${"#);
    assert!(!shown(&refusal).is_empty());
}
