//! What an `index.json` says.
//!
//! Read into values once, each with its place, so that the texts need not be
//! looked at again. A file of the same name that speaks of other things
//! (packages, profiles) is told by what it lacks: it has neither `metadata` nor
//! `children`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::load::document::{self, Document, Entry, Format, Kind, Node};
use crate::plan::Source;
use crate::plan::build::quoted;
use crate::plan::name::{check_id, nearest};
use crate::plan::problem::{Locator, Problem, Span};

use super::mend;

/// The order of a child that says none.
const NO_ORDER: f64 = 999.0;

/// Keys that mean something themselves, and are no child's configuration.
const KEYS: [&str; 5] = ["metadata", "paths", "execution", "phases", "children"];

/// A level of the tree.
#[derive(Debug, Default)]
pub struct Index {
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: BTreeMap<String, Value>,
    /// As they are written, each with its place.
    pub paths: Vec<(String, String, Span)>,
    /// Children of equal order run together.
    pub parallel: bool,
    /// In the order in which they run.
    pub children: Vec<Child>,
    /// Configuration by child.
    pub config: BTreeMap<String, Map<String, Value>>,
}

/// A child, as its parent speaks of it.
#[derive(Clone, Debug)]
pub struct Child {
    pub name: String,
    pub at: Span,
    pub source: Source,
    pub order: f64,
    pub enabled: bool,
    /// It runs whatever became of those before it, and of the run.
    pub always: bool,
    /// Those after it run even if it fails.
    pub tolerated: bool,
    pub description: Option<String>,
}

/// What became of reading a file.
pub enum Read {
    Index(Index),
    /// It is something else of the same name.
    Foreign,
    /// It cannot be used; that has been reported.
    Bad,
}

/// Whether a text is a level of a tree, so far as it can be read.
pub fn speaks_of_phases(text: &str) -> bool {
    let Some(document) = document::parse(text, Format::Json, 0, &mut Vec::new()) else {
        return true;
    };
    let root = document.root();
    let has = |key: &str| root.entries().any(|entry| entry.key == key);
    has("children") || (has("metadata") && !has("steps"))
}

/// Reads the text of the file at this position of the sources, and tells what is
/// wrong with it.
pub fn read(text: &str, file: u32) -> (Read, Vec<Problem>) {
    let mut problems = Vec::new();
    let document = document::parse(text, Format::Json, file, &mut problems);
    let Some(document) = document.filter(|_| problems.is_empty()) else {
        let problem = mend::one_of(problems, text, file);
        return (Read::Bad, problem.into_iter().collect());
    };
    let root = document.root();
    let has = |key: &str| root.entries().any(|entry| entry.key == key);
    if !has("metadata") && !has("children") {
        return (Read::Foreign, Vec::new());
    }
    let mut reader = Reader {
        locator: Locator::new(text, file),
        problems,
    };
    let index = reader.index(&document);
    (Read::Index(index), reader.problems)
}

/// The problem of a file that lacks what makes it a level of a tree.
pub fn lacks(file: u32, keys: &[&str]) -> Problem {
    let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    let at = Span {
        file,
        start: 0,
        end: 1,
    };
    Problem::error(format!("the key {} is missing", names.join(" and ")))
        .at(at, "")
        .help("a phase's index.json has \"metadata\": {\"name\": …} and \"children\": […]")
}

