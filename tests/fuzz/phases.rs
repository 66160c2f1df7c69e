//! Whatever an `index.json` holds: it becomes a level of a tree or is refused
//! with a place, and what is said would mend it does.

use std::fs;

use proptest::prelude::*;
use quintet::load::{Loaded, Refusal, Request, load};
use quintet::view::diagnostic;

const INDEX: &str = r#"{
    "metadata": { "name": "Fuzz", "description": "a phase: of \"things\"" },
    "paths": { "log_file": "${A:-b}/$C" },
    "children": ["a", "p", "gone"],
    "execution": {
        "mode": "parallel",
        "error_handling": { "a": { "continue_on_error": true } }
    },
    "phases": {
        "a": { "enabled": true, "order": 2, "description": "x" },
        "p": { "order": -1.5e3, "always": true }
    },
    "a": { "k": [1, null, {"x": "y"}] }
}
"#;

/// Loads a tree whose root and whose nested phase both say this.
fn loaded(text: &[u8]) -> Result<Loaded, Refusal> {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("t");
    fs::create_dir_all(root.join("p/p")).expect("made");
    fs::write(root.join("a.sh"), "").expect("written");
    for level in ["", "p", "p/p"] {
        fs::write(root.join(level).join("index.json"), text).expect("written");
    }
    load(&root, &Request::default())
}

fn reads(text: &[u8]) -> Result<(), TestCaseError> {
    let Err(refusal) = loaded(text) else {
        return Ok(());
    };
    prop_assert!(!refusal.problems.is_empty());
    diagnostic::render(
        &refusal.problems,
        &refusal.sources,
        diagnostic::Style::default(),
    );
    for problem in &refusal.problems {
        let places = problem.at.iter().chain(&problem.also);
        for (span, _) in places {
            let text = refusal.sources.text(span.file);
            prop_assert!(text.is_char_boundary(span.start as usize), "{problem:?}");
            prop_assert!(text.is_char_boundary(span.end as usize), "{problem:?}");
        }
        mends(text, problem)?;
    }
    Ok(())
}

/// Where all lines to be written otherwise are shown, writing them so helps.
fn mends(text: &[u8], problem: &quintet::plan::problem::Problem) -> Result<(), TestCaseError> {
    let help = problem.help.as_deref().unwrap_or_default();
    if !help.ends_with("so written, the file would be valid") {
        return Ok(());
    }
    let mut text = String::from_utf8(text.to_vec()).expect("what is mended is text");
    for (span, label) in problem.also.iter().rev() {
        let right = match label.as_str() {
            "leave this line out" => Some(""),
            label => label.strip_prefix("write "),
        };
        // What else is shown is no line to be written.
        if let Some(right) = right {
            text.replace_range(span.start as usize..span.end as usize, right);
        }
    }
    let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
    prop_assert!(read.is_ok(), "{text}: {read:?}");
    Ok(())
}

/// The file with a few characters taken out, put in or written over.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop_oneof![
        proptest::sample::select(b"\"{}[],:\n x0\\".to_vec()),
        any::<u8>()
    ];
    let edit = (any::<proptest::sample::Index>(), 0..3_u8, bit);
    proptest::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text = INDEX.as_bytes().to_vec();
        for (at, how, byte) in edits {
            let at = at.index(text.len());
            match how {
                0 => drop(text.remove(at)),
                1 => text.insert(at, byte),
                _ => text[at] = byte,
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(super::cases(300))]

    /// H24. H26.
    #[test]
    fn h24_a_damaged_index_is_read_or_refused(text in damaged()) {
        reads(&text)?;
    }

    #[test]
    fn an_index_of_anything_is_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        reads(&text)?;
    }
}

#[test]
fn the_file_itself_is_sound() {
    let loaded = loaded(INDEX.as_bytes());
    assert_eq!(loaded.expect("a plan").plan.steps.len(), 9);
}
