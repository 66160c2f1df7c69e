//! What to do next: every decision the product makes about a run.
//!
//! [`next`] is a function of the whole state. It does not know which event came
//! last, so a run that was cut off and replayed goes on exactly as it would
//! have; asked twice, it says the same twice. It reads queues that the fold
//! keeps (`places`), so a decision costs the same in a plan of ten steps and in
//! one of a hundred thousand.
//!
//! Nothing here acts. The engine records each command as its event, and only
//! then does the deed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ending::{end, roll_back, stop};
use super::event::{Attempt, Kind, Millis, Outcome, Reason, Role, RunOutcome, Stop, Stopping};
use super::facts::{self, Judged};
use super::failure::failing;
use super::freshness;
use super::order::Turn;
use super::state::{Probe, Queue, RunPhase, RunState, StepState, UndoState};
use crate::plan::{Action, OnRestart, StepIx};

/// What the core asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Look whether the step need run at all.
    Probe { step: StepIx },
    /// Let the log say that this attempt may start.
    Claim { attempt: Attempt, reason: Reason },
    /// Hand the attempt to its executor. Its claim is durable.
    Start { attempt: Attempt },
    /// Hand the attempt to its executor, to begin when another, which the
    /// executor has, has ended plainly. Its claim is durable.
    StartBehind { attempt: Attempt, first: Attempt },
    /// End the attempt early.
    Stop {
        attempt: Attempt,
        how: Stop,
        reason: Reason,
    },
    /// Ask a person whether the step may run.
    Ask { step: StepIx, question: String },
    /// Take this as the person's answer: there was none in time.
    Answer { step: StepIx, yes: bool, by: String },
    /// Make this attempt, not before the given time.
    Retry {
        attempt: Attempt,
        not_before: Millis,
        reason: Reason,
    },
    /// The step is over without, or after, its attempts.
    Settle {
        step: StepIx,
        outcome: Outcome,
        reason: Reason,
    },
    /// Let nothing new start.
    Halt { why: Stopping, reason: Reason },
    /// Take completed steps back.
    RollBack { reason: Reason },
    /// The step was taken back, or cannot be.
    Undone {
        step: StepIx,
        undone: bool,
        reason: Reason,
    },
    /// Run the steps that always run.
    CleanUp,
    /// The run is over.
    Finish { outcome: RunOutcome, reason: Reason },
}

impl Command {
    /// The event that records the command. Two have none of their own: looking
    /// changes nothing, and what follows from it is a command again; a start's
    /// record is the claim, and the executor says when the program begins.
    pub fn event(&self) -> Option<Kind> {
        Some(match self.clone() {
            Command::Claim { attempt, reason } => Kind::StepClaimed { attempt, reason },
            Command::Probe { .. } | Command::Start { .. } | Command::StartBehind { .. } => {
                return None;
            }
            Command::Stop {
                attempt,
                how,
                reason,
            } => Kind::StepStopping {
                attempt,
                how,
                reason,
            },
            Command::Ask { step, question } => Kind::StepAsked { step, question },
            Command::Answer { step, yes, by } => Kind::StepAnswered { step, yes, by },
            Command::Retry {
                attempt,
                not_before,
                reason,
            } => Kind::StepRetry {
                attempt,
                not_before,
                reason,
            },
            Command::Settle {
                step,
                outcome,
                reason,
            } => Kind::StepSettled {
                step,
                outcome,
                reason,
            },
            Command::Halt { why, reason } => Kind::RunStopping { why, reason },
            Command::RollBack { reason } => Kind::RollbackStarted { reason },
            Command::Undone {
                step,
                undone,
                reason,
            } => Kind::StepUndone {
                step,
                undone,
                reason,
            },
            Command::CleanUp => Kind::CleanupStarted,
            Command::Finish { outcome, reason } => Kind::RunFinished { outcome, reason },
        })
    }
}

/// At most this many decisions are returned at once, so that a layer of a
/// hundred thousand skipped steps does not keep a finished one waiting.
pub(super) const BATCH: usize = 1024;

