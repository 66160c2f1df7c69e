//! What runs a script: its extension, its first line, and its mode say so.
//!
//! `.ps1` is PowerShell's whatever else it says. Any other file that is
//! executable and is a program, or names its interpreter (`#!`), runs itself.
//! Then the first line's interpreter counts, and then the extension's.
//!
//! Whether the interpreter is there is found here too, before anything runs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How a script is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// The interpreter with its options; empty where the file runs itself.
    pub command: Vec<String>,
    /// It is PowerShell's, and takes parameters by name.
    pub powershell: bool,
}

/// Interpreters by extension.
const BY_EXTENSION: [(&str, &[&str]); 12] = [
    ("sh", &["sh"]),
    ("bash", &["bash"]),
    ("zsh", &["zsh"]),
    ("ksh", &["ksh"]),
    ("fish", &["fish"]),
    ("py", &["python3"]),
    ("js", &["node"]),
    ("mjs", &["node"]),
    ("rb", &["ruby"]),
    ("pl", &["perl"]),
    ("lua", &["lua"]),
    ("php", &["php"]),
];

const POWERSHELL: [&str; 4] = ["pwsh", "-NoProfile", "-NonInteractive", "-File"];

/// What runs the file with this name, extension and first bytes; nothing, where
/// it is no script.
pub fn of(path: &Path, extension: &str, head: &[u8]) -> Option<Runner> {
    let runs = |command: &[&str], powershell| {
        Some(Runner {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            powershell,
        })
    };
    if extension == "ps1" {
        return runs(&POWERSHELL, true);
    }
    let executable =
        std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    let shebang = shebang(head);
    let program = head.starts_with(b"\x7fELF");
    if executable && (shebang.is_some() || program) {
        return runs(&[], false);
    }
    if let Some(words) = shebang {
        return runs(&words, false);
    }
    let known = BY_EXTENSION.iter().find(|(known, _)| *known == extension);
    known.and_then(|(_, command)| runs(command, false))
}

/// The interpreter that a first line names, with its options.
fn shebang(head: &[u8]) -> Option<Vec<&str>> {
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    // `env` looks the next word up; to be asked for it by name is the same.
    let after_env = match words.as_slice() {
        [env, "-S", rest @ ..] | [env, rest @ ..] if env.ends_with("/env") => rest,
        all => all,
    };
    (!after_env.is_empty()).then(|| after_env.to_vec())
}

/// Why the runner cannot run, if so: what is missing.
pub fn missing(runner: &Runner, path: Option<&str>) -> Option<String> {
    let program = runner.command.first()?;
    (!is_there(program, path)).then(|| program.clone())
}

/// Whether a program of this name is there: at its place, or in one of `path`.
pub fn is_there(program: &str, path: Option<&str>) -> bool {
    let is_program = |path: &Path| {
        std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let folders = path.unwrap_or_default().split(':');
    folders
        .filter(|folder| !folder.is_empty())
        .any(|folder| is_program(&Path::new(folder).join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(file: &str, mode: u32, text: &str) -> Option<Vec<String>> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(file);
        std::fs::write(&path, text).expect("written");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).expect("a mode");
        let extension = file.rsplit_once('.').map_or("", |(_, ext)| ext);
        of(&path, extension, text.as_bytes()).map(|runner| runner.command)
    }

    /// A55.
    #[test]
    fn a55_what_runs_a_script_is_told_by_extension_first_line_and_mode() {
        let is = |found: Option<Vec<String>>, wanted: &[&str]| {
            assert_eq!(found.expect("a script"), wanted);
        };
        is(command("0001_a.sh", 0o644, "echo\n"), &["sh"]);
        is(
            command("0001_a.sh", 0o644, "#!/bin/bash -e\n"),
            &["/bin/bash", "-e"],
        );
        is(command("0001_a.sh", 0o755, "#!/bin/bash\n"), &[]);
        is(command("0001_a.py", 0o644, "print()\n"), &["python3"]);
        is(
            command("0001_a", 0o644, "#!/usr/bin/env -S node --x\n"),
            &["node", "--x"],
        );
        is(command("0001_a", 0o755, "\x7fELF..."), &[]);
        is(
            command("0001_a.ps1", 0o755, "#!/usr/bin/env pwsh\n"),
            &POWERSHELL,
        );
        assert_eq!(command("0001_a.md", 0o644, "# Stage: Core\n"), None);
        assert_eq!(command("0001_a", 0o755, "no program\n"), None);
    }

    #[test]
    fn a_program_is_looked_for_where_path_says() {
        assert!(is_there("sh", Some("/nowhere:/bin")));
        assert!(!is_there("sh", Some("/nowhere")));
        assert!(!is_there("sh", None));
        assert!(is_there("/bin/sh", None));
        assert!(!is_there("/etc/passwd", None), "it cannot be run");
    }
}
