//! Builtins, as files spell them: an object with one field, which is the
//! question, and in it what is asked for.
//!
//! `{"disk_space": {"path": ".", "at_least": "1GB"}}`. Paths are seen from the
//! step's working directory. Whatever front end has builtins reads them here.

use std::sync::Arc;
use std::time::Duration;

use crate::load::document::{Kind, Node, Path};
use crate::plan::build::quoted;
use crate::plan::builtin::{FileKind, NoVersion, Question, Version};
use crate::plan::problem::Problem;

use super::record::{self, Record};
use super::table::{Field, Shape, field};
use super::walk::{Walk, seconds};

/// A step's `builtin`: exactly one of these.
pub static BUILTIN: [Field; 5] = [
    field(
        "file_exists",
        Shape::Object(&FILE_EXISTS),
        "Holds where all of these files are there.",
    )
    .not(&["file", "files", "exists"]),
    field(
        "tool_version",
        Shape::Object(&TOOL_VERSION),
        "Holds where the program is installed, in a version that is wanted.",
    )
    .not(&["tool", "program", "version"]),
    field(
        "disk_space",
        Shape::Object(&DISK_SPACE),
        "Holds where there is room for so many bytes more.",
    )
    .not(&["disk", "space"]),
    field(
        "port_reachable",
        Shape::Object(&PORT_REACHABLE),
        "Holds where somebody answers at a TCP port.",
    )
    .not(&["port", "network"]),
    field(
        "git_clean",
        Shape::Object(&GIT_CLEAN),
        "Holds where all in a git working tree is committed or ignored.",
    )
    .not(&["git", "clean"]),
];

pub static FILE_EXISTS: [Field; 2] = [
    field(
        "path",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "The file, or a list of files.",
    )
    .required()
    .not(&["paths", "file", "files"]),
    field(
        "kind",
        Shape::Choice(&["any", "file", "directory", "executable"]),
        "What is to be there; any where it is left out.",
    ),
];

pub static TOOL_VERSION: [Field; 4] = [
    field(
        "program",
        Shape::Text,
        "The program. One without a slash is searched for in the step's PATH.",
    )
    .required()
    .not(&["tool", "command", "name"]),
    field(
        "args",
        Shape::List(&Shape::Word),
        "What makes it tell its version, which is the first dotted number that it puts \
         out; --version where it is left out.",
    ),
    field("at_least", Shape::Word, "The oldest version that will do.").not(&["min", "version"]),
    field(
        "below",
        Shape::Word,
        "A version that is too new, as all after it.",
    )
    .not(&["max"]),
];

pub static DISK_SPACE: [Field; 2] = [
    field(
        "at_least",
        Shape::Either(&[BYTES, Shape::Text]),
        "So many bytes, or a text such as 500MB or 1.5GB. A KB is 1024 bytes, and so on.",
    )
    .required()
    .not(&["min", "size"]),
    field(
        "path",
        Shape::Text,
        "A place in the file system in question; the working directory where it is left out.",
    ),
];

pub static PORT_REACHABLE: [Field; 3] = [
    field("host", Shape::Text, "A name or an address.").required(),
    field(
        "port",
        Shape::Either(&[PORT, Shape::Text]),
        "The port's number.",
    )
    .required(),
    field(
        "timeout_sec",
        Shape::Seconds,
        "It is waited for no longer than this; 2 where it is left out.",
    ),
];

pub static GIT_CLEAN: [Field; 1] = [field(
    "dir",
    Shape::Text,
    "A directory in the working tree; the working directory where it is left out.",
)
.not(&["path"])];

const BYTES: Shape = Shape::Count {
    least: 0,
    most: MOST_BYTES as i64,
};
const PORT: Shape = Shape::Count {
    least: 1,
    most: u16::MAX as i64,
};

