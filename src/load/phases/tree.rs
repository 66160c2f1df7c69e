//! Reading a whole tree into a flat list, parents before their children.
//!
//! Without recursion, since trees are nested a thousand deep, and with a bound
//! on how many nodes there are: links can make a small directory an endless
//! tree. A directory that is met again below itself is refused by what it is,
//! not by what it is called, so a link to it is one more name of the same.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::load::Request;
use crate::plan::Origin;
use crate::plan::build::quoted;
use crate::plan::problem::{Problem, Span};

use super::index::{self, Child, Index, Read};
use super::resolve::{Directory, Found, Program, Tried, resolve};
use super::{INDEX, Reading};

/// So many children that are nothing are told one by one.
const MOST_TOLD: usize = 20;

/// A tree that was read.
#[derive(Debug, Default)]
pub struct Tree {
    pub levels: Vec<Level>,
    /// Parents before their children, children in the order in which they run.
    pub nodes: Vec<Node>,
    pub origins: Vec<Origin>,
    /// Every `index.json` that is part of the tree, by what it is on its disk.
    pub files: BTreeSet<Identity>,
}

/// A directory with an `index.json`.
#[derive(Debug)]
pub struct Level {
    pub index: Index,
    /// Absolute.
    pub dir: Arc<str>,
}

/// A child of some level.
#[derive(Debug)]
pub struct Node {
    /// Its path in the tree: `config/hardware/bluetooth`.
    pub id: Box<str>,
    /// The level that names it, and its position among that one's children.
    pub level: usize,
    pub child: usize,
    pub what: What,
    /// What is worth knowing about it.
    pub notes: Vec<Box<str>>,
}

#[derive(Debug)]
pub enum What {
    /// A phase, with its level; without one where that could not be read.
    Phase(Option<usize>),
    Program(Program),
    /// Nothing that could be run; what was looked for, in words.
    Nothing(Box<str>),
}

impl Tree {
    /// What the node's parent says of it.
    pub fn child(&self, node: &Node) -> &Child {
        &self.levels[node.level].index.children[node.child]
    }
}

/// What a file or directory is, whatever it is called.
pub type Identity = (u64, u64);

pub fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// Reads the tree whose root is this directory, which is shown as `shown`, if it
/// has no more than `most` nodes.
pub fn read(
    root: &Path,
    shown: &str,
    most: usize,
    request: &Request,
    reading: &mut Reading,
) -> Tree {
    let mut walk = Walk {
        most,
        request,
        reading,
        tree: Tree::default(),
        open: Vec::new(),
        nothings: 0,
    };
    if let Ok(meta) = root.join(INDEX).metadata().and_then(|_| root.metadata()) {
        let above = Directory::unread(root.join(".."));
        let here = Directory::read(root.to_owned());
        let place = Place {
            here,
            above,
            shown: shown.into(),
            id: String::new(),
        };
        walk.enter(place, identity(&meta), None);
        while walk.step() {}
        if walk.nothings > MOST_TOLD {
            let more = walk.nothings - MOST_TOLD;
            let message = format!("{more} more children are nothing that runs");
            walk.reading.report(Problem::warning(message));
        }
    }
    walk.tree
}

struct Walk<'w> {
    most: usize,
    request: &'w Request,
    reading: &'w mut Reading,
    tree: Tree,
    /// The levels between the root and where the walk is.
    open: Vec<Open>,
    /// Children that are nothing, so far.
    nothings: usize,
}

/// A level whose children are being read.
struct Open {
    level: usize,
    next: usize,
    place: Place,
    identity: Identity,
}

/// A level's directory, and what it is called.
struct Place {
    here: Directory,
    above: Directory,
    /// As the user would write it.
    shown: String,
    /// As steps are called; empty for the root.
    id: String,
}

