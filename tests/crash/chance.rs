//! Kills at random moments, again and again, over a plan of many steps.
//!
//! The plan and the moments follow from a seed, which a failure names and
//! `SEED=…` repeats. How the kills meet the steps is still the machine's doing.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Test, nightly};
use crate::witness::{given, ledger, nothing_is_left, recorded, run_of, step, wrongs};

const STEPS: usize = 200;

/// Numbers that look like chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// How hard a story is.
struct Story {
    kills: u32,
    /// Between two kills, at most.
    pause_ms: u64,
    /// A step lasts from a fifth of this to all of it.
    step_ms: u64,
}

/// Each step needs up to three of the dozen before it.
fn dag(chance: &mut Chance, story: &Story) -> Vec<Value> {
    let name = |n: usize| format!("s{n}");
    let mut steps = Vec::new();
    for n in 0..STEPS {
        let near = n.min(12) as u64;
        let wanted = chance.below(4).min(near);
        let mut needs: Vec<String> = (0..wanted)
            .map(|_| name(n - 1 - chance.below(near) as usize))
            .collect();
        needs.sort();
        needs.dedup();
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let ms = story.step_ms / 5 + chance.below(story.step_ms * 4 / 5);
        steps.push(step(
            &name(n),
            &format!("{}.{:03}", ms / 1000, ms % 1000),
            &needs,
        ));
    }
    steps
}

/// How long the plan takes when nobody kills anything.
fn undisturbed(steps: &[Value]) -> Duration {
    let test = given(4, steps);
    let begun = Instant::now();
    let patience = Duration::from_secs(600);
    test.quintet(&["run", "plan.json", "-q"])
        .timeout(patience)
        .run();
    begun.elapsed()
}

/// False if it had ended by itself.
fn kill_if_it_lives(mut engine: Child) -> bool {
    let ended = engine.try_wait().expect("it can be waited for").is_some();
    // It is reaped only here, so nobody else has its process id.
    engine.kill().expect("it is ours");
    let status = engine.wait().expect("it can be waited for");
    assert!(!ended || status.success(), "it ended by itself: {status}");
    !ended && status.code().is_none()
}

/// Kills engines until the story is over; gives how many were killed.
fn kill_again_and_again(test: &Test, chance: &mut Chance, story: &Story) -> u32 {
    let mut args = vec!["run", "plan.json", "-q"];
    for killed in 0..story.kills {
        let engine = test
            .quintet(&args)
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program can be started");
        std::thread::sleep(Duration::from_millis(chance.below(story.pause_ms)));
        if !kill_if_it_lives(engine) {
            return killed;
        }
        if recorded(test).is_some() {
            args = vec!["resume", "-q"];
        }
    }
    story.kills
}

fn survives(seed: u64, story: &Story) {
    let mut chance = Chance(seed);
    let steps = dag(&mut chance, story);
    let usual = nightly().then(|| undisturbed(&steps));
    let test = given(4, &steps);
    let begun = Instant::now();
    let killed = kill_again_and_again(&test, &mut chance, story);
    if !run_of(&test).row.state.is_over() {
        test.quintet(&["resume", "-q"])
            .timeout(Duration::from_secs(600))
            .run();
    }
    let took = begun.elapsed();
    let mut wrong = wrongs(&test);
    let starts = ledger(&test).iter().filter(|l| l.what == "start").count();
    if starts != STEPS {
        // Only engines were killed: nothing that ran was disturbed.
        wrong.push(format!("{starts} starts of {STEPS} steps"));
    }
    assert!(wrong.is_empty(), "SEED={seed}: {}", wrong.join("; "));
    assert!(killed > story.kills / 2, "SEED={seed}: only {killed} kills");
    if let Some(usual) = usual {
        let most = usual.mul_f64(1.2) + Duration::from_millis(500) * killed;
        assert!(took <= most, "SEED={seed}: {took:?}, undisturbed {usual:?}");
    }
    nothing_is_left(&test);
}

/// XA05.
#[test]
fn xa05_two_hundred_steps_survive_engines_killed_at_random() {
    let (seeds, story) = match nightly() {
        true => (
            20,
            Story {
                kills: 50,
                pause_ms: 2000,
                step_ms: 1600,
            },
        ),
        false => (
            1,
            Story {
                kills: 12,
                pause_ms: 400,
                step_ms: 90,
            },
        ),
    };
    if let Ok(seed) = std::env::var("SEED") {
        return survives(seed.parse().expect("a number"), &story);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let first = now.expect("it is after 1970").as_secs();
    for seed in first..first + seeds {
        survives(seed, &story);
    }
}
