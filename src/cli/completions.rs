//! `quintet completions`: what a shell needs to complete command lines.

use std::io::Write;
use std::process::ExitCode;

use clap_complete::Shell;

use super::error::Failure;
use super::global::Global;
use super::output;

/// Print a script that lets a shell complete quintet's command lines
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet completions bash > ~/.local/share/bash-completion/completions/quintet\n  $ quintet completions zsh > ~/.zfunc/_quintet\n  $ quintet completions fish > ~/.config/fish/completions/quintet.fish"
)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub fn run(args: Args, _: &Global) -> Result<ExitCode, Failure> {
    // The generator does not expect a stream that can fail.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "quintet", &mut script);
    let mut out = output::results();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