/// Claims kept ahead of the slots. One commit of the log then allows many
/// starts, and no start waits for a commit of its own.
fn claims_ahead(slots: usize) -> usize {
    (8 * slots).max(256)
}

/// What to do now.
pub fn next(run: &RunState, now: Millis) -> Vec<Command> {
    let mut commands = Vec::new();
    match run.phase {
        RunPhase::Pending | RunPhase::Finished(_) => {}
        RunPhase::Running => match halt(run, now) {
            Some(halt) => commands.push(halt),
            None => go_on(run, now, &mut commands),
        },
        RunPhase::Stopping(why) => stop(run, now, why, &mut commands),
        RunPhase::RollingBack => roll_back(run, now, &mut commands),
        RunPhase::Cleanup => match give_up(run) {
            Some(halt) => commands.push(halt),
            None => go_on(run, now, &mut commands),
        },
    }
    commands
}

/// When to ask again although nothing happens; never, if `None`.
pub fn wake_at(run: &RunState, now: Millis) -> Option<Millis> {
    let due = match run.phase {
        RunPhase::Running | RunPhase::Cleanup => run.places.due.first().map(|(at, _)| *at),
        RunPhase::RollingBack => run
            .undoable
            .last()
            .and_then(|ix| match run.step(*ix).undo() {
                UndoState::Backoff { not_before, .. } => Some(*not_before),
                _ => None,
            }),
        _ => None,
    };
    let deadline = match run.phase {
        RunPhase::Running | RunPhase::Stopping(Stopping::Restart | Stopping::Abort) => {
            deadline(run)
        }
        _ => None,
    };
    [due, deadline]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.max(now))
}

/// Whether a free slot waits only for the log to be durable.
pub fn waits_for_log(run: &RunState) -> bool {
    let places = &run.places;
    let slots = run.plan.slots();
    if run.phase == RunPhase::RollingBack {
        return places.live.is_empty() && places.handed.is_empty() && run.durable < run.seq;
    }
    places.live.len() + places.handed.len() < slots
        && places.classes.iter().any(|class| {
            class
                .startable
                .iter()
                .any(|turn| match run.step(run.order.step(*turn)).state {
                    StepState::Claimed { claimed, .. } => !run.is_allowed(claimed),
                    _ => false,
                })
        })
}

fn deadline(run: &RunState) -> Option<Millis> {
    let limit = run.plan.deadline?;
    Some(run.started_at.saturating_add(limit.as_millis() as Millis))
}

/// So many engines may die in a row without bringing the run any further.
pub const MOST_LOST: u32 = 10;

/// Something in the run kills its engines: nothing more of it is started until
/// a person has looked.
fn give_up(run: &RunState) -> Option<Command> {
    let why = match run.phase {
        RunPhase::Running => Stopping::Abort,
        _ => Stopping::Kill,
    };
    let reason = Reason::EnginesLost { engines: run.lost };
    (run.lost >= MOST_LOST).then_some(Command::Halt { why, reason })
}

/// The reason to stop the whole run, if there is one.
pub(super) fn halt(run: &RunState, now: Millis) -> Option<Command> {
    if let (Some(at), Some(limit)) = (deadline(run), run.plan.deadline)
        && now >= at
    {
        let reason = Reason::Deadline { limit };
        let why = Stopping::Deadline;
        return Some(Command::Halt { why, reason });
    }
    if run.phase == RunPhase::Running
        && let Some(halt) = give_up(run)
    {
        return Some(halt);
    }
    let Some(step) = run.places.abort else {
        return restart(run);
    };
    let reason = match &run.step(step).state {
        StepState::Settled {
            reason: Some(reason),
            ..
        } if **reason == Reason::NotIdempotent => Reason::NotIdempotent,
        _ => Reason::CriticalFailure {
            step: run.plan[step].id.to_string(),
        },
    };
    let why = Stopping::Abort;
    Some(Command::Halt { why, reason })
}

