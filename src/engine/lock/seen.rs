//! Who holds what now, and how many wait: for people who look from outside.
//!
//! Only asked, nothing is taken, made or written. What is seen may be over a moment
//! later; nothing is decided by it.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Kind, Want, queue, units};
use crate::run::event::Holder;

/// So many files are looked at: a file stays when nobody holds anything of it any more.
const MOST: usize = 5_000;

/// A name of which somebody holds something, or for which somebody waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    /// Where it was too long for a file's name, its hash behind a `#`.
    pub name: String,
    pub held: Vec<Held>,
    /// How many stand in its queue.
    pub waiting: usize,
}

/// What one holder has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub units: u64,
    /// If it has said who it is.
    pub holder: Option<Holder>,
}

/// All names in the directory of which anything is held or wanted, by kind and name.
///
/// # Errors
/// The directory or a file in it cannot be read.
pub fn seen(dir: &Path) -> io::Result<Vec<Seen>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries.take(MOST) {
        let entry = entry?;
        let name = entry.file_name();
        if let Some((kind, name)) = name.to_str().and_then(named) {
            found.extend(look(&entry.path(), kind, name)?);
        }
    }
    found.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(found)
}

fn look(path: &Path, kind: Kind, name: String) -> io::Result<Option<Seen>> {
    let file = File::open(path)?;
    // How many units there are, only those know who want some.
    let all = Want {
        kind,
        name: name.as_str().into(),
        units: 1,
        capacity: u32::MAX,
    };
    let held = units::survey(&file, &all)?
        .held
        .into_iter()
        .map(|range| Held {
            units: range.end - range.start,
            holder: units::signature(&file, range.start),
        });
    let seen = Seen {
        kind,
        name,
        held: held.collect(),
        waiting: queue::waiting(&file)?,
    };
    Ok((!seen.held.is_empty() || seen.waiting > 0).then_some(seen))
}

/// The name that a file stands for, from that of the file.
fn named(file: &str) -> Option<(Kind, String)> {
    let (kind, rest) = file.split_once('-')?;
    let kind = [Kind::Lock, Kind::Pool, Kind::Resource]
        .into_iter()
        .find(|known| known.word() == kind)?;
    let mut name = Vec::new();
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    Some((kind, String::from_utf8_lossy(&name).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::{LockSpace, file_name};
    use super::*;

    fn holder(run: &str) -> Holder {
        Holder {
            run: run.into(),
            step: "deploy".into(),
            pid: 42,
            since: 1000,
        }
    }

    #[test]
    fn who_holds_and_how_many_wait_is_seen_and_nothing_is_taken() {
        let tmp = tempfile::tempdir().unwrap();
        let space = LockSpace::open(tmp.path());
        assert_eq!(seen(tmp.path()).unwrap(), []);
        let wants = [Want::lock("a/b"), Want::pool("db", 2, 4)];
        let taken = space.try_acquire(&wants, &holder("one")).unwrap();
        let mut asking = space.ask(&[Want::pool("db", 3, 4)], || {}).unwrap();
        assert!(asking.try_acquire(&holder("two")).is_err());
        let found = seen(tmp.path()).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|seen| {
                (
                    seen.kind,
                    seen.name.as_str(),
                    seen.held[0].units,
                    seen.waiting,
                )
            })
            .collect();
        assert_eq!(told, [(Kind::Lock, "a/b", 1, 0), (Kind::Pool, "db", 2, 1)]);
        assert_eq!(found[0].held[0].holder, Some(holder("one")));
        drop((taken, asking));
        assert_eq!(seen(tmp.path()).unwrap(), []);
    }

    #[test]
    fn a_files_name_is_read_as_it_is_made() {
        for name in ["deploy", "a/b%", "größe", "-", "x.y_z"] {
            let want = Want::resource(name, 1, 1);
            assert_eq!(
                named(&file_name(&want)),
                Some((Kind::Resource, name.into()))
            );
        }
        assert_eq!(named("bell"), None);
        assert_eq!(named("lock-%4"), None);
    }
}