/// More than this was not meant.
const MOST_BYTES: u64 = 1 << 60;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// The question that a file asks. Relative paths are seen from `base`, which is
/// absolute. None where something is wrong with it, which has been reported then.
pub fn lower(
    walk: &mut Walk<'_>,
    node: Node<'_>,
    base: &Arc<str>,
    path: &Path<'_>,
) -> Option<Question> {
    let record = walk.record(node, &BUILTIN, path);
    let asked = BUILTIN.iter().enumerate();
    let mut asked = asked.filter_map(|(i, field)| Some((field, record.get(i)?)));
    let (first, second) = (asked.next(), asked.next());
    let Some((field, node)) = first.filter(|_| second.is_none()) else {
        let is_refused = (0..BUILTIN.len()).any(|i| !record.is_missing(i));
        // What was refused for its shape has been reported.
        if second.is_some() || !(is_refused || has_strays(&record)) {
            let names: Vec<&str> = BUILTIN.iter().map(|field| field.name).collect();
            let message = format!("needs exactly one of {}", names.join(", "));
            walk.report(path, &message, record.span());
        }
        return None;
    };
    let path = &Path::Field(path, field.name);
    let mut asking = Asking { walk, base, path };
    match field.name {
        "file_exists" => asking.file_exists(node),
        "tool_version" => asking.tool_version(node),
        "disk_space" => asking.disk_space(node),
        "port_reachable" => asking.port_reachable(node),
        _ => asking.git_clean(node),
    }
}

/// Whether it has fields that are refused for their name.
fn has_strays(record: &Record<'_>) -> bool {
    let mut unknown = record.unknown.iter();
    unknown.any(|entry| record::meant(&BUILTIN, &entry.key).is_some())
}

/// One question, while it is read.
struct Asking<'a, 'r> {
    walk: &'a mut Walk<'r>,
    base: &'a Arc<str>,
    path: &'a Path<'a>,
}

impl Asking<'_, '_> {
    fn file_exists(&mut self, node: Node<'_>) -> Option<Question> {
        let record = self.walk.record(node, &FILE_EXISTS, self.path);
        let given = record.named("path");
        let kind = match self.walk.choice(&record, "kind", self.path) {
            Some("file") => FileKind::File,
            Some("directory") => FileKind::Directory,
            Some("executable") => FileKind::Executable,
            _ => FileKind::Any,
        };
        let given = given?;
        let path = Path::Field(self.path, "path");
        let paths: Option<Box<[Box<str>]>> = match given.kind() {
            Kind::Array => {
                let items = given.items().enumerate();
                items
                    .map(|(i, item)| self.place(item, &Path::Item(&path, i)))
                    .collect()
            }
            _ => self.place(given, &path).map(|place| [place].into()),
        };
        let paths = paths?;
        if paths.is_empty() {
            self.walk.report(&path, "names no file", given.span());
            return None;
        }
        Some(Question::FileExists { paths, kind })
    }

    fn tool_version(&mut self, node: Node<'_>) -> Option<Question> {
        let record = self.walk.record(node, &TOOL_VERSION, self.path);
        let at_least = self.version(&record, "at_least");
        let below = self.version(&record, "below");
        let args = match record.named("args") {
            Some(node) => {
                let path = Path::Field(self.path, "args");
                self.walk.list(node, &path)
            }
            None => ["--version".into()].into(),
        };
        let program = record.named("program")?;
        let path = Path::Field(self.path, "program");
        let name = self.walk.plain(program, &path)?;
        if name.is_empty() {
            self.walk.report(&path, "is empty", program.span());
        }
        Some(Question::ToolVersion {
            program: name.into(),
            args,
            at_least,
            below,
        })
    }

    fn version(&mut self, record: &Record<'_>, name: &str) -> Option<Version> {
        let node = record.named(name)?;
        let path = Path::Field(self.path, name);
        let text = self.walk.plain(node, &path)?;
        match text.parse() {
            Ok(version) => Some(version),
            Err(NoVersion) => {
                self.not_a(&text, &NoVersion.to_string(), node, &path);
                None
            }
        }
    }

