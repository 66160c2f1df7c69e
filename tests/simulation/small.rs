//! Small scope, exhaustively: every graph of up to four steps, every way in
//! which each step can end, a crash at every commit, with the supervisors or
//! without, and a resume. No chance is in it; what fails is told as a case.
//!
//! Of graphs that differ only in the names of their steps one is tried.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use quintet::plan::{Action, OnFailure, Plan, Policy, Retry, Step, StepIx};
use quintet::run::{Exit, Loss, Outcome, RunState};

use crate::life::{Again, Life, lead};
use crate::world::{Rules, Script, Shared};
use crate::{HUSH, check, plans, quiet_crashes};

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Well,
    Fails,
    /// Well, at the second try.
    Retried,
    TimesOut,
    /// Its supervisor dies with it, once.
    Interrupted,
    /// The same, and it must not simply be run again.
    InterruptedForGood,
    /// Whoever was to run it elsewhere has lost it, once.
    Lost,
}

const ENDS: [End; 7] = [
    End::Well,
    End::Fails,
    End::Retried,
    End::TimesOut,
    End::Interrupted,
    End::InterruptedForGood,
    End::Lost,
];

impl End {
    fn exits(self) -> Vec<Exit> {
        match self {
            End::Well => Vec::new(),
            End::Fails | End::Retried => vec![Exit::Exited { code: 3 }],
            End::TimesOut => vec![Exit::TimedOut {
                after: Duration::from_millis(10),
                signal: Some(15),
            }],
            End::Interrupted | End::InterruptedForGood => vec![Exit::Interrupted],
            End::Lost => vec![Exit::Lost {
                why: Loss::NodeFailed,
                started: true,
            }],
        }
    }
}

/// For each step, a bit for each step that it needs.
type Graph = Vec<u8>;

#[derive(Clone, Debug)]
struct Case {
    graph: Graph,
    ends: Vec<End>,
    on_failure: OnFailure,
}