impl Walk<'_> {
    /// Reads the next child; false, when all are.
    fn step(&mut self) -> bool {
        let Some(open) = self.open.last_mut() else {
            return false;
        };
        let (level, child) = (open.level, open.next);
        open.next += 1;
        if child == self.tree.levels[level].index.children.len() {
            self.open.pop();
            return true;
        }
        if self.tree.nodes.len() == self.most {
            let most = self.most;
            let problem = Problem::error(format!("the tree has more than {most} phases and steps"));
            let problem = problem.help("does a link in it lead to another part of it?");
            self.reading.report(problem);
            return false;
        }
        self.child(level, child);
        true
    }

    fn child(&mut self, level: usize, child: usize) {
        let Some(Open { place, .. }) = self.open.last() else {
            return;
        };
        let Child { name, at, .. } = &self.tree.levels[level].index.children[child];
        let id = match place.id.as_str() {
            "" => name.clone(),
            parent => format!("{parent}/{name}"),
        };
        let mut node = Node {
            id: id.as_str().into(),
            level,
            child,
            what: What::Phase(None),
            notes: Vec::new(),
        };
        let path = match resolve(name, &place.here, &place.above) {
            Found::Phase(path) => path,
            Found::Program(program) => {
                node.what = What::Program(program);
                self.tree.nodes.push(node);
                return;
            }
            Found::Nothing(tried) => {
                self.nothings += 1;
                if self.nothings <= MOST_TOLD {
                    let message = format!("{} is nothing that runs", quoted(&id));
                    let problem = Problem::warning(message).at(*at, "");
                    self.reading.report(problem.help(in_short(&tried)));
                }
                node.what = What::Nothing(in_full(&id, &tried).into());
                self.tree.nodes.push(node);
                return;
            }
        };
        let above = Directory::unread(place.here.path.clone());
        let place = Place {
            above,
            here: Directory::read(path),
            shown: format!("{}/{name}", place.shown.trim_end_matches('/')),
            id,
        };
        let at = *at;
        self.tree.nodes.push(node);
        self.phase(place, at);
    }

    /// A child that is a directory with an `index.json`.
    fn phase(&mut self, place: Place, at: Span) {
        let node = self.tree.nodes.len() - 1;
        let meta = match place.here.path.metadata() {
            Ok(meta) => meta,
            Err(error) => {
                let message = format!("cannot read {:?}: {error}", place.shown);
                self.reading.report(Problem::error(message).at(at, ""));
                return;
            }
        };
        let found = identity(&meta);
        if self.open.iter().any(|open| open.identity == found) {
            let message = format!("{} leads back to where it is in", quoted(&place.id));
            let problem = Problem::error(message)
                .at(at, "this child is one of the phases above it")
                .help("the tree would have no end; is it a link?");
            self.reading.report(problem);
            return;
        }
        let name = place.id.rsplit('/').next().unwrap_or_default();
        let shadow = format!("{name}.py");
        if place.here.has(&shadow) {
            let message = format!("{}/{shadow} is called like its own phase", place.shown);
            let help =
                "the phase runs with all its children; only a child of this name is that file";
            self.reading
                .report(Problem::warning(message).at(at, "").help(help));
            let note = format!("runs as a phase, though there is {name}/{shadow}");
            self.tree.nodes[node].notes.push(note.into());
        }
        let level = self.enter(place, found, Some(at));
        self.tree.nodes[node].what = What::Phase(level);
    }

    /// Reads a level's `index.json`, and goes on with its children.
    fn enter(&mut self, place: Place, found: Identity, named: Option<Span>) -> Option<usize> {
        let path = place.here.path.join(INDEX);
        let shown = format!("{}/{INDEX}", place.shown.trim_end_matches('/'));
        self.tree
            .files
            .extend(path.metadata().ok().as_ref().map(identity));
        let text = self.reading.text(&path, &shown)?;
        let origin = crate::load::origin(&path, &text, self.request);
        self.tree.origins.push(origin);
        let file = self.reading.sources.add(shown.as_str(), text);
        let (read, problems) = index::read(self.reading.sources.text(file), file);
        self.reading.problems.extend(problems);
        let index = match read {
            Read::Index(index) => index,
            Read::Bad => return None,
            Read::Foreign => {
                let mut problem = index::lacks(file, &["metadata", "children"]);
                if let Some(at) = named {
                    problem = problem.also(at, "named as a phase here");
                }
                self.reading.report(problem);
                return None;
            }
        };
        let level = self.tree.levels.len();
        self.tree.levels.push(Level {
            index,
            dir: text_of(&place.here.path).into(),
        });
        self.open.push(Open {
            level,
            next: 0,
            place,
            identity: found,
        });
        Some(level)
    }
}

/// What stands in the way of a child that is nothing.
fn in_short(tried: &[Tried]) -> String {
    let in_vain = tried.iter().filter_map(|one| Some((one, one.why_not?)));
    let told = in_vain.map(|(one, why)| format!("{}: {why}", one.path.display()));
    let told: Vec<String> = told.collect();
    match (told.is_empty(), tried.first()) {
        (true, Some(first)) => format!(
            "none of {} paths exists, of which the first is {}",
            tried.len(),
            first.path.display()
        ),
        _ => told.join("; "),
    }
}

/// Every path that was tried for a child that is nothing.
fn in_full(id: &str, tried: &[Tried]) -> String {
    let mut said = String::new();
    for Tried { path, why_not } in tried {
        let path = path.display();
        said += &match why_not {
            Some(why) => format!("{path} EXISTS: {why}\n"),
            None => format!("{path} MISSING\n"),
        };
    }
    said + &format!(
        "{id} is nothing that runs: these {} paths were tried",
        tried.len()
    )
}

/// A path as a plan holds it.
pub fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
