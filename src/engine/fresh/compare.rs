//! Why a step is not fresh: the first difference between what it depended on
//! and what is there now.

use std::path::Path;

use crate::run::{Change, Stale};
use crate::store::cache::{File, Files, Print, What};

/// What has changed since `before`; `None` where nothing has.
pub(super) fn difference(before: &Print, now: &Print) -> Option<Stale> {
    if before.declaration != now.declaration {
        return Some(Stale::Declaration);
    }
    if before.identity != now.identity {
        return Some(Stale::Command);
    }
    // The declarations are the same, and so are the names.
    for ((name, before), (_, now)) in before.env.iter().zip(&now.env) {
        if before != now {
            return Some(Stale::Env { name: name.clone() });
        }
    }
    for ((name, before), (_, now)) in before.tools.iter().zip(&now.tools) {
        if let Some(change) = change(before.as_ref(), now.as_ref()) {
            let name = name.clone();
            return Some(Stale::Tool { name, change });
        }
    }
    let (path, change) = first_change(&before.inputs, &now.inputs)?;
    Some(Stale::Input {
        path: shown(path),
        change,
    })
}

/// The first file, in the order of paths, that is not what it was.
pub(super) fn first_change<'f>(before: &'f Files, now: &'f Files) -> Option<(&'f Path, Change)> {
    // Mostly it is the remembered list itself, and nobody need read it.
    if std::ptr::eq(before, now) || before.digest() == now.digest() {
        return None;
    }
    let (mut old, mut new) = (before.iter().peekable(), now.iter().peekable());
    loop {
        let next = [old.peek(), new.peek()].into_iter().flatten();
        let path = &next.map(|file| &file.path).min()?;
        let (was, is) = (
            old.next_if(|f| f.path == **path),
            new.next_if(|f| f.path == **path),
        );
        if let Some(change) = change(was, is) {
            return Some((path, change));
        }
    }
}

/// What became of a file.
pub(super) fn change(before: Option<&File>, now: Option<&File>) -> Option<Change> {
    match (before, now) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(before), Some(now)) if before.is_like(now) => None,
        (Some(before), Some(now)) => {
            let both = |word: fn(&File) -> String| (word(before), word(now));
            let (before, after) = match before.hash == now.hash {
                true => both(|file| kind(file.what).into()),
                false => both(|file| blake3::Hash::from(file.hash).to_hex()[..8].into()),
            };
            Some(Change::Changed { before, after })
        }
    }
}

fn kind(what: What) -> &'static str {
    match what {
        What::File => "not executable",
        What::Program => "executable",
        What::Link => "a link",
        What::Special => "no file",
    }
}

/// A path as people are told it.
pub(super) fn shown(path: &Path) -> Box<str> {
    path.to_string_lossy().into()
}