/// A crash: at which commit, was that made, did the supervisors die too, and did
/// time pass before the resume.
#[derive(Clone, Copy, Debug)]
struct Crash {
    commit: u64,
    made: bool,
    supervisors_die: bool,
    later: bool,
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for at in 0..n {
        let longer = |short: &Vec<usize>| {
            let short = short.clone();
            (0..=at).map(move |place| {
                let mut longer = short.clone();
                longer.insert(place, at);
                longer
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// The same graph with its steps called otherwise.
fn renamed(graph: &Graph, names: &[usize]) -> Graph {
    let mut other = vec![0; graph.len()];
    for (step, needs) in graph.iter().enumerate() {
        let needs = (0..graph.len()).filter(|need| needs >> need & 1 == 1);
        other[names[step]] = needs.map(|need| 1 << names[need]).sum();
    }
    other
}

/// One graph of each shape.
fn graphs(n: usize) -> Vec<Graph> {
    let pairs: Vec<(usize, usize)> = (0..n).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for edges in 0u32..1 << pairs.len() {
        let mut graph = vec![0; n];
        for (at, (step, need)) in pairs.iter().enumerate() {
            graph[*step] |= ((edges >> at & 1) as u8) << need;
        }
        let shape = permutations(n)
            .iter()
            .map(|names| renamed(&graph, names))
            .min();
        if seen.insert(shape) {
            all.push(graph);
        }
    }
    all
}

/// Every way in which the graph's steps can end; of those that only swap steps
/// that stand alike, one.
fn endings(graph: &Graph, ends: &[End]) -> Vec<Vec<End>> {
    let n = graph.len();
    let mut same = permutations(n);
    same.retain(|names| renamed(graph, names) == *graph);
    let count = ends.len().pow(n as u32);
    let nth = |number: usize| -> Vec<End> {
        let digit = |at: u32| number / ends.len().pow(at) % ends.len();
        (0..n as u32).map(|at| ends[digit(at)]).collect()
    };
    let is_least = |chosen: &Vec<End>| {
        same.iter().all(|names| {
            let mut other = chosen.clone();
            for (step, end) in chosen.iter().enumerate() {
                other[names[step]] = *end;
            }
            *chosen <= other
        })
    };
    (0..count).map(nth).filter(is_least).collect()
}

fn plan(case: &Case) -> Arc<Plan> {
    let step = |(at, needs): (usize, &u8)| {
        let end = case.ends[at];
        let policy = Policy {
            retry: Retry {
                count: u32::from(end == End::Retried),
                delay: Duration::from_millis(5),
                ..Retry::default()
            },
            on_failure: case.on_failure,
            idempotent: end != End::InterruptedForGood,
            timeout: (end == End::TimesOut).then_some(Duration::from_millis(10)),
            ..Policy::default()
        };
        let needs = (0..case.graph.len()).filter(|need| needs >> need & 1 == 1);
        let action = Action::Command(Box::new(plans::command()));
        Step {
            needs: needs.map(StepIx::new).collect(),
            policy: Arc::new(policy),
            ..Step::new(format!("s{at}"), action)
        }
    };
    let steps = case.graph.iter().enumerate().map(step).collect();
    let mut plan = plans::empty(steps);
    plan.max_concurrency = NonZeroU32::new(2).expect("two");
    Arc::new(plan)
}

/// Tells the case to its end. Gives the number of commits it took, and how its
/// steps settled.
fn tell(case: &Case, crash: Option<Crash>, rules: Rules) -> (u64, Vec<Option<Outcome>>) {
    let plan = plan(case);
    let script = Script {
        ends: case.ends.iter().map(|end| end.exits()).collect(),
        crash: crash.map(|crash| (crash.commit, crash.made)),
        ..Script::default()
    };
    let shared = Shared::scripted(plan.clone(), script, rules);
    // The first word is to run it again, the next that it counts as done.
    let words = |lives: u32| Again {
        words: (0..4)
            .map(|step| (step + lives).is_multiple_of(2))
            .collect(),
        cancel: false,
    };
    let mut again = Again::default();
    for lives in 0.. {
        assert!(lives < 12, "it does not end");
        match lead(&shared, None, &again) {
            Life::Killed => {
                let crash = crash.expect("only a crash kills");
                let mut world = shared.0.borrow_mut();
                if crash.supervisors_die {
                    world.supervisors_die();
                }
                if crash.later {
                    let until = world.now + 15;
                    world.run_until(until);
                    world.now = until;
                }
                // XA09: a run whose end is recorded is over, whoever still knows it.
                if world.has_ended() {
                    break;
                }
                again = Again::default();
            }
            Life::NothingToDo => break,
            Life::NeedsWord => again = words(lives),
            Life::Ended => {
                let world = shared.0.borrow();
                let run = RunState::replay(plan.clone(), world.log()).expect("it replays");
                if run.needs_word().is_empty() {
                    break;
                }
                again = words(lives);
            }
            life => panic!("{life:?}"),
        }
    }
    let world = shared.0.borrow();
    check::story(&world);
    let run = RunState::replay(plan.clone(), world.log()).expect("it replays");
    let settled = plan.indices().map(|ix| run.step(ix).outcome()).collect();
    let script = world.script.as_ref().expect("a script");
    (script.commits, settled)
}

/// The case without a crash, then with one at each of its commits.
fn try_all(case: &Case, kinds: u64, counts: &mut (u64, u64)) {
    counts.0 += 1;
    let (commits, settled) = tell(case, None, Rules::ALL);
    // An abort, or a person who is asked, cuts off whatever happens to run.
    let comparable =
        case.on_failure != OnFailure::Abort && !case.ends.contains(&End::InterruptedForGood);
    // Of the eight kinds of crash the short form takes some, others at each commit.
    let kinds = if in_full() { 8 } else { kinds };
    let turns = (1..=commits).flat_map(|commit| (0..kinds).map(move |turn| (commit, turn)));
    for (commit, turn) in turns {
        let kind = counts.0 + commit + 3 * turn;
        let crash = Crash {
            commit,
            made: kind & 1 == 0,
            supervisors_die: kind & 2 == 0,
            later: kind & 4 == 0,
        };
        counts.1 += 1;
        let told = catch_unwind(|| {
            let (_, now) = tell(case, Some(crash), Rules::ALL);
            assert!(!comparable || now == settled, "{now:?}, not {settled:?}");
        });
        if let Err(payload) = told {
            eprintln!("the failing case is {case:?} with {crash:?}");
            std::panic::resume_unwind(payload);
        }
    }
}

fn all_of(n: usize, ends: &[End], policies: &[OnFailure], kinds: u64) {
    quiet_crashes();
    let mut counts = (0, 0);
    for graph in graphs(n) {
        for ends in endings(&graph, ends) {
            for &on_failure in policies {
                let case = Case {
                    graph: graph.clone(),
                    ends: ends.clone(),
                    on_failure,
                };
                try_all(&case, kinds, &mut counts);
            }
        }
    }
    println!("{n} steps: {} cases, {} crashes", counts.0, counts.1);
}

const POLICIES: [OnFailure; 3] = [
    OnFailure::SkipDependents,
    OnFailure::Continue,
    OnFailure::Abort,
];

/// All there is takes an hour in a build for debugging, and minutes in another.
fn in_full() -> bool {
    std::env::var_os("NIGHTLY").is_some() && !cfg!(debug_assertions)
}

/// The smallest scope is large enough for a broken promise to be seen in.
#[test]
fn two_steps_and_a_crash_show_that_exit_records_are_ignored() {
    quiet_crashes();
    let case = Case {
        graph: vec![0, 1],
        ends: vec![End::Well, End::Well],
        on_failure: OnFailure::SkipDependents,
    };
    let rules = Rules {
        exit_records_are_read: false,
        ..Rules::ALL
    };
    let (commits, _) = tell(&case, None, rules);
    HUSH.set(true);
    let noticed = (1..=commits).any(|commit| {
        let crash = Crash {
            commit,
            made: true,
            supervisors_die: false,
            later: true,
        };
        catch_unwind(|| tell(&case, Some(crash), rules)).is_err()
    });
    HUSH.set(false);
    assert!(noticed, "nobody notices");
}

#[test]
fn there_are_as_many_shapes_as_mathematics_says() {
    let counts = [1, 2, 3, 4].map(|n| graphs(n).len());
    assert_eq!(counts, [1, 2, 6, 31]);
    // Of three steps without an edge only how many end in each way counts.
    assert_eq!(endings(&vec![0, 0, 0], &ENDS).len(), 84);
}

/// XI02: in the short form with one policy and two kinds of crash.
#[test]
fn xi02_every_graph_of_up_to_three_steps_survives_a_crash_at_every_commit() {
    for n in 1..=3 {
        all_of(n, &ENDS, policies(), 2);
    }
}

/// XI02: in the short form with three ends, one policy and one kind of crash.
#[test]
fn xi02_every_graph_of_four_steps_survives_a_crash_at_every_commit() {
    let few = [End::Well, End::Fails, End::Interrupted];
    let ends: &[End] = if in_full() { &ENDS } else { &few };
    all_of(4, ends, policies(), 1);
}

fn policies() -> &'static [OnFailure] {
    if in_full() { &POLICIES } else { &POLICIES[..1] }
}