struct Reader<'t> {
    locator: Locator<'t>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn index(&mut self, document: &Document<'_>) -> Index {
        let root = document.root();
        let mut keys: BTreeMap<String, Node<'_>> = BTreeMap::new();
        for entry in root.entries() {
            keys.insert(entry.key.into_owned(), entry.value);
        }
        let missing: Vec<&str> = ["metadata", "children"]
            .into_iter()
            .filter(|key| !keys.contains_key(*key))
            .collect();
        if !missing.is_empty() {
            self.problems.push(lacks(root.span().file, &missing));
        }
        let metadata = self.object(keys.get("metadata"), "metadata");
        let mut index = Index {
            metadata: metadata
                .iter()
                .map(|entry| (entry.key.to_string(), entry.value.to_value()))
                .collect(),
            ..Index::default()
        };
        let text = |key: &str| index.metadata.get(key)?.as_str().map(str::to_owned);
        (index.name, index.description) = (text("name"), text("description"));
        for entry in self.object(keys.get("paths"), "paths") {
            match entry.value.text() {
                Some(path) => {
                    let one = (entry.key.to_string(), path.into(), entry.value.span());
                    index.paths.push(one);
                }
                None => self.wrong(entry.value, &format!("paths.{}", entry.key), "a string"),
            }
        }
        index.children = self.children(keys.get("children").copied());
        let execution = self.object(keys.get("execution"), "execution");
        let tolerant = self.execution(&execution, &mut index);
        self.details(&keys, &execution, tolerant, &mut index.children);
        let names: BTreeSet<&str> = index.children.iter().map(|child| &*child.name).collect();
        for (key, node) in &keys {
            let own = !KEYS.contains(&key.as_str()) && names.contains(key.as_str());
            if let Value::Object(config) = node.to_value()
                && own
            {
                index.config.insert(key.clone(), config);
            }
        }
        index.children.sort_by(|a, b| a.order.total_cmp(&b.order));
        index
    }

    fn children(&mut self, node: Option<Node<'_>>) -> Vec<Child> {
        let Some(node) = node else {
            return Vec::new();
        };
        if node.kind() != Kind::Array {
            self.wrong(node, "children", "a list of names");
        }
        let mut children = Vec::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for (at, item) in node.items().enumerate() {
            let Some(name) = item.text() else {
                self.wrong(item, &format!("children[{at}]"), "a name in double quotes");
                continue;
            };
            if let Some(problem) = unfit(&name, item.span()) {
                self.problems.push(problem);
                continue;
            }
            if let Some(first) = seen.get(&*name) {
                let message = format!("{} is a child twice", quoted(&name));
                let problem = Problem::error(message)
                    .at(item.span(), "the second time")
                    .also(*first, "the first time")
                    .help("leave one of them out");
                self.problems.push(problem);
                continue;
            }
            seen.insert(name.to_string(), item.span());
            children.push(Child {
                name: name.into_owned(),
                at: item.span(),
                source: self.locator.locate(item.span().start),
                order: NO_ORDER,
                enabled: true,
                always: false,
                tolerated: false,
                description: None,
            });
        }
        children
    }

    /// How the level runs; whether it goes on after failures, where nothing
    /// else is said of a child.
    fn execution(&mut self, execution: &[Entry<'_>], index: &mut Index) -> bool {
        let mut tolerant = false;
        for Entry { key, value, .. } in execution {
            let place = format!("execution.{key}");
            match &**key {
                "continue_on_error" => tolerant = self.bool(*value, &place),
                "parallel" => index.parallel |= self.bool(*value, &place),
                "mode" => match value.text().as_deref() {
                    Some("parallel") => index.parallel = true,
                    Some("sequential") => {}
                    _ => self.wrong(*value, &place, "\"sequential\" or \"parallel\""),
                },
                _ => {}
            }
        }
        tolerant
    }

    /// What `phases` and `error_handling` say of the children.
    fn details(
        &mut self,
        keys: &BTreeMap<String, Node<'_>>,
        execution: &[Entry<'_>],
        tolerant: bool,
        children: &mut [Child],
    ) {
        for child in children.iter_mut() {
            child.tolerated = tolerant;
        }
        let places = children.iter().enumerate();
        let places: BTreeMap<String, usize> =
            places.map(|(at, child)| (child.name.clone(), at)).collect();
        let phases = self.object(keys.get("phases"), "phases");
        for (at, entry) in self.of_children(phases, &places, "phases") {
            self.phase(entry, &mut children[at]);
        }
        let handling = execution.iter().find(|e| e.key == "error_handling");
        let place = "execution.error_handling";
        let handling = self.object(handling.map(|entry| &entry.value), place);
        for (at, entry) in self.of_children(handling, &places, place) {
            let place = format!("{place}.{}", entry.key);
            for Entry { key, value, .. } in self.object(Some(&entry.value), &place) {
                if key == "continue_on_error" {
                    let place = format!("{place}.{key}");
                    children[at].tolerated = self.bool(value, &place);
                }
            }
        }
    }

    fn phase(&mut self, entry: Entry<'_>, child: &mut Child) {
        let place = format!("phases.{}", entry.key);
        for Entry { key, value, .. } in self.object(Some(&entry.value), &place) {
            let place = format!("{place}.{key}");
            match &*key {
                "order" => match value.number().and_then(|n| n.parse::<f64>().ok()) {
                    Some(order) => child.order = order,
                    None => self.wrong(value, &place, "a number"),
                },
                "enabled" => child.enabled = self.bool(value, &place),
                "always" => child.always = self.bool(value, &place),
                "continue_on_error" => child.tolerated = self.bool(value, &place),
                "description" => match value.text() {
                    Some(text) => child.description = Some(text.into_owned()),
                    None => self.wrong(value, &place, "a string"),
                },
                _ => {}
            }
        }
    }

    /// Entries that speak of children, each with the child's position. What
    /// speaks of nobody may be misspelt.
    fn of_children<'d>(
        &mut self,
        entries: Vec<Entry<'d>>,
        places: &BTreeMap<String, usize>,
        of: &str,
    ) -> Vec<(usize, Entry<'d>)> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for entry in entries {
            if let Some(at) = places.get(&*entry.key) {
                known.push((*at, entry));
                continue;
            }
            let near = nearest(&entry.key, places.keys().map(String::as_str));
            let Some(near) = near else {
                unknown.push((quoted(&entry.key), entry.key_span()));
                continue;
            };
            let message = format!("{of} speaks of {}, which is no child", quoted(&entry.key));
            let problem = Problem::warning(message).at(entry.key_span(), "");
            self.problems
                .push(problem.help(format!("did you mean {near:?}?")));
        }
        if let Some((name, at)) = unknown.first() {
            let message = match unknown.len() {
                1 => format!("{of} speaks of {name}, which is no child"),
                n => format!("{of} speaks of {n} names that are no children, such as {name}"),
            };
            let problem = Problem::warning(message).at(*at, "");
            self.problems
                .push(problem.help("what it says of them means nothing"));
        }
        known
    }

    fn object<'d>(&mut self, node: Option<&Node<'d>>, place: &str) -> Vec<Entry<'d>> {
        match node {
            Some(node) if node.kind() == Kind::Object => node.entries().collect(),
            Some(node) => {
                self.wrong(*node, place, "an object");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn bool(&mut self, node: Node<'_>, place: &str) -> bool {
        node.bool().unwrap_or_else(|| {
            self.wrong(node, place, "true or false");
            false
        })
    }

    fn wrong(&mut self, node: Node<'_>, place: &str, expected: &str) {
        let message = format!("{} must be {expected}", place.escape_debug());
        self.problems
            .push(Problem::error(message).at(node.span(), ""));
    }
}

/// Why this is no name for a child, if so: it leads elsewhere, or no step can
/// be called so.
fn unfit(name: &str, at: Span) -> Option<Problem> {
    let why = match check_id(name) {
        Ok(()) if name.contains('/') => "holds `/`; a child lies in its parent's directory".into(),
        Ok(()) => return None,
        Err(why) => why,
    };
    let message = format!("{} is no name for a child: it {why}", quoted(name));
    Some(Problem::error(message).at(at, ""))
}
