//! Which scripts a sequence selects.

use crate::{folder, planned, ran, selected};

/// A1. A2. A3. A4. A5. A6. A7. A8. A9. A10. A11.
#[test]
fn a_sequence_selects_what_its_document_says() {
    let test = folder();
    for (sequence, numbers) in [
        ("0001", "0001"),
        ("0001-0099", "0001 0050"),
        ("0001,0201,0050", "0001 0050 0201"),
        ("02*", "0201 0207 0208"),
        ("2*", "0201 0207 0208"),
        ("020*", "0201 0207 0208"),
        ("02xx", "0201 0207 0208"),
        ("*", "0000 0001 0050 0201 0207 0208 0300 0301"),
        ("0000-0099,!0050", "0000 0001"),
        ("!0050,0000-0099", "0000 0001"),
        ("0000-0099, ^0050", "0000 0001"),
        ("0000-0299,!0208,0201-0299", "0000 0001 0050 0201 0207"),
        ("!0208,0201", "0201"),
        ("stage:Infrastructure", "0300"),
        ("stage:infrastructure checks", "0301"),
        ("tag:database", "0300"),
        (
            "0000-0299,stage:Infrastructure",
            "0000 0001 0050 0201 0207 0208 0300",
        ),
        ("stage:Prepare,stage:Core", "0000 0001 0050"),
        (" 0001 , stage:Core ", "0001 0050"),
        ("0001,0001,0000-0001", "0000 0001"),
    ] {
        assert_eq!(selected(&test, &[sequence]), numbers, "{sequence:?}");
    }
    let several = ["0000-0001", "stage:Infrastructure", "!0001"];
    assert_eq!(selected(&test, &several), "0000 0300");
}

/// A2. A3. A12. A13.
#[test]
fn what_cannot_be_meant_is_refused_with_the_accepted_forms_and_nothing_runs() {
    let test = folder();
    for (sequence, told) in [
        ("0099-0001", "the range 0099-0001 is reversed"),
        ("0001,0005", "no step has the number 0005"),
        ("0001,$(id)", "\"$(id)\" is no term"),
        ("1", "no step is called \"1\""),
        ("００01", "holds the character U+FF10"),
        ("stage:Nowhere", "no step is in the stage \"Nowhere\""),
        ("tag:data", "no step has the tag \"data\""),
        ("stagee:Core", "did you mean `stage:`"),
        ("0400-0499", "no step matches 0400-0499"),
        ("0001,!0001", "no step matches 0001,!0001"),
        ("stage:", "is followed by what it asks for"),
        (",", "a term is expected here"),
    ] {
        let call = test.quintet(&["seq", sequence]).status(2);
        call.stderr_has(told).run();
    }
    test.quintet(&["seq", "0001,0005x"])
        .status(2)
        .stderr_has("a range `0001-0099`")
        .run();
    assert_eq!(ran(&test), "");
    assert_eq!(selected(&test, &["0001,0005", "--allow-missing"]), "0001");
}

/// A12. A13.
#[test]
fn hostile_sequences_are_refused_in_bounded_time() {
    let test = folder();
    let long = "0001,".repeat(20_000) + "0000-9999";
    assert_eq!(
        selected(&test, &[&long]),
        "0000 0001 0050 0201 0207 0208 0300 0301"
    );
    for sequence in [
        "!".repeat(50_000),
        "*".repeat(5_000),
        "0000-99999999999999999999".into(),
    ] {
        test.quintet(&["seq", &sequence]).status(2).run();
    }
    assert_eq!(ran(&test), "");
}

/// A14.
#[test]
fn a14_two_scripts_of_one_number_are_told_and_selected_by_name() {
    let test = folder().file("scripts/0050_Other.sh", "");
    test.quintet(&["validate", "scripts"])
        .stderr_has("0050 is the number of several scripts: 0050_Folders.sh, 0050_Other.sh")
        .run();
    test.quintet(&["seq", "0050"])
        .status(2)
        .stderr_has("0050 is the number of 0050_Folders and 0050_Other")
        .run();
    let one = planned(&test, &["0050_Other"]);
    assert_eq!(one.len(), 1);
    assert_eq!(one[0]["step_id"], "0050_Other");
}
