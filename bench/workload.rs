//! What is measured: a graph of steps that all run the same command.
//!
//! A workload is a few numbers; its edges are computed when they are asked for,
//! always the same ones, so that a hundred thousand steps cost the benchmark
//! no memory. It must stay small: a process that it starts is charged with its
//! size until it becomes the program that is measured.
//!
//! This file does not know how any tool writes a graph down; `formats.rs` does.

/// Which steps need which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graph {
    /// No edges.
    Wide,
    /// Each step needs the one before.
    Chain,
    /// Twenty layers; each step needs three of the layer before.
    Layers,
}

/// How many layers [`Graph::Layers`] has.
const LAYERS: usize = 20;

/// How many steps of the layer before a step needs.
const NEEDS: usize = 3;

/// A graph of steps, and what each of them runs.
#[derive(Clone, Debug)]
pub struct Workload {
    pub graph: Graph,
    pub steps: usize,
    /// So many run at once, at most.
    pub at_once: usize,
    /// The program, by its whole path, and its arguments: no word of them needs quoting.
    pub command: Vec<String>,
}

impl Workload {
    /// Steps that do nothing, so that all that is measured is what runs them.
    pub fn of_true(graph: Graph, steps: usize, at_once: usize) -> Workload {
        Workload {
            graph,
            steps,
            at_once,
            command: vec!["/bin/true".into()],
        }
    }

    /// Independent steps that run a command.
    pub fn of(steps: usize, at_once: usize, command: &[&str]) -> Workload {
        Workload {
            graph: Graph::Wide,
            steps,
            at_once,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// The command as one line.
    pub fn line(&self) -> String {
        self.command.join(" ")
    }

    /// The steps that a step needs, in order and each once.
    pub fn needs(&self, step: usize) -> Vec<usize> {
        match self.graph {
            Graph::Wide => Vec::new(),
            Graph::Chain => step.checked_sub(1).into_iter().collect(),
            Graph::Layers => self.layer_needs(step),
        }
    }

    fn layer_needs(&self, step: usize) -> Vec<usize> {
        let layer = (self.steps / LAYERS).max(1);
        let Some(before) = (step / layer).checked_sub(1) else {
            return Vec::new();
        };
        let mut needs = Vec::with_capacity(NEEDS);
        let mut chance = mixed(step as u64);
        while needs.len() < NEEDS.min(layer) {
            chance = mixed(chance);
            let need = before * layer + (chance % layer as u64) as usize;
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        needs.sort_unstable();
        needs
    }

    pub fn edges(&self) -> usize {
        match self.graph {
            Graph::Wide => 0,
            Graph::Chain => self.steps.saturating_sub(1),
            Graph::Layers => (0..self.steps).map(|step| self.needs(step).len()).sum(),
        }
    }
}

/// A number that looks like chance and is always the same (SplitMix64).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