/// The reason to stop for a restart: a step wants one, the plan says to wait for
/// it, and something is left to be done after it.
fn restart(run: &RunState) -> Option<Command> {
    let stops = run.plan.on_restart == OnRestart::Stop && !run.want_restart.is_empty();
    if !stops || run.places.unsettled.is_empty() {
        return None;
    }
    let ids = run.want_restart.iter();
    let engine = run.engine.as_ref()?;
    Some(Command::Halt {
        why: Stopping::Restart,
        reason: Reason::RestartRequired {
            steps: ids.map(|ix| run.plan[*ix].id.to_string()).collect(),
            boot: engine.boot.clone(),
        },
    })
}

/// The ordinary course: decide, start, claim; or find that all is done.
fn go_on(run: &RunState, now: Millis, commands: &mut Vec<Command>) {
    decide(run, now, commands);
    start(run, commands);
    claim(run, now, commands);
    if commands.is_empty() && is_idle(run) && may_end(run) {
        commands.push(match run.places.unsettled.is_empty() {
            true => end(run),
            false => stuck(run),
        });
    }
}

/// Nothing is under way that could move the run.
fn is_idle(run: &RunState) -> bool {
    let places = &run.places;
    // What is claimed may start when the pause is over.
    let waits = run.paused && !places.claims.is_empty();
    !waits && places.live.is_empty() && places.handed.is_empty() && places.claims.iter().all(|ix| {
        // One that may begin and was not started now never will be.
        matches!(run.step(*ix).state, StepState::Claimed { claimed, .. } if run.is_allowed(claimed))
    }) && places.due.is_empty() && !places.unsettled.iter().any(|ix| {
        matches!(
            run.step(*ix).state,
            StepState::Asked { .. } | StepState::Blocked { .. }
        ) || run.step(*ix).probe == Probe::Out
    })
}

/// A run whose end could not be written down waits with it, and is over once it
/// can be. Only where somebody, or its deadline, wants it to be over now, it is.
pub(super) fn may_end(run: &RunState) -> bool {
    !run.paused || run.is_told_to_end()
}

/// No plan that passed validation comes here; if one does, it ends with a
/// diagnosis and does not hang.
fn stuck(run: &RunState) -> Command {
    let waiting = run.places.unsettled.iter().take(20);
    Command::Halt {
        why: match run.phase {
            RunPhase::Running => Stopping::Abort,
            _ => Stopping::Kill,
        },
        reason: Reason::Stuck {
            steps: waiting.map(|ix| run.plan[*ix].id.to_string()).collect(),
        },
    }
}

/// Decisions that need no free slot.
fn decide(run: &RunState, now: Millis, commands: &mut Vec<Command>) {
    for &ix in run.places.todo.iter().take(BATCH) {
        let command = match run.step(ix).state {
            StepState::Failing { role, attempt } => failing(run, ix, role, attempt, now),
            _ => turn(run, ix),
        };
        commands.extend(command);
    }
}

/// What a step's turn has come to, where it is not simply to run.
fn turn(run: &RunState, ix: StepIx) -> Option<Command> {
    let step = &run.plan[ix];
    let record = run.step(ix);
    let settle = |outcome, reason| {
        Some(Command::Settle {
            step: ix,
            outcome,
            reason,
        })
    };
    if let Some(blocker) = run.blocker(ix)
        && !step.policy.always
    {
        let reason = Reason::Dependency {
            step: run.plan[blocker].id.to_string(),
            outcome: run.step(blocker).outcome().unwrap_or(Outcome::Failed),
        };
        return settle(Outcome::Skipped, reason);
    }
    if let Some(principal) = step.fallback_of.filter(|_| run.fallback_not_needed(ix)) {
        let step = run.plan[principal].id.to_string();
        return settle(Outcome::Skipped, Reason::FallbackNotNeeded { step });
    }
    if let Some(by) = &record.declined {
        let by = by.to_string();
        return settle(Outcome::Skipped, Reason::Declined { by });
    }
    if let Some(when) = &step.when {
        let text = when.text().to_owned();
        match facts::judge(run, ix, when) {
            Judged::Holds => {}
            Judged::Fails(because) => {
                return settle(Outcome::Skipped, Reason::Condition { text, because });
            }
            Judged::Broken(because) => {
                return settle(Outcome::Failed, Reason::Condition { text, because });
            }
        }
    }
    if step.action == Action::Group {
        return settle(Outcome::Succeeded, Reason::Ready);
    }
    if let Some(missing) = facts::missing_output(run, ix) {
        return settle(Outcome::Failed, missing);
    }
    if run.is_cached(ix) {
        match record.probe {
            Probe::None => return Some(Command::Probe { step: ix }),
            // Nobody is asked about a step that need not run.
            Probe::Out => return None,
            Probe::Told(_) => {}
        }
        if let Some((outcome, reason)) = freshness::settles(run, ix) {
            return settle(outcome, reason);
        }
    }
    let question = step.confirm.as_ref().filter(|_| !record.confirmed)?;
    Some(Command::Ask {
        step: ix,
        question: question.to_string(),
    })
}

