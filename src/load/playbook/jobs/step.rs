//! The steps of a job.

use std::collections::BTreeMap;

use super::{check_key, environment, policy};
use crate::load::document::{Kind, Node, Path};
use crate::load::playbook::book::{Does, Item, Language, Playbook, Said};
use crate::load::playbook::fields::{self, Fields};
use crate::load::playbook::template;
use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::problem::{Problem, Problems, Span};

/// What a step may say to do.
const DOES: &str = "a step has one of \"run\", \"script\" and \"uses\"";

/// Reads the steps of a job.
pub fn all(job: &mut Fields<'_, '_>, book: &mut Playbook, problems: &mut Problems) -> Vec<Item> {
    let path = Path::Field(job.path, "steps");
    let steps = job.take(&["steps"], problems);
    let listed = |steps: &Node<'_>| steps.kind() == Kind::Array && steps.item_count() > 0;
    let Some(node) = steps.filter(listed) else {
        let at = steps.map_or(job.at, Node::span);
        let problem = Problem::error(path.says("expected a list of steps"));
        problems.push(problem.at(at, ""));
        return Vec::new();
    };
    let mut items = Vec::new();
    for (index, node) in node.items().enumerate() {
        items.extend(step(node, &Path::Item(&path, index), book, problems));
    }
    check_ids(&items, problems);
    items
}

fn step(
    node: Node<'_>,
    path: &Path<'_>,
    book: &mut Playbook,
    problems: &mut Problems,
) -> Option<Item> {
    let mut fields = Fields::of(node, path, problems);
    if node.kind() != Kind::Object {
        return None;
    }
    let mut item = Item::new(does(&mut fields, problems)?, node.span());
    item.id = fields.text(&["id"], problems);
    if let Some(id) = &item.id {
        check_key(id, "a step", problems);
    }
    item.name = fields.text(&["name"], problems);
    item.description = fields.text(&["description"], problems);
    item.condition = condition(&mut fields, problems);
    item.parameters = fields.values(&["with"], problems);
    item.parameters
        .extend(fields.values(&["parameters"], problems));
    item.variables = fields.values(&["variables"], problems);
    item.env = environment(&mut fields, problems);
    policy(&mut item.policy, &mut fields, problems);
    let rest = fields.rest(&["outputs", "workingdirectory"], problems);
    book.idle.extend(rest);
    Some(item)
}

/// The condition of a job or a step: `if: success()`, `if: ${{ success() }}`,
/// `if: true`.
pub fn condition(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Option<Said<String>> {
    let node = fields.take(&["if"], problems)?;
    match node.bool() {
        Some(truth) => Some(Said::new(truth.to_string(), node.span())),
        None => fields::text(node, &Path::Field(fields.path, "if"), problems),
    }
}

/// What a step does. None where it says nothing that is known, which has been
/// reported then.
fn does(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Option<Does> {
    let said = ["run", "script", "uses"].map(|name| fields.take(&[name], problems));
    let shell = fields.text(&["shell"], problems);
    let shell = shell.and_then(|shell| language(&shell, problems));
    let path = fields.path;
    match said {
        [Some(node), None, None] => run(node, shell, &Path::Field(path, "run"), problems),
        [None, Some(node), None] => script(node, shell, &Path::Field(path, "script"), problems),
        [None, None, Some(node)] => playbook(node, &Path::Field(path, "uses"), problems),
        [None, None, None] => {
            let problem = Problem::error(path.says("nothing says what it does"));
            problems.push(problem.at(fields.at, "").help(DOES));
            None
        }
        several => {
            let mut problem = Problem::error(path.says("several things say what it does"));
            for node in several.into_iter().flatten() {
                problem = match problem.at {
                    None => problem.at(node.span(), ""),
                    Some(_) => problem.also(node.span(), ""),
                };
            }
            problems.push(problem.help(DOES));
            None
        }
    }
}

/// `run`: scripts by number or as a selection; with `shell`, a program.
fn run(
    node: Node<'_>,
    shell: Option<Language>,
    path: &Path<'_>,
    problems: &mut Problems,
) -> Option<Does> {
    let tokens = fields::texts(node, path, problems);
    if let (Some(language), [text]) = (shell, tokens.as_slice()) {
        return code(text.clone(), language, path, problems);
    }
    if let Some(token) = tokens.iter().find(|token| !is_selection(&token.value)) {
        let message = path.says(format!("{} selects no scripts", quoted(&token.value)));
        let help = "scripts are selected as `0402`, `0401-0404`, `04*`, `stage:Testing`; what is a \
                    program by itself says which with `shell: bash`, `pwsh` or `python`";
        problems.push(Problem::error(message).at(token.at, "").help(help));
        return None;
    }
    let tokens: Vec<_> = tokens.into_iter().flat_map(split).collect();
    (!tokens.is_empty()).then_some(Does::Select(tokens))
}

/// `script`: a script of the folder; a text that is none is a program.
fn script(
    node: Node<'_>,
    shell: Option<Language>,
    path: &Path<'_>,
    problems: &mut Problems,
) -> Option<Does> {
    let text = fields::text(node, path, problems)?;
    if shell.is_none() && is_file(&text.value) {
        return Some(Does::Script(padded(text)));
    }
    code(text, shell.unwrap_or(Language::PowerShell), path, problems)
}

/// `uses: playbook:NAME`.
fn playbook(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Option<Does> {
    let text = fields::text(node, path, problems)?.value;
    let name = text.strip_prefix("playbook:").map(str::trim);
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let start = text.len() - text["playbook:".len()..].trim_start().len();
        let at = node.part(start..start + name.len());
        return Some(Does::Playbook(Said::new(name.to_owned(), at)));
    }
    let message = path.says(format!("{} is not known here", quoted(&text)));
    let problem = Problem::error(message).at(node.span(), "");
    problems.push(problem.help("another playbook is used as `playbook:NAME`"));
    None
}

/// A program's text. Values do not belong into it: they would be read as code.
fn code(
    text: Said<String>,
    language: Language,
    path: &Path<'_>,
    problems: &mut Problems,
) -> Option<Does> {
    if template::has_holes(&text.value) || text.value.contains("${{") {
        let message = path.says("a value within a program's text would be code");
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
