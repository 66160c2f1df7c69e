//! What holds of selections, row by row. The law that they all obey is tested
//! on random plans in `tests/select_law.rs`.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::plan::StepIx;

/// A step of the plan below: id, name, stage, tags, needs, after.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [u32],
    &'static [u32],
);

const SCRIPTS: [Row; 8] = [
    ("0000", "0000_Clean", "Prepare", &["base"], &[], &[]),
    ("0001", "0001_Git", "Prepare", &["base", "git"], &[0], &[]),
    ("0050", "0050_Slow", "Prepare", &["slow"], &[], &[]),
    ("0099", "0099_Last", "Prepare", &[], &[1], &[]),
    (
        "0201",
        "0201_Node",
        "Infrastructure",
        &["database"],
        &[],
        &[0],
    ),
    (
        "0208",
        "0208_Docker",
        "Infrastructure",
        &["database", "slow"],
        &[4],
        &[],
    ),
    ("0299", "0299_Tail", "My Stage", &[], &[5], &[]),
    ("2000", "2000_Far", "Default", &[], &[], &[]),
];

const TREE: [Row; 6] = [
    ("config/hardware/bluetooth", "", "", &[], &[], &[]),
    ("config/hardware/audio", "", "", &["x"], &[0], &[]),
    ("config/hardware-extra", "", "", &[], &[], &[]),
    ("config/shell", "", "", &[], &[], &[1]),
    ("finish", "", "", &[], &[3], &[]),
    ("late/0001_a/b", "", "", &[], &[], &[]),
];

fn plan(rows: &[Row]) -> Plan {
    let steps: Vec<_> = rows
        .iter()
        .map(|(id, name, stage, tags, needs, after)| {
            json!({
                "id": id, "action": "group", "tags": tags, "needs": needs, "after": after,
                "name": (!name.is_empty()).then_some(name),
                "about": {"stage": (!stage.is_empty()).then_some(stage)},
                "policy": Arc::new(crate::plan::Policy::default()),
                "source": {"file": 0, "line": 1, "column": 1},
            })
        })
        .collect();
    let plan =
        json!({"id": "p", "name": "p", "version": "1", "max_concurrency": 1, "steps": steps});
    serde_json::from_value(plan).unwrap()
}

fn args(terms: &[&str]) -> Vec<String> {
    terms.iter().map(|term| term.to_string()).collect()
}

fn resolved(rows: &[Row], terms: &[&str]) -> Result<Vec<&'static str>, Vec<SelectError>> {
    let plan = plan(rows);
    let steps = Selection::parse(&args(terms))?.resolve(&plan, &Graph::new(&plan))?;
    Ok(steps.iter().map(|ix| rows[ix.at()].0).collect())
}

#[track_caller]
fn scripts(terms: &[&str], expected: &[&str]) {
    assert_eq!(
        resolved(&SCRIPTS, terms).as_deref(),
        Ok(expected),
        "{terms:?}"
    );
}

#[track_caller]
fn tree(terms: &[&str], expected: &[&str]) {
    assert_eq!(resolved(&TREE, terms).as_deref(), Ok(expected), "{terms:?}");
}

/// The only error of the selection, from the scripts.
#[track_caller]
fn refused(terms: &[&str]) -> SelectError {
    let errors = resolved(&SCRIPTS, terms).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors[0].clone();
    assert!(error.term.get(error.at.clone()).is_some(), "{error:?}");
    error
}

#[test]
fn a1_a_number_is_one_script() {
    scripts(&["0001"], &["0001"]);
    scripts(&["0001,0001", "0001"], &["0001"]);
}

#[test]
fn a2_a_range_is_closed_and_not_reversed() {
    scripts(&["0001-0099"], &["0001", "0050", "0099"]);
    scripts(&["0002-0050"], &["0050"]);
    scripts(&["0001 - 0050"], &["0001", "0050"]);
    assert!(refused(&["0001,0099-0001"]).message.contains("reversed"));
    assert_eq!(refused(&["0001,0099-0001"]).at, 5..14);
}

