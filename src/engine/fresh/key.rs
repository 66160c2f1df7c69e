//! The key under which values of variables are hashed.
//!
//! A variable may hold a secret, and a short secret is guessed from its plain
//! hash. So the hash is keyed, by a number of chance that lies beside the store
//! and in nobody's copy of the database.

use std::io::{Read, Write};
use std::path::Path;

use crate::paths::StateDir;
use crate::store::files;

/// The key's file in the state directory.
const NAME: &str = "cache.key";

/// The key of this store, made where there is none and `make` says so. Who has
/// none, or loses it, finds that all variables have changed: nothing worse.
///
/// # Errors
/// In words: it cannot be read, or cannot be made.
pub(super) fn key(state: &StateDir, make: bool) -> Result<Option<[u8; 32]>, String> {
    let path = state.root().join(NAME);
    if let Some(key) = read(&path)? {
        return Ok(Some(key));
    }
    if !make {
        return Ok(None);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| e.to_string())?;
    let new = state
        .root()
        .join(format!("{NAME}.{}.new", std::process::id()));
    let mut file = files::open(&new, true).map_err(|e| e.to_string())?;
    let written = file.set_len(0).and_then(|()| file.write_all(&key));
    let moved = written.and_then(|()| std::fs::rename(&new, &path));
    moved.map_err(|e| format!("{}: {e}", path.display()))?;
    // Of two processes that make one, the later one's is the store's.
    read(&path)
}

fn read(path: &Path) -> Result<Option<[u8; 32]>, String> {
    if !files::exists(path).map_err(|e| e.to_string())? {
        return Ok(None);
    }
    let mut file = files::open_to_read(path).map_err(|e| e.to_string())?;
    let mut key = [0; 32];
    Ok(file.read_exact(&mut key).ok().map(|()| key))
}
