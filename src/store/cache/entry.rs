//! What is remembered of one step: how it ended last, what it depended on then,
//! and what it made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bytes::{Reader, Writer};
use super::files::{File, Files};
use super::{Digest, State};
use crate::run::Millis;

/// How a step's last attempt ended, and what is known about that.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub state: State,
    pub at: Millis,
    /// What it depended on. A success that was brought from elsewhere has none.
    pub known: Option<Known>,
}

/// What a step depended on, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub print: Print,
    /// The files that it made.
    pub outputs: Arc<Files>,
    /// What it put out for later steps.
    pub put_out: BTreeMap<Box<str>, Box<str>>,
}

/// A step's fingerprint: all that its success depended on.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// What it runs.
    pub identity: Digest,
    /// What it declares.
    pub declaration: Digest,
    /// Variables of its environment, by name; the values' keyed hashes, where
    /// they have one.
    pub env: Vec<(Box<str>, Option<Digest>)>,
    /// Programs.
    pub tools: Vec<Tool>,
    pub inputs: Arc<Files>,
}

/// A program by the name that it is looked for, and what was found.
pub type Tool = (Box<str>, Option<File>);

impl Print {
    /// Equal for equal fingerprints.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.identity);
        hasher.update(&self.declaration);
        hasher.update(self.inputs.digest());
        // The declaration names the variables and programs, in this order.
        for (_, value) in &self.env {
            hasher.update(&value.map_or([0; 33], |hash| tagged(1, &hash)));
        }
        for (_, found) in &self.tools {
            let of = |file: &File| tagged(1 + file.what as u8, &file.hash);
            hasher.update(&found.as_ref().map_or([0; 33], of));
        }
        hasher.finalize().into()
    }
}

fn tagged(tag: u8, hash: &Digest) -> [u8; 33] {
    let mut tagged = [tag; 33];
    tagged[1..].copy_from_slice(hash);
    tagged
}

/// The form of a body, raised when it changes: what is in another form is not
/// understood, and so not believed.
const FORM: u8 = 1;

/// A list longer than this is kept beside the bodies, where those that are the
/// same are one.
const INLINE: usize = 1024;

/// A body, and the lists that are too long for it.
#[derive(Debug)]
pub(super) struct Body {
    pub bytes: Vec<u8>,
    pub inputs: Option<Arc<Files>>,
    pub outputs: Option<Arc<Files>>,
}

impl Known {
    pub(super) fn to_body(&self) -> Body {
        let mut to = Writer::default();
        to.byte(FORM);
        to.digest(&self.print.identity);
        to.digest(&self.print.declaration);
        to.u32(self.print.env.len() as u32);
        for (name, value) in &self.print.env {
            to.bytes(name.as_bytes());
            to.byte(value.is_some().into());
            to.digest(&value.unwrap_or_default());
        }
        to.u32(self.print.tools.len() as u32);
        for (name, found) in &self.print.tools {
            to.bytes(name.as_bytes());
            to.byte(found.is_some().into());
            if let Some(file) = found {
                file.write(&mut to);
            }
        }
        to.u32(self.put_out.len() as u32);
        for (key, value) in &self.put_out {
            to.bytes(key.as_bytes());
            to.bytes(value.as_bytes());
        }
        let inputs = write_list(&mut to, &self.print.inputs);
        let outputs = write_list(&mut to, &self.outputs);
        Body {
            bytes: to.0,
            inputs,
            outputs,
        }
    }

    /// Reads a body; `list` finds those that are kept beside it. `None` where it
    /// is not one.
    pub(super) fn from_body(
        bytes: &[u8],
        list: &mut dyn FnMut(&Digest) -> Option<Arc<Files>>,
    ) -> Option<Known> {
        let mut from = Reader(bytes);
        if from.byte()? != FORM {
            return None;
        }
        let (identity, declaration) = (from.digest()?, from.digest()?);
        let mut env = Vec::new();
        for _ in 0..from.count(4 + 1 + 32)? {
            let name = from.text()?.into();
            let is_set = flag(from.byte()?)?;
            let value = from.digest()?;
            env.push((name, is_set.then_some(value)));
        }
        let mut tools = Vec::new();
        for _ in 0..from.count(4 + 1)? {
            let name = from.text()?.into();
            let found = match flag(from.byte()?)? {
                true => Some(File::read(&mut from)?),
                false => None,
            };
            tools.push((name, found));
        }
        let mut put_out = BTreeMap::new();
        for _ in 0..from.count(4 + 4)? {
            put_out.insert(from.text()?.into(), from.text()?.into());
        }
        let inputs = read_list(&mut from, list)?;
        let outputs = read_list(&mut from, list)?;
        from.is_done().then_some(Known {
            print: Print {
                identity,
                declaration,
                env,
                tools,
                inputs,
            },
            outputs,
            put_out,
        })
    }
}

/// Writes a list, or which it is: then it is returned.
fn write_list(to: &mut Writer, files: &Arc<Files>) -> Option<Arc<Files>> {
    // No file takes less than 42 bytes.
    if files.len() < INLINE / 42 {
        let bytes = files.to_bytes();
        if bytes.len() <= INLINE {
            to.byte(0);
            to.0.extend_from_slice(&bytes);
            return None;
        }
    }
    to.byte(1);
    to.digest(files.digest());
    Some(Arc::clone(files))
}

fn read_list(
    from: &mut Reader<'_>,
    list: &mut dyn FnMut(&Digest) -> Option<Arc<Files>>,
) -> Option<Arc<Files>> {
    match flag(from.byte()?)? {
        false => Some(Arc::new(Files::read(from)?)),
        true => list(&from.digest()?),
    }
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