#[test]
fn a3_a_number_that_does_not_exist_is_named() {
    scripts(&["0001,0050,0201"], &["0001", "0050", "0201"]);
    let error = refused(&["0001", "0050, 0007"]);
    assert_eq!((error.term.as_str(), error.at), ("0050, 0007", 6..10));
    assert_eq!(error.message, "no step has the number 0007");
    let plan = plan(&SCRIPTS);
    let lenient = Selection::parse(&args(&["0001,0007,ghost"]))
        .unwrap()
        .allow_missing();
    assert_eq!(lenient.resolve(&plan, &Graph::new(&plan)).unwrap().len(), 1);
}

#[test]
fn a4_prefixes() {
    for term in ["02*", "2*", "02xx", "02XX", "0200-0299"] {
        scripts(&[term], &["0201", "0208", "0299"]);
    }
    scripts(&["020*"], &["0201", "0208"]);
    scripts(&["020x"], &["0201", "0208"]);
    scripts(&["20*"], &["2000"]);
    scripts(&["0*"], &["0000", "0001", "0050", "0099"]);
    assert_eq!(resolved(&SCRIPTS, &["*"]).unwrap().len(), 8);
}

#[test]
fn a5_a6_exclusion_works_wherever_it_stands() {
    for terms in [
        &["0000-0099,!0050"][..],
        &["!0050,0000-0099"],
        &["!0050", "0000-0099"],
        &["0000-0099", "^0050"],
    ] {
        scripts(terms, &["0000", "0001", "0099"]);
    }
    scripts(&["0200-0299,!0208,0201"], &["0201", "0299"]);
    scripts(&["!0208,0201"], &["0201"]);
    scripts(&["!0000-0099", "! 02*"], &["2000"]);
}

#[test]
fn a7_a8_a10_stages_and_tags() {
    scripts(&["stage:infrastructure"], &["0201", "0208"]);
    scripts(&["Stage: My Stage"], &["0299"]);
    scripts(&["tag:database"], &["0201", "0208"]);
    scripts(&["stage:Default,stage:My Stage"], &["0299", "2000"]);
    assert_eq!(
        refused(&["stage:Infra"]).message,
        "no step is in the stage \"Infra\""
    );
    let error = refused(&["0001,tag:Database"]);
    assert_eq!(error.at, 5..17);
    assert!(
        error
            .help
            .unwrap()
            .starts_with("did you mean \"database\"?")
    );
}

#[test]
fn a9_commas_arguments_and_spaces_are_one() {
    let expected = ["0000", "0001", "0050", "0099", "0201", "0208", "0299"];
    scripts(&["0000-0299,stage:Infrastructure"], &expected);
    scripts(&["  0000-0299 ,  stage: Infrastructure "], &expected);
    scripts(&["stage:Infrastructure", "0000-0299"], &expected);
}

#[test]
fn a12_what_is_no_term_is_refused_with_its_place_and_the_forms() {
    for (term, at) in [
        ("0001,", 5..5),
        ("", 0..0),
        ("0001,,0050", 5..5),
        ("!", 0..1),
        ("+", 0..1),
        ("a b", 0..3),
        ("0001,$x", 5..7),
        ("label:x", 0..7),
        ("tag:", 0..4),
        ("path: ", 0..5),
        ("[a", 0..2),
        ("{a*}", 0..4),
        ("!!a", 1..3),
        ("Ghost", 0..5),
        ("0001-99999", 0..10),
        ("path:x/*", 0..8),
    ] {
        let error = refused(&[term]);
        assert_eq!(error.at, at, "{term}: {error:?}");
        assert!(error.help.unwrap().contains("`0001-0099`"), "{term}");
    }
    assert!(
        refused(&["lable:x"])
            .message
            .contains("there is no `lable:`")
    );
    assert!(
        refused(&["tags:x"])
            .message
            .contains("did you mean `tag:`?")
    );
    assert!(
        refused(&["!0051_Slow"])
            .help
            .unwrap()
            .contains("\"0050_Slow\"")
    );
    let errors = resolved(&SCRIPTS, &["ghost,a b", "0007"]).unwrap_err();
    assert_eq!(
        errors.len(),
        1,
        "what cannot be read is told before what is unknown"
    );
    assert_eq!(
        resolved(&SCRIPTS, &["ghost,0008", "0007"])
            .unwrap_err()
            .len(),
        3
    );
}

#[test]
fn a13_a_selection_of_nothing_is_an_error() {
    assert_eq!(refused(&["0300-0399"]).message, "no step matches 0300-0399");
    refused(&["0001,!0001"]);
    refused(&["!*"]);
    refused(&["nothing*"]);
}