/// Hands claimed steps whose turn it is to the executor.
fn start(run: &RunState, commands: &mut Vec<Command>) {
    if run.paused {
        return;
    }
    let places = &run.places;
    let slots = run.plan.slots();
    // Where a step's success may stop the run, nothing stands ready behind it.
    let ahead = run.plan.on_restart == OnRestart::Continue;
    let most = if ahead { 2 * slots } else { slots };
    let mut busy = places.live.len() + places.handed.len();
    let mut used: Vec<u32> = places.used.iter().map(|(_, used)| *used).collect();
    for (class, ix) in in_order(run, |class| &class.startable) {
        // A slot is handed its next step before it asks, so that it never
        // stands idle for the time it takes to ask. What occupies something is
        // not, since it would occupy it while it only waits; nor what must not
        // simply be made again.
        let room = if class == 0 { most } else { slots };
        if busy >= most || (busy >= slots && run.order.lasts(ix)) {
            break;
        }
        let StepState::Claimed {
            role,
            attempt,
            claimed,
        } = run.step(ix).state
        else {
            continue;
        };
        if !run.is_allowed(claimed) || busy >= room || !take(run, class, &mut used) {
            continue;
        }
        busy += 1;
        commands.push(Command::Start {
            attempt: Attempt {
                step: ix,
                number: attempt,
                role,
            },
        });
    }
    if run.queues_behind && ahead {
        start_behind(run, most, busy, commands);
    }
}

/// Hands over what waits only for a step that the executor has: a chain of short
/// steps then costs no word to the engine between one and the next. Short ones,
/// since what stands in line goes before all that becomes ready meanwhile.
fn start_behind(run: &RunState, most: usize, busy: usize, commands: &mut Vec<Command>) {
    let durable = |turn: &Turn| {
        let step = run.order.step(*turn);
        let first = run.goes_behind(step)?;
        let StepState::Claimed {
            role,
            attempt,
            claimed,
        } = run.step(step).state
        else {
            return None;
        };
        let brief = !run.order.lasts(step) && !run.order.lasts(first);
        (run.is_allowed(claimed) && brief).then_some(Command::StartBehind {
            attempt: Attempt {
                step,
                number: attempt,
                role,
            },
            first: Attempt {
                step: first,
                number: run.step(first).attempts,
                role: Role::Main,
            },
        })
    };
    let room = most.saturating_sub(busy);
    // What is not durable yet will be soon; nothing is gained by looking further.
    let in_line = run.places.behind.iter().take(room.min(BATCH));
    commands.extend(in_line.filter_map(durable));
}

