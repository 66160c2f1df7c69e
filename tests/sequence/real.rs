//! Real folders of scripts: the header fields of 79 and 124 of them, as stubs
//! that only note that they ran. What is expected is computed here, by other
//! code than the program's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Test, skip};
use crate::{planned, ran};

/// What a real script has in its first lines.
struct Real {
    file: String,
    bom: bool,
    fields: Vec<(usize, String)>,
}

fn inputs() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/inputs/aitherzero");
    folder.is_dir().then_some(folder)
}

fn real(version: &str) -> Option<Vec<Real>> {
    let text = std::fs::read_to_string(inputs()?.join(version).join("scripts.json")).ok()?;
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let field = |field: &Value| {
        let line = field["line"].as_u64().expect("a line") as usize;
        (line, field["text"].as_str().expect("text").to_owned())
    };
    let one = |script: &Value| Real {
        file: script["file"].as_str().expect("a name").to_owned(),
        bom: script["bom"] == true,
        fields: script["fields"]
            .as_array()
            .expect("fields")
            .iter()
            .map(field)
            .collect(),
    };
    Some(all.iter().map(one).collect())
}

impl Real {
    /// A file that has nothing but these lines, where they were: those without a
    /// `#` in a block comment.
    fn stub(&self) -> String {
        let last = self.fields.iter().map(|(line, _)| *line).max().unwrap_or(0);
        let mut lines = vec![String::new(); last + 1];
        for (line, text) in &self.fields {
            lines[line - 1] = text.clone();
        }
        let within = |(_, text): &&(usize, String)| !text.trim_start().starts_with('#');
        let block: Vec<usize> = self
            .fields
            .iter()
            .filter(within)
            .map(|(line, _)| *line)
            .collect();
        if let (Some(first), Some(end)) = (block.first(), block.last()) {
            lines[first - 2] = ".NOTES".into();
            lines[first - 3] = "<#".into();
            lines[*end] = format!("#>{}", lines[*end]);
        }
        let bom = if self.bom { "\u{feff}" } else { "" };
        format!("{bom}{}\n", lines.join("\r\n"))
    }

    /// The first value of a field, found by hand.
    fn says(&self, field: &str) -> Option<String> {
        let texts = self
            .fields
            .iter()
            .map(|(_, text)| text.trim_start_matches(['#', ' ']));
        let mut values = texts.filter_map(|text| text.strip_prefix(field)?.strip_prefix(':'));
        let value = values.next()?.trim();
        let end = value.find(", Order:").unwrap_or(value.len());
        Some(value[..end].to_owned())
    }

    fn number(&self) -> &str {
        &self.file[..4]
    }
}

/// The real folder, as stubs.
fn folder(scripts: &[Real]) -> Test {
    let mut test = Test::new();
    for script in scripts {
        test = test.file(&format!("scripts/{}", script.file), script.stub());
    }
    test
}

/// What a selection selects, by file.
fn chosen(test: &Test, sequence: &str) -> BTreeSet<String> {
    let steps = planned(test, &[sequence, "--quiet"]);
    let ids = steps
        .iter()
        .map(|step| step["step_id"].as_str().expect("an id").to_owned());
    ids.collect()
}

fn wanted(scripts: &[Real], is: impl Fn(&Real) -> bool) -> BTreeSet<String> {
    let stem = |script: &Real| script.file.trim_end_matches(".ps1").to_owned();
    scripts
        .iter()
        .filter(|script| is(script))
        .map(stem)
        .collect()
}

