//! Workflow graphs: made ones of the shapes that real ones have, and recorded ones.
//!
//! A made graph is the same on every machine: its chance is a number. Steps
//! stand in an order in which they could run one after the other, as people
//! write them down.

use std::num::NonZeroU32;
use std::sync::Arc;

use quintet::plan::{
    Action, Command, OnAbort, Plan, Policy, Program, Rollback, Step, StepIx, Text,
};

/// Something to be done: it takes so long, and needs these to be over.
#[derive(Clone, Debug)]
pub struct Work {
    pub id: String,
    pub ms: u64,
    pub needs: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Workflow {
    pub name: &'static str,
    pub steps: Vec<Work>,
}

impl Workflow {
    fn new(name: &'static str) -> Workflow {
        let steps = Vec::new();
        Workflow { name, steps }
    }

    /// Adds a step and tells its place.
    fn add(&mut self, id: impl Into<String>, ms: u64, needs: impl Into<Vec<usize>>) -> usize {
        let (id, mut needs) = (id.into(), needs.into());
        needs.sort_unstable();
        needs.dedup();
        self.steps.push(Work {
            id,
            ms: ms.max(1),
            needs,
        });
        self.steps.len() - 1
    }

    /// A recorded graph: a line for each step with its id, its milliseconds and
    /// the numbers of the steps it needs. Lines are counted from zero, without
    /// those that begin with `#`.
    pub fn recorded(name: &'static str, text: &str) -> Workflow {
        let mut workflow = Workflow::new(name);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let id = words.next().expect("a step has an id");
            let ms = words.next().and_then(|ms| ms.parse().ok());
            let needs: Vec<usize> = words
                .map(|need| need.parse().expect("a step's number"))
                .collect();
            workflow.add(id, ms.expect("a step takes some time"), needs);
        }
        workflow
    }

    /// The plan that says this, for so many slots.
    pub fn plan(&self, slots: u32) -> Arc<Plan> {
        let policy = Arc::new(Policy::default());
        let steps = self.steps.iter().map(|work| step(work, &policy));
        Arc::new(Plan {
            max_concurrency: NonZeroU32::new(slots).expect("there is a slot"),
            on_abort: OnAbort::Wait,
            rollback: Rollback::Never,
            steps: steps.collect(),
            ..Plan::new(self.name)
        })
    }
}

fn step(work: &Work, policy: &Arc<Policy>) -> Step {
    let action = Action::Command(Box::new(Command {
        program: Program::Argv([Text::from("true")].into()),
        cwd: "/".into(),
        env: [].into(),
        stdin: None,
    }));
    Step {
        needs: work.needs.iter().map(|need| StepIx::new(*need)).collect(),
        policy: policy.clone(),
        ..Step::new(work.id.as_str(), action)
    }
}

/// Small, fast, and the same on every machine.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.number() % n
    }

    /// About that long: from half of it to once and a half.
    pub fn about(&mut self, ms: u64) -> u64 {
        (ms * (50 + self.below(101)) / 100).max(1)
    }

    /// Most often about that long; one of thirty ten times, one of three
    /// hundred a hundred times as long.
    pub fn long_tailed(&mut self, ms: u64) -> u64 {
        let times = match self.below(300) {
            0 => 100,
            1..=10 => 10,
            _ => 1,
        };
        self.about(ms * times)
    }
}

/// All made graphs. `size` is about a tenth of their steps.
pub fn made(size: usize) -> Vec<Workflow> {
    vec![
        crowd(size),
        long_tail(size),
        fork_join(size),
        layered(size),
        tree_out(size),
        tree_in(size),
        mosaic(size),
        lanes(size),
    ]
}

/// One long chain, and many others that nothing waits for, written before it.
fn crowd(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("chain in a crowd"), Chance::new(1));
    for n in 0..8 * size {
        workflow.add(format!("crowd/{n}"), chance.about(400), []);
    }
    let mut last: Option<usize> = None;
    for n in 0..2 * size {
        let needs: Vec<usize> = last.into_iter().collect();
        last = Some(workflow.add(format!("chain/{n}"), chance.about(400), needs));
    }
    workflow
}

/// Nothing waits for anything, and few take most of the time.
fn long_tail(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("long tail"), Chance::new(2));
    for n in 0..10 * size {
        workflow.add(format!("one/{n}"), chance.long_tailed(200), []);
    }
    workflow
}

/// Stage after stage of many alike, with a meeting point between.
fn fork_join(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("fork and join"), Chance::new(3));
    let mut needs: Vec<usize> = Vec::new();
    for stage in 0..10 {
        let width = size.max(2) - 1;
        let forked: Vec<usize> = (0..width)
            .map(|n| {
                let ms = chance.long_tailed(300);
                workflow.add(format!("stage{stage}/{n}"), ms, needs.clone())
            })
            .collect();
        needs = vec![workflow.add(format!("join/{stage}"), 50, forked)];
    }
    workflow
}

