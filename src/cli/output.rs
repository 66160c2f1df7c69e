//! Where verbs put their results, and the parts of the world that views are
//! told of: the time and its zone.
//!
//! Results go to stdout; what is only said to people goes to stderr, and
//! nowhere if they asked for quiet.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anstream::adapter::StripBytes;
use anstream::{AutoStream, ColorChoice};
use jiff::tz::TimeZone;

use super::global::Global;
use crate::engine::Clock;
use crate::run::Millis;
use crate::view::escape::clean;

/// Where results go: buffered, and without colours where they are not wanted.
pub type Out = BufWriter<Results>;

/// A preview of a large plan is megabytes, and each write is a system call.
const BUFFER: usize = 1 << 16;

/// The stream for results. It must be flushed: what a reader that has gone
/// did not take is only noticed then.
pub fn results() -> Out {
    let out = io::stdout().lock();
    let colours = AutoStream::choice(&out) != ColorChoice::Never;
    let strip = (!colours).then(StripBytes::new);
    BufWriter::with_capacity(BUFFER, Results { out, strip })
}

/// See [`Out`].
#[derive(Debug)]
pub struct Results {
    out: StdoutLock<'static>,
    /// Takes colours out, and is asked for it only where there are some: of a
    /// large result that is next to nothing, and looking at each byte is slow.
    strip: Option<StripBytes>,
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.strip {
            // A style is written by one call, so what is buffered holds all of it.
            Some(strip) if bytes.contains(&0x1b) => {
                let mut kept = strip.strip_next(bytes);
                kept.try_for_each(|kept| self.out.write_all(kept))
            }
            _ => self.out.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The same for bytes that nobody may touch.
pub fn bytes() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// stderr for lines that come while a run goes on: each is one write, whether
/// it is stripped of its colours or not.
pub struct LinesToPeople {
    coloured: bool,
}

impl LinesToPeople {
    pub fn new() -> Self {
        let choice = AutoStream::choice(&io::stderr());
        LinesToPeople {
            coloured: choice != anstream::ColorChoice::Never,
        }
    }
}

impl Write for LinesToPeople {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.coloured {
            return anstream::stderr().write(lines);
        }
        let plain = anstream::adapter::strip_bytes(lines).into_vec();
        io::stderr().write_all(&plain).map(|()| lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether a person reads the results as they come.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Says something to people, beside the results.
pub fn note(global: &Global, text: &str) {
    if !global.quiet {
        // Where nobody reads stderr there is nobody to tell.
        let _ = writeln!(anstream::stderr(), "{}", clean(text));
    }
}

/// What time it is.
pub fn now() -> Millis {
    Clock::start().now()
}

/// The zone in which people here read times.
pub fn zone() -> TimeZone {
    TimeZone::system()
}

/// Writes a file so that whoever looks sees all of it or what was there before.
/// What is no regular file (`/dev/stderr`, a pipe) is written to as it is.
///
/// # Errors
/// The system's.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |_| Ok(()))
}

/// The same for a file that everybody may read, whatever the process's umask says.
///
/// # Errors
/// The system's.
pub fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |file| {
        file.set_permissions(fs::Permissions::from_mode(0o644))
    })
}

fn replace(path: &Path, bytes: &[u8], prepare: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    // A link stays one, and what it leads to is written.
    let path = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return fs::write(path, bytes),
        Ok(_) => fs::canonicalize(path)?,
        Err(_) => path.to_path_buf(),
    };
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.tmp", std::process::id()));
    let written = File::create(&beside).and_then(|mut file| {
        prepare(&file)?;
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&beside, &path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}
