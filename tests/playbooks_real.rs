//! The real playbooks of the system that the sequence language comes from.
//!
//! They lie beside the checkout and are no part of it; without them these tests
//! say so and pass.

use std::fs;
use std::path::{Path, PathBuf};

use quintet::load::document::{self, Format};
use quintet::load::playbook::{self, book::Playbook};
use quintet::plan::problem::{Problem, Severity};

/// All playbooks of one year's folder, sorted by path.
fn playbooks(year: &str) -> Vec<PathBuf> {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/inputs/aitherzero");
    let mut found = Vec::new();
    let mut folders = vec![inputs.join(year).join("playbooks")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    if found.is_empty() {
        println!("skipped: there are no real playbooks beside the checkout");
    }
    found.sort();
    found
}

fn read(path: &Path) -> (Option<Playbook>, Vec<Problem>) {
    let text = fs::read(path).expect("a file");
    let text = document::decode(text, 0).expect("text");
    let mut problems = Vec::new();
    let format = Format::of(path, &text);
    let document = document::parse(&text, format, 0, &mut problems).expect("a document");
    let mut found = Default::default();
    let book = playbook::read(document.root(), &mut found);
    problems.extend(found.into_vec());
    (book, problems)
}

/// A31: every one is read, without an error.
#[test]
fn a31_every_real_playbook_is_read() {
    for (year, count) in [("2025-08", 23), ("2025-11", 42)] {
        let all = playbooks(year);
        assert!(
            all.is_empty() || all.len() == count,
            "{year}: {}",
            all.len()
        );
        for path in all {
            let (book, problems) = read(&path);
            let errors: Vec<_> = problems
                .iter()
                .filter(|p| p.severity == Severity::Error)
                .collect();
            let name = path.file_stem().unwrap().to_string_lossy();
            println!("{name}: {problems:?}");
            assert!(errors.is_empty(), "{name}: {errors:#?}");
            let book = book.expect("a playbook");
            let items: usize = book.stages.iter().map(|stage| stage.items.len()).sum();
            println!(
                "{name}: {} stages {items} items; idle {:?}",
                book.stages.len(),
                book.idle.iter().map(|i| &*i.value).collect::<Vec<_>>()
            );
            assert!(items > 0, "{name}");
        }
    }
}
