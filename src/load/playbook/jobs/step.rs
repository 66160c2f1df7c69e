//! The steps of a job.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{self, Fields};
use super::{Notes, check_key, policy};
use crate::load::document::{Entry, Kind, Node};
use crate::load::playbook::book::{Does, Item, Language, Said};
use crate::load::playbook::template;
use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::problem::{Problem, Problems, Span};

/// What a step may say to do.
const DOES: &str = "a step has one of run, script and uses";

/// Reads the steps of a job.
pub fn all(job: &mut Fields<'_>, notes: &mut Notes<'_>) -> Vec<Item> {
    let path = format!("{}.steps", job.path());
    let entry = job.take("steps", notes);
    let steps = entry.as_ref().map(|entry| entry.value);
    let Some(steps) = steps.filter(|steps| steps.kind() == Kind::Array && steps.item_count() > 0)
    else {
        let at = entry.map_or_else(|| job.at(), |entry| entry.value.span());
        let problem = Problem::error(format!("{path}: expected a list of steps"));
        notes.problems.push(problem.at(at, ""));
        return Vec::new();
    };
    let mut items = Vec::new();
    for (ix, node) in steps.items().enumerate() {
        items.extend(step(node, format!("{path}[{ix}]"), notes));
    }
    check_ids(&items, notes.problems);
    items
}

fn step(node: Node<'_>, path: String, notes: &mut Notes<'_>) -> Option<Item> {
    let mut fields = Fields::of(node, path, notes.problems)?;
    let does = does(&mut fields, notes);
    let mut item = Item::new(does?, node.span());
    item.id = fields.text("id", notes);
    if let Some(id) = &item.id {
        check_key(id, "a step", notes.problems);
    }
    item.name = fields.text("name", notes);
    item.description = fields.text("description", notes);
    item.condition = condition(&mut fields, notes);
    item.parameters = fields.values("with", notes);
    item.parameters.extend(fields.values("parameters", notes));
    item.variables = fields.values("variables", notes);
    item.env = fields.values("env", notes);
    item.policy = policy(&mut fields, notes);
    fields.finish(notes);
    Some(item)
}

/// The condition of a job or a step: `if: success()`, `if: ${{ success() }}`,
/// `if: true`.
pub fn condition(fields: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Said<String>> {
    let entry = fields.take("if", notes)?;
    match (entry.value.bool(), fields::text(entry.value)) {
        (Some(truth), _) => Some(Said::new(truth.to_string(), entry.value.span())),
        (None, Some(text)) => Some(text),
        (None, None) => {
            let message = format!("{}.if: expected a condition", fields.path());
            let problem = Problem::error(message).at(entry.value.span(), "");
            notes.problems.push(problem);
            None
        }
    }
}

/// What a step does. None where it says nothing that is known, which has been
/// reported then.
fn does(fields: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Does> {
    let run = fields.take("run", notes);
    let script = fields.take("script", notes);
    let uses = fields.take("uses", notes);
    let shell = fields.text("shell", notes);
    let shell = shell.and_then(|shell| language(&shell, notes.problems));
    let path = fields.path();
    match (run, script, uses) {
        (Some(run), None, None) => self::run(&run, shell, path, notes.problems),
        (None, Some(script), None) => self::script(&script, shell, path, notes.problems),
        (None, None, Some(uses)) => playbook(&uses, path, notes.problems),
        (None, None, None) => {
            let message = format!("{path}: nothing to do; {DOES}");
            notes
                .problems
                .push(Problem::error(message).at(fields.at(), ""));
            None
        }
        (first, second, third) => {
            let message = format!("{path}: more than one thing to do; {DOES}");
            let mut places = [first, second, third].into_iter().flatten();
            let mut problem = Problem::error(message);
            if let Some(entry) = places.next() {
                problem = problem.at(entry.key_span(), "");
            }
            for entry in places {
                problem = problem.also(entry.key_span(), "");
            }
            notes.problems.push(problem);
            None
        }
    }
}

/// `run`: scripts by number or as a selection; with `shell`, a program.
fn run(
    entry: &Entry<'_>,
    shell: Option<Language>,
    path: &str,
    problems: &mut Problems,
) -> Option<Does> {
    let tokens = match entry.value.kind() {
        Kind::Array => entry.value.items().map(fields::text).collect(),
        _ => fields::text(entry.value).map(|text| vec![text]),
    };
    let Some(tokens) = tokens.filter(|tokens: &Vec<_>| !tokens.is_empty()) else {
        let message = format!("{path}.run: expected a script's number or a selection");
        problems.push(Problem::error(message).at(entry.value.span(), ""));
        return None;
    };
    if let (Some(language), [text]) = (shell, tokens.as_slice()) {
        return code(text.clone(), language, path, problems);
    }
    if let Some(token) = tokens.iter().find(|token| !is_selection(&token.value)) {
        let message = format!("{path}.run: {} selects no scripts", quoted(&token.value));
        let help = "scripts are selected as `0402`, `0401-0404`, `04*`, `stage:Testing`; what is a \
                    program by itself says which with `shell: bash`, `pwsh` or `python`";
        problems.push(Problem::error(message).at(token.at, "").help(help));
        return None;
    }
    Some(Does::Select(tokens.into_iter().flat_map(split).collect()))
}

/// `script`: a script of the folder; a text that is none is a program.
fn script(
    entry: &Entry<'_>,
    shell: Option<Language>,
    path: &str,
    problems: &mut Problems,
) -> Option<Does> {
    let Some(text) = fields::text(entry.value) else {
        let message = format!("{path}.script: expected a script's name");
        problems.push(Problem::error(message).at(entry.value.span(), ""));
        return None;
    };
    if shell.is_none() && is_file(&text.value) {
        return Some(Does::Script(padded(text)));
    }
    code(text, shell.unwrap_or(Language::PowerShell), path, problems)
}

/// `uses: playbook:NAME`.
fn playbook(entry: &Entry<'_>, path: &str, problems: &mut Problems) -> Option<Does> {
    let text = entry.value.text().unwrap_or_default();
    let name = text.strip_prefix("playbook:").map(str::trim);
    match name.filter(|name| !name.is_empty()) {
        Some(name) => {
            let start = name.as_ptr() as usize - text.as_ptr() as usize;
            let at = entry.value.part(start..start + name.len());
            Some(Does::Playbook(Said::new(name.to_owned(), at)))
        }
        None => {
            let message = format!("{path}.uses: {} is not known here", quoted(&text));
            let problem = Problem::error(message).at(entry.value.span(), "");
            problems.push(problem.help("another playbook is used as `playbook:NAME`"));
            None
        }
    }
}

/// A program's text. Values do not belong into it: they would be read as code.
fn code(
    text: Said<String>,
    language: Language,
    path: &str,
    problems: &mut Problems,
) -> Option<Does> {
    if template::has_holes(&text.value) || text.value.contains("${{") {
        let message = format!("{path}: a value within a program's text would be code");
        let problem = Problem::error(message).at(text.at, "");
        problems.push(problem.help("hand it over with `env`, and read the variable there"));
        return None;
    }
    Some(Does::Code { language, text })
}

fn language(shell: &Said<String>, problems: &mut Problems) -> Option<Language> {
    match folded(&shell.value).as_str() {
        "pwsh" | "powershell" => Some(Language::PowerShell),
        "sh" | "bash" => Some(Language::Shell),
        "python" | "python3" => Some(Language::Python),
        _ => {
            let message = format!("{} is no shell that is known", quoted(&shell.value));
            let problem = Problem::error(message).at(shell.at, "");
            problems.push(problem.help("bash, pwsh or python"));
            None
        }
    }
}

/// Whether the text can be a selection, not a command: selections have no spaces
/// but behind commas, and only a few words begin them.
fn is_selection(text: &str) -> bool {
    text.split(',').map(str::trim).all(|token| {
        let token = token.trim_start_matches(['!', '^']);
        let term = token.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '*' | '{'))
            && !token.contains(char::is_whitespace);
        let named = ["stage:", "tag:", "path:"]
            .iter()
            .any(|word| token.starts_with(word));
        term || named
    })
}

