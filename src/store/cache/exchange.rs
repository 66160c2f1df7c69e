//! What is remembered of a project as a JSON text (`state.json`), and back.
//!
//! ```text
//! {"version": 1, "project": "/p", "steps": [{
//!   "plan": "P", "step": "build", "state": "succeeded", "at_ms": 1763650921900,
//!   "depended_on": {"command": HASH, "declaration": HASH, "env": {"CC": HASH},
//!     "tools": {"cc": {"path": …, "what": "program", "mode": 0, "hash": HASH}},
//!     "inputs": [{"path": "/p/in", "what": "file", "mode": 0, "hash": HASH}]},
//!   "outputs": [{"path": "/p/out", "what": "file", "mode": 420, "hash": HASH}],
//!   "put_out": {"KEY": "value"}}]}
//! ```
//!
//! A step without `depended_on` is known only by its time. Variables are hashed
//! with a key of the store's own, so in another store they count as changed.
//! What an import does not understand it leaves out, and counts.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::TransactionBehavior;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::{Entry, Known, Print};
use super::files::{File, Files, What};
use super::write::Into;
use super::{Digest, State, Whose};
use crate::run::Millis;
use crate::store::{Store, StoreError};

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    project: &'a str,
    steps: Vec<Step>,
}

/// What an import reads of a document; steps are read one by one, so that one
/// that is damaged costs only itself.
#[derive(Deserialize)]
struct Brought {
    version: u32,
    steps: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Step {
    plan: Box<str>,
    step: Box<str>,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    at_ms: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    depended_on: Option<Depended>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<Content>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    put_out: BTreeMap<Box<str>, Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct Depended {
    command: String,
    declaration: String,
    #[serde(default)]
    env: Vec<(Box<str>, Option<String>)>,
    #[serde(default)]
    tools: Vec<(Box<str>, Option<Content>)>,
    #[serde(default)]
    inputs: Vec<Content>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    path: String,
    what: Word,
    #[serde(default)]
    mode: u32,
    hash: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    File,
    Program,
    Link,
    Special,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub steps: u64,
    /// So many could not be understood.
    pub refused: u64,
}

impl Store {
    /// All that is remembered of a project, as a JSON text.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn cache_export(&self, project: &str) -> Result<String, StoreError> {
        let mut steps = Vec::new();
        let rows = self.cache_rows(project)?;
        for plan in rows.chunk_by(|a, b| a.plan == b.plan) {
            let whose = Whose {
                project: project.into(),
                plan: plan[0].plan.as_str().into(),
            };
            let remembered = self.remembered(&whose, false)?;
            for row in plan {
                let entry = remembered.last(&row.step);
                steps.extend(entry.map(|entry| Step::of(&row.plan, &row.step, &entry)));
            }
        }
        let document = Document {
            version: VERSION,
            project,
            steps,
        };
        let text = serde_json::to_string_pretty(&document);
        Ok(text.expect("every key is a text"))
    }

    /// Remembers what such a text says, for a project, over what is remembered.
    ///
    /// # Errors
    /// In words: it is no such text, or the store cannot be written.
    pub fn cache_import(&mut self, project: &str, text: &str) -> Result<Imported, String> {
        let brought: Brought =
            serde_json::from_str(text).map_err(|e| format!("no state file: {e}"))?;
        if brought.version != VERSION {
            return Err(format!(
                "the state file's version is {}, and {VERSION} is known",
                brought.version
            ));
        }
        let all = brought.steps.len() as u64;
        let read = |value| serde_json::from_value::<Step>(value).ok();
        let steps = brought.steps.into_iter().filter_map(read);
        let steps: Vec<_> = steps.filter_map(Step::entry).collect();
        let imported = Imported {
            steps: steps.len() as u64,
            refused: all - steps.len() as u64,
        };
        self.import(project, &steps)
            .map_err(|e| self.sql(e).to_string())?;
        Ok(imported)
    }

    fn import(&mut self, project: &str, steps: &[Named]) -> rusqlite::Result<()> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for of_plan in steps.chunk_by(|a, b| a.plan == b.plan) {
            let whose = Whose {
                project: project.into(),
                plan: of_plan[0].plan.clone(),
            };
            let mut into = Into::new(&tx, &whose)?;
            for named in of_plan {
                into.ended(&named.step, &named.entry, false)?;
            }
        }
        tx.commit()
    }
}