/// A7. A8. A16. A17.
#[test]
fn stages_tags_and_ranges_of_real_folders_are_the_right_sets() {
    for version in ["2025-08", "2025-11"] {
        let Some(scripts) = real(version) else {
            return skip("real folders of scripts", "their headers are not here");
        };
        let test = folder(&scripts);
        let mut stages: BTreeMap<String, usize> = BTreeMap::new();
        let mut tags = BTreeSet::new();
        for script in &scripts {
            let stage = script.says("Stage").unwrap_or_else(|| "Default".into());
            *stages.entry(stage.to_lowercase()).or_default() += 1;
            let said = script.says("Tags").unwrap_or_default();
            tags.extend(
                said.split(',')
                    .map(|tag| tag.trim().to_owned())
                    .filter(|tag| !tag.is_empty()),
            );
        }
        assert!(stages.len() > 5 && tags.len() > 20, "{version}");
        for stage in stages.keys().filter(|stage| !stage.contains(',')) {
            let is = |script: &Real| {
                script
                    .says("Stage")
                    .unwrap_or_else(|| "Default".into())
                    .to_lowercase()
                    == *stage
            };
            assert_eq!(
                chosen(&test, &format!("stage:{stage}")),
                wanted(&scripts, is),
                "{stage}"
            );
        }
        for tag in tags.iter().take(25) {
            let is = |script: &Real| {
                let said = script.says("Tags").unwrap_or_default();
                said.split(',').any(|one| one.trim() == tag)
            };
            assert_eq!(
                chosen(&test, &format!("tag:{tag}")),
                wanted(&scripts, is),
                "{tag}"
            );
        }
        for (sequence, first, last, not) in [
            ("0000-0099", "0000", "0099", ""),
            ("0000-0299,!0208", "0000", "0299", "0208"),
            ("02*", "0200", "0299", ""),
            ("0000-9999", "0000", "9999", ""),
        ] {
            let is =
                |script: &Real| (first..=last).contains(&script.number()) && script.number() != not;
            assert_eq!(chosen(&test, sequence), wanted(&scripts, is), "{sequence}");
        }
        let with_stage = scripts
            .iter()
            .filter(|script| script.says("Stage").is_some())
            .count();
        let named = planned(&test, &["*", "--quiet"]);
        let named = named
            .iter()
            .filter(|step| step["stage"] != "Default")
            .count();
        assert_eq!(named, with_stage, "{version}");
    }
}

/// A19. A23. A25.
#[test]
fn dependencies_and_conditions_of_real_folders_are_understood_or_refused_by_name() {
    for version in ["2025-08", "2025-11"] {
        let Some(scripts) = real(version) else {
            return skip("real folders of scripts", "their headers are not here");
        };
        let test = folder(&scripts);
        let steps = planned(&test, &["*", "--quiet"]);
        assert_eq!(
            steps.len(),
            scripts.len(),
            "{version}: each condition is understood"
        );
        let step = |number: &str| {
            let is = |step: &&Value| {
                step["step_id"]
                    .as_str()
                    .is_some_and(|id| id.starts_with(number))
            };
            steps.iter().find(is).expect("the script")
        };
        assert_eq!(
            step("0009")["needs"],
            serde_json::json!(["0008_Install-OpenTofu"])
        );
        assert_eq!(
            step("0402")["needs"],
            serde_json::json!(["0400_Install-TestingTools"])
        );
        let wanted = ["0520", "0521", "0522", "0523"];
        let needs = step("0524")["needs"].as_array().expect("needs");
        let needs: Vec<&str> = needs
            .iter()
            .filter_map(Value::as_str)
            .map(|id| &id[..4])
            .collect();
        assert_eq!(needs, wanted);
    }
}

/// A21.
#[test]
fn a21_a_real_script_that_depends_on_its_own_name_runs() {
    let Some(scripts) = real("2025-08") else {
        return skip("real folders of scripts", "their headers are not here");
    };
    let script = scripts
        .iter()
        .find(|script| script.number() == "0009")
        .expect("it is there");
    // As a shell script, since its fields are comments there too.
    let text = script.stub().replace('\r', "") + "echo 0009 >>ran\n";
    let test = Test::new().file("scripts/0009_Initialize-OpenTofu.sh", text);
    test.quintet(&["seq", "0009"]).run();
    assert_eq!(ran(&test), "0009");
}