#[test]
fn a14_a_name_selects_too() {
    scripts(&["0208_Docker,0001_Git"], &["0001", "0208"]);
    assert!(
        refused(&["0208_docker"])
            .help
            .unwrap()
            .contains("\"0208_Docker\"")
    );
}

#[test]
fn a_group_is_all_below_it() {
    let hardware = ["config/hardware/bluetooth", "config/hardware/audio"];
    tree(&["config/hardware"], &hardware);
    tree(&["path:config/hardware/"], &hardware);
    tree(
        &["path:config/hard*"],
        &[hardware[0], hardware[1], "config/hardware-extra"],
    );
    tree(&["path:*/hardware"], &hardware);
    tree(&["path:*,!path:config"], &["finish", "late/0001_a/b"]);
    tree(&["*ware"], &hardware);
    tree(&["config/*/b*"], &["config/hardware/bluetooth"]);
    tree(&["0001"], &["late/0001_a/b"]);
    tree(&["f*"], &["finish"]);
    assert!(
        resolved(&TREE, &["path:*dio"]).is_err(),
        "`*` stays within one part"
    );
    let errors = resolved(&TREE, &["bluetooth"]).unwrap_err();
    assert!(
        errors[0]
            .help
            .as_deref()
            .unwrap()
            .contains("config/hardware/bluetooth")
    );
}

#[test]
fn a_digit_prefix_is_a_glob_where_there_are_no_numbers() {
    const ROWS: [Row; 2] = [
        ("2fast", "", "", &[], &[], &[]),
        ("slow", "", "", &[], &[], &[]),
    ];
    assert_eq!(resolved(&ROWS, &["2*"]), Ok(vec!["2fast"]));
}

#[test]
fn relatives_follow_needs_and_not_mere_order() {
    scripts(&["+0099"], &["0000", "0001", "0099"]);
    scripts(&["0000+"], &["0000", "0001", "0099"]);
    scripts(&["+0208+"], &["0201", "0208", "0299"]);
    scripts(&["+ 0208 +"], &["0201", "0208", "0299"]);
    scripts(&["*,!0000+,!+0299"], &["0050", "2000"]);
    scripts(&["+stage:My Stage"], &["0201", "0208", "0299"]);
}

#[test]
fn what_is_needed_brings_its_stand_in() {
    let mut plan = plan(&SCRIPTS[..4]);
    plan.steps[2].fallback_of = Some(StepIx::new(1));
    let graph = Graph::new(&plan);
    let selected = |terms: &[&str]| -> Vec<usize> {
        let steps = Selection::parse(&args(terms))
            .unwrap()
            .resolve(&plan, &graph)
            .unwrap();
        steps.iter().map(StepIx::at).collect()
    };
    assert_eq!(selected(&["+0099"]), [0, 1, 2, 3]);
    assert_eq!(selected(&["+0050"]), [0, 1, 2]);
    assert_eq!(selected(&["0001+"]), [1, 2, 3]);
}

fn ranged(range: Range) -> Result<Vec<&'static str>, Vec<SelectError>> {
    let plan = plan(&SCRIPTS);
    let steps = range.resolve(&plan, &Graph::new(&plan))?;
    Ok(steps.iter().map(|ix| SCRIPTS[ix.at()].0).collect())
}

/// P34.
#[test]
fn p34_from_and_to_follow_the_order_of_the_run() {
    let range = |from: &str, to: &str| Range {
        from: (!from.is_empty()).then(|| from.into()),
        to: (!to.is_empty()).then(|| to.into()),
        ..Range::default()
    };
    let all = ["0000", "0001", "0099", "0201", "0208", "0299"];
    assert_eq!(ranged(range("0000", "")).as_deref(), Ok(&all[..]));
    assert_eq!(
        ranged(range("", "0208")).as_deref(),
        Ok(&["0000", "0201", "0208"][..])
    );
    assert_eq!(
        ranged(range("0201", "0208")).as_deref(),
        Ok(&["0201", "0208"][..])
    );
    assert_eq!(ranged(Range::default()).unwrap().len(), 8);
    assert_eq!(
        ranged(range("0208", "0001")).unwrap_err()[0].message,
        "no step matches the range"
    );
    assert_eq!(ranged(range("ghost", "spook")).unwrap_err().len(), 2);
}