struct Named {
    plan: Box<str>,
    step: Box<str>,
    entry: Entry,
}

impl Step {
    fn of(plan: &str, step: &str, entry: &Entry) -> Step {
        let (word, detail) = entry.state.to_columns();
        let known = entry.known.as_ref();
        Step {
            plan: plan.into(),
            step: step.into(),
            state: word.into(),
            detail: detail.map(str::to_owned),
            at_ms: entry.at,
            depended_on: known.map(|known| Depended::of(&known.print)),
            outputs: known.map_or_else(Vec::new, |known| contents(&known.outputs)),
            put_out: known.map_or_else(BTreeMap::new, |known| known.put_out.clone()),
        }
    }

    fn entry(self) -> Option<Named> {
        let state = State::from_columns(&self.state, self.detail.as_deref())?;
        // No moment that a database can hold.
        i64::try_from(self.at_ms).ok()?;
        let known = match self.depended_on {
            None => None,
            Some(depended) => Some(Known {
                print: depended.print()?,
                outputs: files(self.outputs)?.into(),
                put_out: self.put_out,
            }),
        };
        let at = self.at_ms;
        Some(Named {
            plan: self.plan,
            step: self.step,
            entry: Entry { state, at, known },
        })
    }
}

impl Depended {
    fn of(print: &Print) -> Depended {
        let env = print.env.iter();
        let tools = print.tools.iter();
        Depended {
            command: hex(&print.identity),
            declaration: hex(&print.declaration),
            env: env
                .map(|(name, hash)| (name.clone(), hash.as_ref().map(hex)))
                .collect(),
            tools: tools
                .map(|(name, file)| (name.clone(), file.as_ref().map(Content::of)))
                .collect(),
            inputs: contents(&print.inputs),
        }
    }

    fn print(self) -> Option<Print> {
        let mut env = Vec::with_capacity(self.env.len());
        for (name, hash) in self.env {
            let hash = hash.map(|hash| unhex(&hash).ok_or(())).transpose().ok()?;
            env.push((name, hash));
        }
        let mut tools = Vec::with_capacity(self.tools.len());
        for (name, file) in self.tools {
            let file = file.map(|file| file.file().ok_or(())).transpose().ok()?;
            tools.push((name, file));
        }
        Some(Print {
            identity: unhex(&self.command)?,
            declaration: unhex(&self.declaration)?,
            env,
            tools,
            inputs: files(self.inputs)?.into(),
        })
    }
}

impl Content {
    fn of(file: &File) -> Content {
        Content {
            path: file.path.to_string_lossy().into(),
            what: match file.what {
                What::File => Word::File,
                What::Program => Word::Program,
                What::Link => Word::Link,
                What::Special => Word::Special,
            },
            mode: file.mode,
            hash: hex(&file.hash),
        }
    }

    fn file(self) -> Option<File> {
        Some(File {
            path: Path::new(&self.path).into(),
            what: match self.what {
                Word::File => What::File,
                Word::Program => What::Program,
                Word::Link => What::Link,
                Word::Special => What::Special,
            },
            mode: self.mode,
            hash: unhex(&self.hash)?,
            stat: None,
        })
    }
}

fn contents(files: &Files) -> Vec<Content> {
    files.iter().map(Content::of).collect()
}

fn files(contents: Vec<Content>) -> Option<Files> {
    let files: Option<Vec<File>> = contents.into_iter().map(Content::file).collect();
    files.map(Files::new)
}

fn hex(digest: &Digest) -> String {
    blake3::Hash::from(*digest).to_hex().to_string()
}

fn unhex(text: &str) -> Option<Digest> {
    blake3::Hash::from_hex(text).ok().map(Digest::from)
}
