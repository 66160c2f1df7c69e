//! Reading what steps have written: ranges of files in a run's directory.
//!
//! A log can be of any size, so it is never read as a whole: whoever wants its
//! end reads its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::files;
use crate::paths::StateDir;
use crate::run::LogRange;

/// Opens the file that a range lies in, at the range's beginning.
///
/// # Errors
/// It is gone, cannot be read, or is not a plain file of ours.
pub fn open(state: &StateDir, run_id: &str, range: &LogRange) -> io::Result<File> {
    let path = state.run(run_id).join(range.file.as_ref());
    let mut file =
        files::open(&path, false).map_err(|error| io::Error::other(error.to_string()))?;
    file.seek(SeekFrom::Start(range.start))?;
    Ok(file)
}

/// The last bytes of a range, at most `most` of them.
///
/// # Errors
/// As for [`open`].
pub fn tail(state: &StateDir, run_id: &str, range: &LogRange, most: u64) -> io::Result<Vec<u8>> {
    let mut file = open(state, run_id, range)?;
    let len = range.len.min(most);
    file.seek(SeekFrom::Start(range.start + range.len - len))?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}
