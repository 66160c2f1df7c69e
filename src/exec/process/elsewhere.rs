//! The local executor's names where it does not exist yet: everything but Linux.
//!
//! This file was never compiled by its authors' tests. It promises nothing but
//! to say so, when somebody asks for a step to be run.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exec::{Executor, Found, Job, Report, Stop, Waker};
use crate::run::Attempt;

/// See the Linux side.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    pub run_dir: PathBuf,
    pub run_id: String,
    pub epoch: u32,
    pub slots: usize,
    pub env: Vec<(OsString, OsString)>,
    pub nonce: String,
}

/// Cannot be made here.
pub enum Local {}

/// Can be made, and is good for nothing.
pub struct Zygote;

/// See the Linux side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOutput {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
}

impl Zygote {
    /// # Errors
    /// None, so that all that runs no step works here.
    pub fn fork() -> io::Result<Zygote> {
        Ok(Zygote)
    }
}

impl Local {
    /// # Errors
    /// Always.
    pub fn new(_: Zygote, _: LocalConfig) -> io::Result<Local> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "steps can only be run on Linux so far",
        ))
    }
}

impl Local {
    pub fn masking(self, _: impl IntoIterator<Item = String>) -> Local {
        self
    }

    pub fn ending_with_us(self) -> Local {
        self
    }
}

impl Executor for Local {
    fn start(&mut self, _: Job) -> io::Result<()> {
        match *self {}
    }

    fn stop(&mut self, _: Attempt, _: Stop) {
        match *self {}
    }

    fn wait(&mut self, _: Option<Duration>, _: &mut Vec<Report>) -> io::Result<()> {
        match *self {}
    }

    fn waker(&self) -> Waker {
        match *self {}
    }

    fn recover(&mut self, _: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
        match *self {}
    }
}

/// Nothing ever runs here.
pub fn live_output(_: &Path, _: Attempt) -> Option<LiveOutput> {
    None
}

/// Empty: no such thing is known of this system.
pub fn boot_id() -> String {
    String::new()
}

/// See the Linux side.
#[derive(Debug, Default)]
pub struct Outputs {
    pub values: std::collections::BTreeMap<Box<str>, Box<str>>,
    pub complaint: Option<String>,
}

/// Nothing ever put anything out here.
pub fn outputs_in(_: &Path) -> Outputs {
    Outputs::default()
}

/// # Errors
/// Always.
pub fn can_end_processes() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "steps run on Linux only",
    ))
}
