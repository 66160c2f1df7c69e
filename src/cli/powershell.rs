//! `quintet seq 0000-0099 -MaxConcurrency 4`: flags as PowerShell spells them.
//!
//! Those who have such command lines in scripts and in their fingers go on with
//! them. Done before parsing, by writing the flags as we spell them, so that
//! nothing behind it has to know; in any case of letters, and with the value in
//! the next argument or behind a colon (`-Parallel:$false`).
//!
//! A shell that is not PowerShell puts nothing in the place of `$false` where it
//! is not quoted. `-Parallel` by itself then means what it says: parallel.

use std::ffi::OsString;

/// The verb, and the command it was.
pub const VERB: &str = "seq";
pub const COMMAND: &str = "Invoke-OrchestrationSequence";

/// What becomes of a flag.
enum Flag {
    /// It stands for itself, unless its value is false.
    Switch(&'static str),
    /// `$true` or `$false` may follow it.
    Bool(&'static str),
    /// A value follows it.
    Value(&'static str),
    /// Its value is an argument by itself.
    Argument,
    /// It asks for what is always done.
    Nothing,
}

const FLAGS: [(&str, Flag); 19] = [
    ("sequence", Flag::Argument),
    ("scripts", Flag::Value("--scripts")),
    ("configuration", Flag::Value("--config")),
    ("configpath", Flag::Value("--config")),
    ("profile", Flag::Value("--profile")),
    ("variables", Flag::Value("--variables")),
    ("conditions", Flag::Value("--conditions")),
    ("saveplaybook", Flag::Value("--save-playbook")),
    ("loadplaybook", Flag::Value("--load-playbook")),
    ("playbookprofile", Flag::Value("--playbook-profile")),
    ("maxconcurrency", Flag::Value("--max-concurrency")),
    ("parallel", Flag::Bool("--parallel")),
    ("dryrun", Flag::Switch("--dry-run")),
    ("whatif", Flag::Switch("--dry-run")),
    ("continueonerror", Flag::Switch("--continue-on-error")),
    ("noninteractive", Flag::Switch("--non-interactive")),
    ("passthru", Flag::Switch("--pass-thru")),
    ("resumeonboot", Flag::Switch("--resume-on-boot")),
    // What happens is always told; --quiet is what leaves it out.
    ("verbose", Flag::Nothing),
];

/// Writes the flags of a `seq` command line as we spell them.
pub fn rewritten(args: Vec<OsString>) -> Vec<OsString> {
    let is_verb = |arg: &OsString| {
        let arg = arg.to_str().unwrap_or_default();
        arg == VERB || arg.eq_ignore_ascii_case(COMMAND)
    };
    let Some(verb) = args.iter().position(is_verb) else {
        return args;
    };
    let mut written: Vec<OsString> = args[..verb].to_vec();
    written.push(VERB.into());
    let mut rest = args.into_iter().skip(verb + 1).peekable();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            written.push(arg);
            written.extend(rest);
            return written;
        }
        let Some((flag, value)) = arg.to_str().and_then(flag) else {
            written.push(arg);
            continue;
        };
        match flag {
            Flag::Argument => written.extend(value.map(OsString::from).or_else(|| rest.next())),
            Flag::Value(name) => {
                written.push(name.into());
                written.extend(value.map(OsString::from));
            }
            Flag::Bool(name) => {
                let next = || rest.next_if(|next| truth(&next.to_string_lossy()).is_some());
                let value = value.map(OsString::from).or_else(next);
                let yes = value.is_none_or(|v| truth(&v.to_string_lossy()) != Some(false));
                written.push(format!("{name}={yes}").into());
            }
            Flag::Switch(name) => {
                if value.is_none_or(|value| truth(value) != Some(false)) {
                    written.push(name.into());
                }
            }
            Flag::Nothing => {}
        }
    }
    written
}

/// The flag that an argument is, and the value behind its colon.
fn flag(arg: &str) -> Option<(&'static Flag, Option<&str>)> {
    let word = arg
        .strip_prefix('-')
        .filter(|word| !word.starts_with('-'))?;
    let (name, value) = match word.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let known = FLAGS
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known));
    known.map(|(_, flag)| (flag, value))
}

/// What is written for true or false. An empty word is what is left of `$false`
/// in quotes, in a shell that is not PowerShell.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "$true" | "1" => Some(true),
        "false" | "$false" | "0" | "" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> String {
        let args = line.split(' ').map(OsString::from).collect();
        let written = rewritten(args);
        written
            .join(std::ffi::OsStr::new(" "))
            .into_string()
            .expect("text")
    }

    #[test]
    fn the_documents_command_lines_mean_what_they_meant() {
        for (written, wanted) in [
            (
                "q seq 0000-0099 -Parallel $true -MaxConcurrency 4",
                "q seq 0000-0099 --parallel=true --max-concurrency 4",
            ),
            (
                "q seq 0000-0099 -Parallel $false",
                "q seq 0000-0099 --parallel=false",
            ),
            (
                "q seq 0000-0099 -parallel:$FALSE",
                "q seq 0000-0099 --parallel=false",
            ),
            (
                "q seq 0000-0099 -Parallel",
                "q seq 0000-0099 --parallel=true",
            ),
            (
                "q seq -Parallel 0000-0099",
                "q seq --parallel=true 0000-0099",
            ),
            ("q seq 0000-0099 -DryRun", "q seq 0000-0099 --dry-run"),
            ("q seq 0000-0099 -DryRun:$false", "q seq 0000-0099"),
            (
                "q seq 0000-0099 -ContinueOnError -WhatIf",
                "q seq 0000-0099 --continue-on-error --dry-run",
            ),
            (
                "q seq 0001,0207 -SavePlaybook my-setup",
                "q seq 0001,0207 --save-playbook my-setup",
            ),
            (
                "q seq -LoadPlaybook my-setup -PlaybookProfile quick",
                "q seq --load-playbook my-setup --playbook-profile quick",
            ),
            (
                "q --quiet seq 0000-0299 -Profile Production -NonInteractive",
                "q --quiet seq 0000-0299 --profile Production --non-interactive",
            ),
            (
                "q Invoke-OrchestrationSequence -Sequence 0000-0299,stage:Infrastructure -MaxConcurrency 8 -PassThru",
                "q seq 0000-0299,stage:Infrastructure --max-concurrency 8 --pass-thru",
            ),
            (
                "q seq -Configuration ./config.json -Verbose",
                "q seq --config ./config.json",
            ),
            ("q run plan.json -DryRun", "q run plan.json -DryRun"),
            (
                "q seq 0001 -j 2 --dry-run -n",
                "q seq 0001 -j 2 --dry-run -n",
            ),
            ("q seq -- -DryRun", "q seq -- -DryRun"),
        ] {
            assert_eq!(line(written), wanted);
        }
    }
}