/// P21.
#[test]
fn p21_only_and_skipped_tags() {
    let range = |only: &[&str], only_tags: &[&str], skip_tags: &[&str]| {
        ranged(Range {
            only: args(only),
            only_tags: args(only_tags),
            skip_tags: args(skip_tags),
            ..Range::default()
        })
    };
    assert_eq!(range(&["0001", "0208"], &[], &[]), Ok(vec!["0001", "0208"]));
    assert_eq!(
        range(&[], &["git, database"], &[]),
        Ok(vec!["0001", "0201", "0208"])
    );
    assert_eq!(range(&[], &["database"], &["slow"]), Ok(vec!["0201"]));
    assert_eq!(
        range(&[], &[], &["base", "slow"]),
        Ok(vec!["0099", "0201", "0299", "2000"])
    );
    assert!(
        range(&[], &[], &["slwo"]).unwrap_err()[0]
            .help
            .as_deref()
            .unwrap()
            .contains("\"slow\"")
    );
}

#[test]
fn a_selection_and_a_range_meet() {
    let plan = plan(&SCRIPTS);
    let graph = Graph::new(&plan);
    let both = |terms: &[&str], skip: &str| {
        let range = Range {
            skip_tags: args(&[skip]),
            ..Range::default()
        };
        select(
            &plan,
            &graph,
            &Selection::parse(&args(terms)).unwrap(),
            &range,
        )
    };
    assert_eq!(both(&["02*"], "slow").unwrap().len(), 2);
    assert_eq!(
        both(&["0208"], "slow").unwrap_err()[0].message,
        "no step matches the selection"
    );
    assert_eq!(both(&["ghost"], "ghost").unwrap_err().len(), 2);
}

#[test]
fn restricting_marks_the_others_and_removes_none() {
    let mut plan = plan(&SCRIPTS);
    plan.steps[0].absent = Some(Absent::Disabled);
    let set = Selection::parse(&args(&["0001"]))
        .unwrap()
        .resolve(&plan, &Graph::new(&plan))
        .unwrap();
    restrict(&mut plan, &set);
    let marks: Vec<_> = plan.steps.iter().map(|step| step.absent).collect();
    assert_eq!(
        marks[..3],
        [Some(Absent::Disabled), None, Some(Absent::NotSelected)]
    );
    assert_eq!(plan.steps.len(), 8);
}

#[test]
fn a_plan_without_steps_and_a_selection_without_terms() {
    let empty = plan(&[]);
    let everything = Selection::parse(&[]).unwrap();
    assert!(
        everything
            .resolve(&empty, &Graph::new(&empty))
            .unwrap()
            .is_empty()
    );
    scripts(&[], &SCRIPTS.map(|row| row.0));
}

#[test]
fn a_flood_of_terms_is_bounded() {
    let globs = vec!["a*"; 1001].join(",");
    assert!(refused(&[&globs]).message.contains("more than 1000"));
    assert!(refused(&[&"a*".repeat(501)]).message.contains("1000 bytes"));
    let ghosts: Vec<String> = (0..5000).map(|i| format!("ghost{i}")).collect();
    let errors = resolved(&SCRIPTS, &[&ghosts.join(",")]).unwrap_err();
    assert_eq!(errors.len(), MAX_ERRORS);
    assert_eq!(
        resolved(&SCRIPTS, &[&"$,".repeat(5000)]).unwrap_err().len(),
        MAX_ERRORS
    );
}

#[test]
fn a_set_counts_and_combines_across_words() {
    let rows = vec![SCRIPTS[2]; 130];
    let plan = plan(&rows);
    let all = StepSet::all(&plan);
    assert_eq!((all.len(), all.iter().count()), (130, 130));
    let mut some = StepSet::none(&plan);
    for n in [0, 63, 64, 129] {
        assert!(some.insert(StepIx::new(n)));
        assert!(!some.insert(StepIx::new(n)));
    }
    assert_eq!(
        some.iter().map(StepIx::at).collect::<Vec<_>>(),
        [0, 63, 64, 129]
    );
    let mut rest = all.clone();
    rest.subtract(&some);
    assert_eq!(rest.len(), 126);
    rest.unite(&some);
    assert_eq!(rest, all);
    rest.intersect(&some);
    assert_eq!(rest, some);
}