/// Claims what may soon start.
fn claim(run: &RunState, now: Millis, commands: &mut Vec<Command>) {
    let slots = run.plan.slots();
    for (_, ix) in run
        .places
        .due
        .iter()
        .take_while(|(at, _)| *at <= now)
        .take(BATCH)
    {
        let record = run.step(*ix);
        let StepState::Backoff { role, attempt, .. } = record.state else {
            commands.extend(unanswered(run, *ix));
            continue;
        };
        // What it looks at is to be known before it runs, or its success could
        // not be remembered.
        let looks = role == Role::Main && run.is_cached(*ix) && record.probe == Probe::None;
        commands.push(match looks {
            true => Command::Probe { step: *ix },
            false => Command::Claim {
                attempt: Attempt {
                    step: *ix,
                    number: attempt,
                    role,
                },
                reason: Reason::Ready,
            },
        });
    }
    claim_sparingly(run, slots, commands);
    let places = &run.places;
    let may_start = places.classes.iter().map(|class| class.startable.len());
    let may_start: usize = may_start.sum();
    let refill = Refill {
        window: claims_ahead(slots),
        next: places.classes[0].startable.first().copied(),
    };
    for turn in refill.of(&places.classes[0].ready, may_start) {
        commands.push(claim_in_turn(run, run.order.step(turn)));
    }
    for turn in refill.of(&places.ahead, places.claims.len().saturating_sub(may_start)) {
        commands.push(claim_of(run, run.order.step(turn), Reason::Ahead));
    }
}

/// Nobody has answered for too long: what counts then.
fn unanswered(run: &RunState, ix: StepIx) -> Option<Command> {
    let approval = run.plan[ix].policy.approval?;
    matches!(run.step(ix).state, StepState::Asked { .. }).then(|| Command::Answer {
        step: ix,
        yes: approval.otherwise,
        by: "nobody answered in time".to_owned(),
    })
}

/// How claims of one kind are kept up.
struct Refill {
    /// So many are held, of those that may start and of those that may soon.
    window: usize,
    /// The claimed step that starts next.
    next: Option<Turn>,
}

impl Refill {
    /// What of a queue to claim, where so many of its kind are held. Only when
    /// half of them are used up, so that one commit carries many claims; but
    /// what goes before all that may start does not wait for that.
    fn of<'a>(&self, queue: &'a Queue, held: usize) -> impl Iterator<Item = Turn> + 'a {
        let low = held <= self.window / 2;
        let most = if low { self.window } else { 2 * self.window };
        let next = self.next;
        let goes_first = move |turn: &Turn| low || next.is_some_and(|next| *turn < next);
        let turns = queue.iter().copied().take_while(goes_first);
        turns.take(most.saturating_sub(held))
    }
}

/// Claims steps that are not of class 0, only as many as could start at once:
/// claims of steps that cannot start would crowd out those that can.
fn claim_sparingly(run: &RunState, slots: usize, commands: &mut Vec<Command>) {
    if run.places.classes.len() == 1 {
        return;
    }
    let mut used: Vec<u32> = run.places.used.iter().map(|(_, used)| *used).collect();
    let mut held = 0;
    for (number, class) in run.places.classes.iter().enumerate().skip(1) {
        for _ in &class.startable {
            take(run, number, &mut used);
            held += 1;
        }
    }
    for (class, ix) in in_order(run, |class| &class.ready) {
        if held >= slots {
            break;
        }
        if class != 0 && take(run, class, &mut used) {
            held += 1;
            commands.push(claim_in_turn(run, ix));
        }
    }
}

/// The claim of a step whose turn it is, and why it runs.
fn claim_in_turn(run: &RunState, ix: StepIx) -> Command {
    let reason = freshness::stale(run, ix).map_or(Reason::Ready, Reason::Stale);
    claim_of(run, ix, reason)
}

fn claim_of(run: &RunState, step: StepIx, reason: Reason) -> Command {
    Command::Claim {
        attempt: Attempt {
            step,
            number: run.step(step).attempts + 1,
            role: Role::Main,
        },
        reason,
    }
}

/// Takes what a class of steps occupies, if all of it is free.
fn take(run: &RunState, class: usize, used: &mut [u32]) -> bool {
    let wants = &run.places.classes[class].wants;
    let fits = |(name, units): &(usize, u32)| used[*name] + units <= run.places.used[*name].0;
    if !wants.iter().all(fits) {
        return false;
    }
    for (name, units) in wants {
        used[*name] += units;
    }
    true
}

