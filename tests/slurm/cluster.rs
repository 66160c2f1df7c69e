//! The program on a cluster: a test's working directory and state, and a lab for its steps.

use crate::lab::Lab;
use crate::support::{Call, Test};

/// A test and its lab. The directory that the nodes share with the program is `shared`.
pub struct Cluster {
    pub test: Test,
    pub lab: Lab,
}

impl Cluster {
    /// Nothing, where there can be no lab; says why.
    pub fn start(name: &str, test: Test) -> Option<Cluster> {
        let lab = Lab::start(name)?;
        std::fs::create_dir(test.path("shared")).expect("a directory can be made");
        Some(Cluster { test, lab })
    }

    /// A call of the program that can reach the cluster, and asks often.
    pub fn quintet(&self, args: &[&str]) -> Call<'_> {
        let shared = self.test.path("shared");
        self.test
            .quintet(args)
            .env("SLURM_CONF", &self.lab.configuration())
            .env("QUINTET_SLURM_DIR", &shared.to_string_lossy())
            .env("QUINTET_SLURM_POLL", "0.2")
            .env("QUINTET_SLURM_HEARTBEAT", "1")
    }
}