/// The tokens of a selection, each at its place.
fn split(text: Said<String>) -> Vec<Said<String>> {
    if !text.value.contains(',') {
        return vec![padded(Said::new(text.value.trim().to_owned(), text.at))];
    }
    let tokens = text.value.split(',').map(str::trim);
    let tokens = tokens.filter(|token| !token.is_empty());
    tokens
        .map(|token| Said::new(token.to_owned(), text.at))
        .collect()
}

/// A script's number has four digits, which a number of JSON cannot say: 402 is `0402`.
fn padded(text: Said<String>) -> Said<String> {
    if text.value.len() < 4 && text.value.bytes().all(|b| b.is_ascii_digit()) {
        return Said::new(format!("{:0>4}", text.value), text.at);
    }
    text
}

/// Whether the text is the name of a file, or a number.
fn is_file(text: &str) -> bool {
    let one_word = !text.is_empty() && !text.contains(['\n', '\r', ' ', ';', '$', '(', '|', '&']);
    let file = std::path::Path::new(text).extension().is_some();
    one_word && (file || text.starts_with(|c: char| c.is_ascii_digit()))
}

/// Minutes as seconds.
pub fn seconds(minutes: Said<Value>, problems: &mut Problems) -> Option<Said<Value>> {
    let seconds = minutes.value.as_f64().map(|minutes| minutes * 60.0);
    match seconds.and_then(serde_json::Number::from_f64) {
        Some(seconds) => Some(Said::new(Value::Number(seconds), minutes.at)),
        None => {
            let problem = Problem::error("expected a number of minutes").at(minutes.at, "");
            problems.push(problem);
            None
        }
    }
}

/// Two steps of a job cannot have one id.
fn check_ids(items: &[Item], problems: &mut Problems) {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for id in items.iter().filter_map(|item| item.id.as_ref()) {
        if let Some(first) = seen.get(&folded(&id.value)) {
            let message = format!("the id {} is given twice in one job", quoted(&id.value));
            let problem = Problem::error(message).at(id.at, "given again here");
            problems.push(problem.also(*first, "first given here"));
        } else {
            seen.insert(folded(&id.value), id.at);
        }
    }
}
