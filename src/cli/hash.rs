//! `quintet hash`: what files hold, in a line each; and whether they still do.
//!
//! A directory is all files in it. What is printed for it is a manifest, which
//! `--check` reads again, as it reads what sha256sum and its like print.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::json;

use super::digest::Algorithm;
use super::error::{Failure, Kind, warn};
use super::global::Global;
use super::{config, output};

/// Print the hash of files: their content in a few letters
///
/// Each file is a line of JSON with its absolute path. A directory is all files in it,
/// links left out; its lines are a manifest for --check.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet hash --file ./path/to/file
  $ quintet hash --file big.iso --algo blake3
  $ quintet hash dist > dist.manifest
  $ quintet hash --check dist.manifest
  $ quintet hash --check SHA256SUMS")]
pub struct Args {
    /// A file or directory; may be repeated
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,

    /// More of them
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The hash function; the configuration's where it has one, else sha256
    #[arg(
        long,
        alias = "algorithm",
        short,
        value_name = "NAME",
        ignore_case = true
    )]
    algo: Option<Algorithm>,

    /// Compare files with what this manifest says of them
    ///
    /// It holds lines as they are printed here or by sha256sum and its like; paths that
    /// are not absolute are seen from the working directory.
    #[arg(long, value_name = "MANIFEST", conflicts_with_all = ["file", "files"])]
    check: Option<PathBuf>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if let Some(manifest) = &args.check {
        return check(manifest, args.algo, global);
    }
    let given: Vec<&PathBuf> = args.file.iter().chain(&args.files).collect();
    if given.is_empty() {
        let failure = Failure::new(Kind::Usage, "which files?");
        return Err(failure.hint("quintet hash --file FILE"));
    }
    let algorithm = match args.algo {
        Some(algorithm) => algorithm,
        None => usual(global)?,
    };
    let mut files = Vec::new();
    let mut unread = None;
    for path in given {
        if let Err(error) = gather(path, &mut files) {
            unread.get_or_insert(refused(path, &error));
        }
    }
    let mut out = output::results();
    let progress = Progress::of(&files, global);
    for path in &files {
        match progress.hash(path, algorithm) {
            Ok(hash) => writeln!(out, "{}", line(path, algorithm, &hash))?,
            Err(error) => {
                let failure = refused(path, &error);
                if unread.is_none() {
                    unread = Some(failure);
                } else {
                    warn(&failure.message);
                }
            }
        }
    }
    progress.bar.finish_and_clear();
    out.flush()?;
    unread.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn usual(global: &Global) -> Result<Algorithm, Failure> {
    let said = config::read(global)?.algorithm;
    Ok(said.and_then(Algorithm::from_word).unwrap_or_default())
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let message = format!("{} cannot be read: {error}", path.display());
    Failure::new(Kind::Usage, message)
}

fn line(path: &Path, algorithm: Algorithm, hash: &str) -> String {
    let file = path.to_string_lossy();
    json!({ "file": file, "algorithm": algorithm.word(), "hash": hash }).to_string()
}

/// All files that a path stands for, absolute, in an order that does not depend on
/// the file system.
fn gather(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    if !fs::metadata(&path)?.is_dir() {
        files.push(path);
        return Ok(());
    }
    let mut folders = vec![path];
    let begun = files.len();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // Of the entry itself: a link leads elsewhere, and perhaps back.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files[begun..].sort();
    Ok(())
}

/// What people see of long work.
struct Progress {
    bar: ProgressBar,
}

/// Less than this is done before anybody wonders.
const LONG: u64 = 512 << 20;

impl Progress {
    fn of(files: &[PathBuf], global: &Global) -> Progress {
        let watched = !global.quiet && io::stderr().is_terminal();
        let sizes = files.iter().filter(|_| watched);
        let total = sizes
            .filter_map(|path| fs::metadata(path).ok())
            .map(|found| found.len())
            .sum();
        let bar = match total >= LONG {
            true => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template("{bytes} of {total_bytes}, {eta} left") {
            bar.set_style(style);
        }
        Progress { bar }
    }

    fn hash(&self, path: &Path, algorithm: Algorithm) -> io::Result<String> {
        let mut file = File::open(path)?;
        algorithm.of(&mut file, &mut |n| self.bar.inc(n))
    }
}

/// A line of a manifest.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Said {
    file: PathBuf,
    algorithm: String,
    hash: String,
}

impl Said {
    /// Ours, or `HASH  PATH` as sha256sum has it, with `*` before the path of a file
    /// that was read as binary.
    fn parse(line: &str, algorithm: Option<Algorithm>) -> Option<Said> {
        if line.starts_with('{') {
            return serde_json::from_str(line).ok();
        }
        let (hash, path) = line.split_once(' ')?;
        let path = path.strip_prefix([' ', '*']).unwrap_or(path);
        let is_hash = hash.bytes().all(|b| b.is_ascii_hexdigit());
        let algorithm = algorithm.or_else(|| Algorithm::of_length(hash.len()));
        let algorithm = algorithm.filter(|_| is_hash && !path.is_empty())?;
        Some(Said {
            file: path.into(),
            algorithm: algorithm.word().to_owned(),
            hash: hash.to_ascii_lowercase(),
        })
    }
}

fn check(manifest: &Path, given: Option<Algorithm>, global: &Global) -> Result<ExitCode, Failure> {
    let text = fs::read_to_string(manifest).map_err(|error| refused(manifest, &error))?;
    let mut wanted = Vec::new();
    for (at, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let said = Said::parse(line, given).and_then(|said| {
            let algorithm = Algorithm::from_word(&said.algorithm)?;
            Some((said, algorithm))
        });
        let Some(said) = said else {
            let place = format!("{}:{}", manifest.display(), at + 1);
            let message = format!("{place}: this is no line of a manifest");
            return Err(Failure::new(Kind::Usage, message));
        };
        wanted.push(said);
    }
    let files: Vec<PathBuf> = wanted.iter().map(|(said, _)| said.file.clone()).collect();
    let progress = Progress::of(&files, global);
    let mut out = output::results();
    let mut wrong = 0;
    for (said, algorithm) in &wanted {
        let status = match progress.hash(&said.file, *algorithm) {
            Ok(hash) if hash == said.hash => "ok",
            Ok(_) => "changed",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "missing",
            Err(_) => "unreadable",
        };
        wrong += usize::from(status != "ok");
        let file = said.file.to_string_lossy();
        writeln!(out, "{}", json!({ "file": file, "status": status }))?;
    }
    progress.bar.finish_and_clear();
    out.flush()?;
    match wrong {
        0 => Ok(ExitCode::SUCCESS),
        _ => {
            let message = format!("{wrong} of {} files are not as they were", wanted.len());
            Err(Failure::new(Kind::Run, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_programs_are_read() {
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        let said = Said::parse(&format!("{sha1} *a b"), None).expect("a line");
        assert_eq!((said.file, said.algorithm.as_str()), ("a b".into(), "sha1"));
        let ours = line(Path::new("/x"), Algorithm::Blake3, "00");
        let said = Said::parse(&ours, None).expect("a line");
        assert_eq!(
            (said.hash.as_str(), said.algorithm.as_str()),
            ("00", "blake3")
        );
        for bad in ["", "abc", "xyz  file", &format!("{sha1}  "), "{}"] {
            assert_eq!(Said::parse(bad, None), None, "{bad:?}");
        }
    }
}
