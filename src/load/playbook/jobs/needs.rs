//! Jobs behind those that they need.

use std::collections::BTreeMap;

use crate::plan::build::quoted;
use crate::plan::name::{folded, nearest};
use crate::plan::problem::{Problem, Problems};

use super::Job;

/// How far a job has been followed.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Unseen,
    Open,
    Done,
}

/// The jobs in an order in which each stands behind all that it needs, and else
/// in that of the file.
///
/// A need that no job fulfils and a circle are reported; with a circle no jobs
/// are left, for there is no such order.
pub(super) fn in_order(jobs: Vec<Job>, problems: &mut Problems) -> Vec<Job> {
    let edges = edges(&jobs, problems);
    let mut states = vec![State::Unseen; jobs.len()];
    let mut order = Vec::new();
    for first in 0..jobs.len() {
        if let Err(circle) = follow(first, &edges, &mut states, &mut order) {
            problems.push(told(&circle, &jobs));
            return Vec::new();
        }
    }
    let mut places = vec![0; jobs.len()];
    for (place, job) in order.iter().enumerate() {
        places[*job] = place;
    }
    let mut placed: Vec<(usize, Job)> = places.into_iter().zip(jobs).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, job)| job).collect()
}

/// Which jobs each job needs.
fn edges(jobs: &[Job], problems: &mut Problems) -> Vec<Vec<usize>> {
    let mut keys = BTreeMap::new();
    for (ix, job) in jobs.iter().enumerate() {
        keys.entry(folded(&job.key.value)).or_insert(ix);
    }
    let mut edges = Vec::new();
    for job in jobs {
        let mut needed = Vec::new();
        for need in &job.needs {
            match keys.get(&folded(&need.value)) {
                Some(ix) => needed.push(*ix),
                None => {
                    let (key, need_) = (quoted(&job.key.value), quoted(&need.value));
                    let message = format!("job {key} needs {need_}, which does not exist");
                    let problem = Problem::error(message).at(need.at, "no job has this name");
                    let names = jobs.iter().map(|job| &*job.key.value);
                    problems.push(match nearest(&need.value, names) {
                        Some(near) => problem.help(format!("did you mean {}?", quoted(near))),
                        None => problem,
                    });
                }
            }
        }
        edges.push(needed);
    }
    edges
}

/// Adds a job to the order behind all that it needs, without recursion: there may
/// be as many in a row as there are jobs.
///
/// # Errors
/// The jobs of a circle, each needing the next.
fn follow(
    first: usize,
    edges: &[Vec<usize>],
    states: &mut [State],
    order: &mut Vec<usize>,
) -> Result<(), Vec<usize>> {
    if states[first] == State::Done {
        return Ok(());
    }
    states[first] = State::Open;
    let mut path = vec![(first, 0)];
    while let Some((job, next)) = path.last_mut() {
        let Some(needed) = edges[*job].get(*next).copied() else {
            states[*job] = State::Done;
            order.push(*job);
            path.pop();
            continue;
        };
        *next += 1;
        match states[needed] {
            State::Done => {}
            State::Unseen => {
                states[needed] = State::Open;
                path.push((needed, 0));
            }
            State::Open => {
                let circle = path.iter().map(|(job, _)| *job);
                return Err(circle.skip_while(|job| *job != needed).collect());
            }
        }
    }
    Ok(())
}

/// The problem of a circle, with the place of each of its edges.
fn told(circle: &[usize], jobs: &[Job]) -> Problem {
    let key = |job: usize| quoted(&jobs[job].key.value);
    let chain: Vec<String> = circle.iter().map(|job| key(*job)).collect();
    let first = circle.first().copied().unwrap_or_default();
    let message = match circle {
        [_] => format!("job {} needs itself", key(first)),
        _ => format!(
            "jobs need each other: {} → {}",
            chain.join(" → "),
            key(first)
        ),
    };
    let mut problem = Problem::error(message);
    for (at, job) in circle.iter().enumerate() {
        let next = circle.get(at + 1).copied().unwrap_or(first);
        let wanted = folded(&jobs[next].key.value);
        let need = jobs[*job]
            .needs
            .iter()
            .find(|need| folded(&need.value) == wanted);
        let Some(need) = need else { continue };
        let label = format!("{} needs {}", key(*job), key(next));
        problem = match problem.at {
            None => problem.at(need.at, label),
            Some(_) => problem.also(need.at, label),
        };
    }
    problem.help("remove one of these needs")
}