    fn disk_space(&mut self, node: Node<'_>) -> Option<Question> {
        let record = self.walk.record(node, &DISK_SPACE, self.path);
        let at = match record.named("path") {
            Some(node) => self.place(node, &Path::Field(self.path, "path"))?,
            None => self.base.as_ref().into(),
        };
        let node = record.named("at_least")?;
        let path = Path::Field(self.path, "at_least");
        let text = self.walk.plain(node, &path)?;
        let Some(at_least) = size(&text) else {
            let why = "an amount is a number of bytes, or a text such as 500MB or 1.5GB";
            self.not_a(&text, why, node, &path);
            return None;
        };
        Some(Question::DiskSpace { path: at, at_least })
    }

    fn port_reachable(&mut self, node: Node<'_>) -> Option<Question> {
        let record = self.walk.record(node, &PORT_REACHABLE, self.path);
        let timeout = record.named("timeout_sec").map_or(DEFAULT_TIMEOUT, seconds);
        let host = record.named("host").and_then(|node| {
            let path = Path::Field(self.path, "host");
            let host = self.walk.plain(node, &path)?;
            let fits = !host.is_empty() && !host.contains('\0');
            if !fits {
                let why = "a host is a name or an address";
                self.not_a(&host, why, node, &path);
            }
            fits.then(|| host.into())
        });
        let port = record.named("port").and_then(|node| {
            let path = Path::Field(self.path, "port");
            let text = self.walk.plain(node, &path)?;
            let port = text.parse().ok().filter(|port| *port > 0);
            if port.is_none() {
                let why = "a port is a number from 1 to 65535";
                self.not_a(&text, why, node, &path);
            }
            port
        });
        Some(Question::PortReachable {
            host: host?,
            port: port?,
            timeout,
        })
    }

    fn git_clean(&mut self, node: Node<'_>) -> Option<Question> {
        let record = self.walk.record(node, &GIT_CLEAN, self.path);
        let dir = match record.named("dir") {
            Some(node) => self.place(node, &Path::Field(self.path, "dir"))?,
            None => self.base.as_ref().into(),
        };
        Some(Question::GitClean { dir })
    }

    fn place(&mut self, node: Node<'_>, path: &Path<'_>) -> Option<Box<str>> {
        let place = self.walk.place(node, self.base, path)?;
        Some(place.as_ref().into())
    }

    fn not_a(&mut self, text: &str, why: &str, node: Node<'_>, path: &Path<'_>) {
        let message = path.says(format!("{} will not do", quoted(text)));
        let problem = Problem::error(message).at(node.span(), "");
        self.walk.problems.push(problem.help(why));
    }
}

/// Bytes, of a number or of an amount such as `500MB`, `1.5 GB` or `2GiB`.
pub fn size(text: &str) -> Option<u64> {
    const UNITS: [&str; 5] = ["", "k", "m", "g", "t"];
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit
        .strip_suffix('i')
        .filter(|unit| !unit.is_empty())
        .unwrap_or(unit);
    let power = UNITS.iter().position(|known| *known == unit)?;
    // Whole bytes are exact; a part of a unit is what a person has rounded anyway.
    let bytes = match number.parse::<u64>() {
        Ok(number) => number.checked_mul(1024u64.pow(power as u32))?,
        Err(_) if power > 0 => {
            let number: f64 = number.parse().ok()?;
            (number * 1024f64.powi(power as i32)) as u64
        }
        Err(_) => return None,
    };
    Some(bytes).filter(|bytes| *bytes <= MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1073741824", 1 << 30),
            ("1GB", 1 << 30),
            ("1 gb", 1 << 30),
            ("2GiB", 2 << 30),
            ("500MB", 500 << 20),
            ("1.5G", 3 << 29),
            ("64k", 64 << 10),
            ("7B", 7),
            ("1TB", 1 << 40),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "GB",
            "-1",
            "1.5",
            "1PB",
            "1e9",
            "1.2.3GB",
            "i",
            "1ib",
            "99999999999TB",
            ".GB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
