//! `--executor slurm` against a real cluster: controller and nodes of its own for each
//! test, on this machine.
//!
//! Where there is no Slurm, or nobody may make namespaces, these tests say so and do
//! nothing; `./test` installs it.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod doctor;
mod ends;
mod itself;
mod lab;
mod losses;
mod stops;
mod submits;
mod wide;
