//! Playbooks of stages, and of one list of scripts: both generations, and what
//! hands have made of them. (Jobs stand where stages do, and are read in `jobs`.)
//!
//! ```text
//! {"Sequence": ["0001", "02*", "!0208"]}
//! {"Sequence": [{"Script": "0402_Run-UnitTests.ps1", "Timeout": 300}]}
//! {"Stages": [{"Name": "Core", "Scripts": ["0001"], "ContinueOnError": true}]}
//! {"sequences": [{"name": "fast", "steps": [{"script": "0480"}]}]}
//! {"metadata": {"name": "x"}, "orchestration": {"stages": [{"sequences": ["0001"]}]}}
//! ```
//!
//! A bare list of scripts is what is written by hand on the command line, and
//! runs like that: at once as far as the scripts' dependencies allow. A list of
//! records is a list of steps, one after the other, and so is a stage, unless
//! it says `parallel`; stages of the second generation are parallel by default.

use crate::load::document::{Kind, Node, Path};
use crate::plan::problem::{Problem, Problems};

use super::book::{Does, Item, Language, Playbook, Said, Stage};
use super::fields::{self, Fields};
use super::head::{environment, policy};

/// What real stages have, that nothing here acts on.
const IDLE: &[&str] = &[
    "artifacts",
    "customactions",
    "dynamicselection",
    "failfast",
    "hooks",
    "successcriteria",
    "triggers",
    "validation",
];

/// For people.
const ABOUT: &[&str] = &["comment", "estimatedduration", "order", "phase", "tags"];

/// Reads the stages of a playbook; None where it has none of the kinds that are
/// read here.
pub fn read(root: &mut Fields<'_, '_>, book: &mut Playbook, problems: &mut Problems) -> bool {
    if root.has("orchestration") {
        second_generation(root, book, problems);
    } else if let Some(node) = root.take(&["stages"], problems) {
        list(
            node,
            &Path::Field(root.path, "stages"),
            false,
            book,
            problems,
        );
    } else if let Some(node) = root.take(&["jobs"], problems) {
        super::jobs::read(node, &Path::Field(root.path, "jobs"), book, problems);
    } else if root.has("sequences") {
        if let Some(node) = root.take(&["sequences"], problems) {
            list(
                node,
                &Path::Field(root.path, "sequences"),
                false,
                book,
                problems,
            );
        }
    } else if let Some(node) = root.take(&["sequence", "steps", "scripts"], problems) {
        let path = Path::Field(root.path, "sequence");
        let name = Said::new("Sequence".into(), node.span());
        let items = items(node, &path, book, problems);
        let bare = items
            .iter()
            .all(|item| matches!(item.does, Does::Select(_)));
        book.stages.push(Stage {
            items,
            ..Stage::new(name, bare)
        });
    } else {
        return false;
    }
    true
}

fn second_generation(root: &mut Fields<'_, '_>, book: &mut Playbook, problems: &mut Problems) {
    if let Some(node) = root.take(&["metadata"], problems) {
        let path = Path::Field(root.path, "metadata");
        let mut about = Fields::of(node, &path, problems);
        book.name = about.text(&["name"], problems);
        book.description = about.text(&["description"], problems);
        book.version = about.text(&["version"], problems);
    }
    let Some(node) = root.take(&["orchestration"], problems) else {
        return;
    };
    let path = Path::Field(root.path, "orchestration");
    let mut fields = Fields::of(node, &path, problems);
    book.variables = fields.values(&["defaultvariables", "variables"], problems);
    if let Some(node) = fields.take(&["profiles"], problems) {
        let path = Path::Field(&path, "profiles");
        book.profiles = super::head::profiles(node, &path, problems);
    }
    book.max_concurrency = fields.value(&["maxconcurrency"], problems);
    book.env = environment(&mut fields, problems);
    policy(&mut book.policy, &mut fields, problems);
    for name in ["defaults", "concurrency"] {
        if let Some(node) = fields.take(&[name], problems) {
            super::head::options(book, node, &Path::Field(&path, name), problems);
        }
    }
    let jobs = fields.take(&["jobs"], problems);
    match (fields.take(&["stages"], problems), jobs) {
        (Some(node), None) => list(node, &Path::Field(&path, "stages"), true, book, problems),
        (None, Some(node)) => {
            super::jobs::read(node, &Path::Field(&path, "jobs"), book, problems);
        }
        (Some(_), Some(node)) => {
            let problem = Problem::error(path.says("there are stages and jobs"));
            problems.push(problem.at(node.span(), "").help("keep one of the two"));
        }
        (None, None) => {
            let problem = Problem::error(path.says("\"stages\" or \"jobs\" is missing"));
            problems.push(problem.at(fields.at, "this needs one of them"));
        }
    }
    let rest = fields.rest(&[], problems);
    book.idle.extend(rest);
}