/// The steps of all classes' queues in the order in which they go. Costs as
/// much as there are classes, of which even large plans have few.
fn in_order<'a>(
    run: &'a RunState,
    queue: impl Fn(&'a super::places::Class) -> &'a Queue,
) -> impl Iterator<Item = (usize, StepIx)> + 'a {
    let mut queues: Vec<_> = run
        .places
        .classes
        .iter()
        .map(|class| queue(class).iter())
        .collect();
    let mut heads: BinaryHeap<_> = queues
        .iter_mut()
        .enumerate()
        .filter_map(|(class, queue)| Some(Reverse((*queue.next()?, class))))
        .collect();
    std::iter::from_fn(move || {
        let Reverse((turn, class)) = heads.pop()?;
        if let Some(head) = queues[class].next() {
            heads.push(Reverse((*head, class)));
        }
        Some((class, run.order.step(turn)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Event;
    use crate::view::testing::{self, Story, exited};

    /// P15: the checks of a plan refuse this one; if another slipped through
    /// them, its run would end with a diagnosis all the same, and not hang.
    #[test]
    fn p15_a_run_in_which_nothing_can_happen_ends_with_a_diagnosis() {
        let mut plan = testing::plan(&["a", "b: a", "c: b"]);
        plan.steps[2].fallback_of = Some(StepIx::new(0));
        let story = Story::of(plan, |id, _| (exited(i32::from(id == "a")), 1));
        assert_eq!(*story.run.phase(), RunPhase::Finished(RunOutcome::Failed));
        let Some(Reason::Stuck { steps }) = story.run.ended_because() else {
            panic!("{:?}", story.run.ended_because());
        };
        assert_eq!(*steps, ["b", "c"]);
    }

    #[test]
    fn asked_twice_it_says_the_same_twice() {
        let plan = testing::plan(&["a", "b: a", "c: a", "d: b c", "e"]);
        let story = Story::of(plan.clone(), |_, _| (exited(0), 5));
        let mut run = RunState::new(story.run.plan().clone());
        for event in &story.events {
            run.apply(event).expect("a legal story");
            assert_eq!(next(&run, event.at), next(&run, event.at));
            let again = run.clone();
            assert_eq!(next(&run, event.at), next(&again, event.at));
        }
    }

    /// The run as these first events tell it, after so many more engines that
    /// did nothing but die.
    fn resumed(story: &Story, upto: usize, engines: u32) -> RunState {
        let mut run = RunState::new(story.run.plan().clone());
        for event in &story.events[..upto] {
            run.apply(event).expect("a legal story");
        }
        for _ in 0..engines {
            let mut engine = run.engine().expect("it has begun").clone();
            engine.epoch += 1;
            let event = Event {
                seq: run.seq() + 1,
                at: run.last_at(),
                kind: Kind::RunResumed { engine },
            };
            run.apply(&event).expect("engines may follow each other");
        }
        run.acknowledge(run.seq());
        run
    }

    fn gives_up(run: &RunState) -> bool {
        let lost = |command: &Command| {
            matches!(command, Command::Halt { reason: Reason::EnginesLost { engines }, .. }
                if *engines == run.engines_lost())
        };
        next(run, run.last_at()).iter().any(lost)
    }

    /// A resume that kills its engine ten times over goes to quarantine (XA04).
    #[test]
    fn xa04_ten_engines_lost_in_a_row_are_enough_and_any_progress_begins_the_count_anew() {
        let plan = testing::plan(&["a", "b: a"]);
        let story = Story::of(plan, |_, _| (exited(0), 5));
        let claimed = 1 + position(&story, |kind| matches!(kind, Kind::StepClaimed { .. }));
        let finished = 1 + position(&story, |kind| matches!(kind, Kind::StepFinished { .. }));
        assert!(!gives_up(&resumed(&story, claimed, 9)));
        assert!(gives_up(&resumed(&story, claimed, 10)));
        assert!(gives_up(&resumed(&story, claimed, 25)));
        // The engine that saw the end of a was of use; those after it were not.
        assert!(!gives_up(&resumed(&story, finished, 10)));
        assert!(gives_up(&resumed(&story, finished, 11)));
    }

    fn position(story: &Story, is: impl Fn(&Kind) -> bool) -> usize {
        let found = story.events.iter().position(|event| is(&event.kind));
        found.expect("it is part of the story")
    }
}