/// Layer after layer, each step needing a few of the layer before.
fn layered(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("random layers"), Chance::new(4));
    let mut before: Vec<usize> = Vec::new();
    for layer in 0..20 {
        let width = (size / 2).max(2);
        let mut these = Vec::new();
        for n in 0..width {
            let needs: Vec<usize> = (0..3)
                .filter(|_| !before.is_empty())
                .map(|_| before[chance.below(before.len().max(1) as u64) as usize])
                .collect();
            let ms = chance.long_tailed(200);
            these.push(workflow.add(format!("layer{layer}/{n}"), ms, needs));
        }
        before = these;
    }
    workflow
}

/// Each step lets up to four others begin.
fn tree_out(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("tree, outwards"), Chance::new(5));
    workflow.add("root", 100, []);
    while workflow.steps.len() < 10 * size {
        // More often one of the newest, so that some branches become deep.
        let all = workflow.steps.len() as u64;
        let newest = chance.below(all).max(chance.below(all));
        let ms = chance.long_tailed(200);
        let id = format!("branch{}/{all}", newest % 7);
        workflow.add(id, ms, [newest as usize]);
    }
    workflow
}

/// The same from the leaves to the root.
fn tree_in(size: usize) -> Workflow {
    let outwards = tree_out(size);
    let all = outwards.steps.len();
    let mut workflow = Workflow::new("tree, inwards");
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); all];
    for (at, work) in outwards.steps.iter().enumerate() {
        for need in &work.needs {
            needs[all - 1 - need].push(all - 1 - at);
        }
    }
    for (at, needs) in needs.into_iter().enumerate() {
        let work = &outwards.steps[all - 1 - at];
        workflow.add(work.id.clone(), work.ms, needs);
    }
    workflow
}

/// Pictures are projected, compared with their neighbours, corrected together
/// and put together: the shape of astronomers' mosaics.
fn mosaic(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("mosaic"), Chance::new(6));
    let n = 2 * size;
    let project: Vec<usize> = (0..n)
        .map(|n| workflow.add(format!("project/{n}"), chance.about(1_700), []))
        .collect();
    let fit: Vec<usize> = (0..3 * n)
        .map(|at| {
            let (a, b) = (at % n, (at + 1 + at / n) % n);
            let ms = chance.about(660);
            workflow.add(format!("fit/{at}"), ms, [project[a], project[b]])
        })
        .collect();
    let concat = workflow.add("concat", 6_000, fit);
    let model = workflow.add("model", 16_000, [concat]);
    let background: Vec<usize> = (0..n)
        .map(|n| {
            let ms = chance.about(1_720);
            workflow.add(format!("background/{n}"), ms, [project[n], model])
        })
        .collect();
    let table = workflow.add("table", 3_000, background);
    let add = workflow.add("add", 12_000, [table]);
    let shrink = workflow.add("shrink", 3_000, [add]);
    workflow.add("picture", 600, [shrink]);
    workflow
}

/// Lanes of unequal lengths are cut up, mapped piece by piece and merged: the
/// shape of sequencing pipelines.
fn lanes(size: usize) -> Workflow {
    let (mut workflow, mut chance) = (Workflow::new("lanes"), Chance::new(7));
    let mut merged = Vec::new();
    for lane in 0..6 {
        let pieces = (size / 5).max(1) * (1 + lane) / 2 + 1;
        let cut = workflow.add(format!("lane{lane}/cut"), 2_000, []);
        let mapped: Vec<usize> = (0..pieces)
            .map(|n| {
                let mut last = cut;
                for (what, ms) in [
                    ("filter", 250),
                    ("recode", 50),
                    ("pack", 150),
                    ("map", 6_000),
                ] {
                    let ms = chance.about(ms);
                    last = workflow.add(format!("lane{lane}/{what}{n}"), ms, [last]);
                }
                last
            })
            .collect();
        let ms = 100 * pieces as u64;
        merged.push(workflow.add(format!("lane{lane}/merge"), ms, mapped));
    }
    let all = workflow.add("merge", 4_000, merged);
    let index = workflow.add("index", 1_500, [all]);
    workflow.add("pileup", 5_500, [index]);
    workflow
}

/// Graphs of work that was really done.
pub fn all_recorded() -> Vec<Workflow> {
    vec![
        Workflow::recorded("a build", include_str!("../graphs/build.txt")),
        Workflow::recorded("a build of tests", include_str!("../graphs/tests.txt")),
    ]
}