fn list(
    node: Node<'_>,
    path: &Path<'_>,
    parallel: bool,
    book: &mut Playbook,
    problems: &mut Problems,
) {
    if node.kind() != Kind::Array {
        fields::unfit(node, "a list", path, problems);
    }
    for (index, item) in node.items().enumerate() {
        let path = Path::Item(path, index);
        // Some write a list of selections where others have stages.
        if item.kind() == Kind::Text {
            let tokens = fields::texts(item, &path, problems);
            let name = Said::new(format!("Stage {}", index + 1), item.span());
            book.stages.push(Stage {
                items: vec![Item::new(Does::Select(tokens), item.span())],
                ..Stage::new(name, parallel)
            });
            continue;
        }
        let stage = stage(item, index, &path, parallel, book, problems);
        book.stages.push(stage);
    }
}

fn stage(
    node: Node<'_>,
    index: usize,
    path: &Path<'_>,
    parallel: bool,
    book: &mut Playbook,
    problems: &mut Problems,
) -> Stage {
    let mut fields = Fields::of(node, path, problems);
    let name = fields.text(&["name", "stage", "id"], problems);
    let name = name.unwrap_or_else(|| Said::new(format!("Stage {}", index + 1), node.span()));
    let mut stage = Stage {
        description: fields.text(&["description"], problems),
        condition: fields.text(&["condition", "conditional"], problems),
        variables: fields.values(&["variables"], problems),
        env: environment(&mut fields, problems),
        max_concurrency: fields.value(&["maxconcurrency"], problems),
        at: node.span(),
        ..Stage::new(name, parallel)
    };
    stage.parallel.at = stage.at;
    stage.parallel = fields
        .value(&["parallel"], problems)
        .unwrap_or(stage.parallel);
    policy(&mut stage.policy, &mut fields, problems);
    let parameters = fields.values(&["parameters"], problems);
    work(&mut stage, &mut fields, book, problems);
    for item in &mut stage.items {
        let own = std::mem::replace(&mut item.parameters, parameters.clone());
        item.parameters.extend(own);
    }
    fields.skip(ABOUT);
    let rest = fields.rest(IDLE, problems);
    book.idle.extend(rest);
    stage
}

/// What a stage has to do, in the order in which its fields mean it.
fn work(
    stage: &mut Stage,
    fields: &mut Fields<'_, '_>,
    book: &mut Playbook,
    problems: &mut Problems,
) {
    let mut any = false;
    for names in [
        &["prescript"][..],
        &["sequence", "sequences", "scripts", "steps", "jobs"],
        &["inline"],
        &["script"],
        &["command"],
        &["postscript"],
    ] {
        let Some(node) = fields.take(names, problems) else {
            continue;
        };
        any = true;
        let path = Path::Field(fields.path, names[0]);
        match names {
            ["sequence", ..] => stage.items.extend(items(node, &path, book, problems)),
            ["inline"] if node.kind() == Kind::Array => {
                for (index, item) in node.items().enumerate() {
                    let path = Path::Item(&path, index);
                    stage.items.extend(code(item, &path, book, problems));
                }
            }
            _ => stage.items.extend(code(node, &path, book, problems)),
        }
    }
    if !any {
        let message = fields.path.says("nothing says what it does");
        let problem = Problem::warning(message).at(fields.at, "");
        problems.push(problem.help("\"sequence\" or \"scripts\" is a list of scripts"));
    }
}

/// A text that is run, or a record with one.
fn code(
    node: Node<'_>,
    path: &Path<'_>,
    book: &mut Playbook,
    problems: &mut Problems,
) -> Option<Item> {
    if node.kind() != Kind::Object {
        let text = fields::text(node, path, problems)?;
        let language = Language::PowerShell;
        return Some(Item::new(Does::Code { language, text }, node.span()));
    }
    let mut fields = Fields::of(node, path, problems);
    let text = fields.text(&["script", "inline", "command", "code"], problems);
    let language = language(&mut fields, problems);
    if text.is_none() {
        let problem = Problem::error(path.says("\"script\" is missing"));
        problems.push(problem.at(node.span(), "this needs it"));
    }
    let does = Does::Code {
        language,
        text: text?,
    };
    Some(finished(
        Item::new(does, node.span()),
        fields,
        book,
        problems,
    ))
}

/// The language that a text is in: PowerShell, unless it says so.
fn language(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Language {
    let Some(said) = fields.text(&["type", "shell", "language"], problems) else {
        return Language::PowerShell;
    };
    match said.value.to_ascii_lowercase().as_str() {
        "powershell" | "pwsh" | "script" => Language::PowerShell,
        "bash" | "sh" | "shell" => Language::Shell,
        "python" | "python3" => Language::Python,
        _ => {
            let message = fields.path.says("no such language is known here");
            let problem = Problem::error(message).at(said.at, "");
            problems.push(problem.help("powershell, shell or python"));
            Language::PowerShell
        }
    }
}

/// A list of selections and of records. Selections that stand together are one,
/// so that `!0208` leaves out of all of them.
fn items(
    node: Node<'_>,
    path: &Path<'_>,
    book: &mut Playbook,
    problems: &mut Problems,
) -> Vec<Item> {
    if node.kind() != Kind::Array {
        let tokens = fields::texts(node, path, problems);
        return vec![Item::new(Does::Select(tokens), node.span())];
    }
    let mut items: Vec<Item> = Vec::new();
    for (index, node) in node.items().enumerate() {
        let path = Path::Item(path, index);
        if node.kind() == Kind::Object {
            items.extend(record(node, &path, book, problems));
            continue;
        }
        let Some(token) = fields::text(node, &path, problems) else {
            continue;
        };
        match items.last_mut().map(|item| &mut item.does) {
            Some(Does::Select(tokens)) => tokens.push(token),
            _ => items.push(Item::new(Does::Select(vec![token]), node.span())),
        }
    }
    items
}

/// A record of one step.
fn record(
    node: Node<'_>,
    path: &Path<'_>,
    book: &mut Playbook,
    problems: &mut Problems,
) -> Option<Item> {
    let mut fields = Fields::of(node, path, problems);
    let script = fields.text(&["script", "step", "number", "run"], problems);
    let tokens = fields.texts(&["sequence", "scripts"], problems);
    let playbook = fields.text(&["playbook"], problems);
    let text = fields.text(&["inline", "command"], problems);
    let language = language(&mut fields, problems);
    let mut does: Vec<Does> = script.map(Does::Script).into_iter().collect();
    does.extend(tokens.map(Does::Select));
    does.extend(playbook.map(Does::Playbook));
    does.extend(text.map(|text| Does::Code { language, text }));
    let Ok([does]) = <[Does; 1]>::try_from(does) else {
        let problem = Problem::error(path.says("this does not say which one script it is"));
        let problem = problem.at(node.span(), "");
        problems.push(problem.help("\"script\" is a number or a file's name"));
        return None;
    };
    Some(finished(
        Item::new(does, node.span()),
        fields,
        book,
        problems,
    ))
}

/// What every record may say, beside what it does.
fn finished(
    mut item: Item,
    mut fields: Fields<'_, '_>,
    book: &mut Playbook,
    problems: &mut Problems,
) -> Item {
    item.id = fields.text(&["id"], problems);
    item.name = fields.text(&["name"], problems);
    item.description = fields.text(&["description"], problems);
    item.parameters = fields.values(&["parameters", "arguments"], problems);
    item.variables = fields.values(&["variables"], problems);
    item.env = environment(&mut fields, problems);
    item.condition = fields.text(&["condition", "conditional"], problems);
    policy(&mut item.policy, &mut fields, problems);
    fields.skip(ABOUT);
    let rest = fields.rest(IDLE, problems);
    book.idle.extend(rest);
    item
}
