//! What an exit means for a step, and when a failed attempt is made again.
//!
//! Chance is an argument too: the delay's jitter follows from the run's seed,
//! so that replaying a run, or simulating it, gives the same delays.

use std::time::Duration;

use super::event::{Attempt, Exit};
use crate::plan::{Policy, Retry, Verdict};

/// What `exit` means for a step with this policy.
///
/// Only an exit the program chose can be anything but a failure: a table of
/// exit codes says nothing of signals, timeouts and programs that never ran.
pub fn verdict(policy: &Policy, exit: &Exit) -> Verdict {
    let said = exit.code().and_then(|code| policy.exit_codes.get(&code));
    said.copied().unwrap_or_else(|| plain_verdict(exit))
}

/// What `exit` means where nothing is said of exit codes.
pub fn plain_verdict(exit: &Exit) -> Verdict {
    match exit {
        Exit::Exited { code: 0 } => Verdict::Success,
        _ => Verdict::Failure,
    }
}

/// How long to wait before the attempt after `failed`, which was the
/// `nth` failure in a row (from 1).
pub fn delay(retry: &Retry, seed: u64, failed: Attempt, nth: u32) -> Duration {
    let chance = mix(seed ^ mix((failed.step.at() as u64) << 32 | u64::from(failed.number)));
    backoff(retry, chance, nth)
}

/// How long to wait after the `nth` failure in a row (from 1); of what chance has a
/// part in, `chance` decides.
pub fn backoff(retry: &Retry, chance: u64, nth: u32) -> Duration {
    let mut delay = retry.delay.as_millis() as f64;
    delay *= (f64::from(retry.factor_percent) / 100.0).powi(nth.saturating_sub(1).min(1000) as i32);
    if let Some(cap) = retry.cap {
        delay = delay.min(cap.as_millis() as f64);
    }
    // From -1 to 1.
    let swing = (chance >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    delay *= 1.0 + swing * f64::from(retry.jitter_percent.min(100)) / 100.0;
    // A year is as good as for ever, and keeps every sum far from overflow.
    const YEAR_MS: f64 = 365.0 * 86_400_000.0;
    Duration::from_millis(delay.clamp(0.0, YEAR_MS) as u64)
}

/// SplitMix64: spreads a number's bits evenly.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepIx;
    use crate::run::event::Role;

    fn attempt(number: u32) -> Attempt {
        Attempt {
            step: StepIx::new(3),
            number,
            role: Role::Main,
        }
    }

    #[test]
    fn delays_grow_by_the_factor_up_to_the_cap() {
        let retry = Retry {
            count: 5,
            delay: Duration::from_secs(2),
            factor_percent: 200,
            cap: Some(Duration::from_secs(10)),
            jitter_percent: 0,
        };
        let secs: Vec<u64> = (1..=5)
            .map(|nth| delay(&retry, 7, attempt(nth), nth).as_secs())
            .collect();
        assert_eq!(secs, [2, 4, 8, 10, 10]);
    }

    #[test]
    fn jitter_stays_in_its_band_and_follows_from_the_seed() {
        let retry = Retry {
            delay: Duration::from_secs(10),
            jitter_percent: 20,
            ..Retry::default()
        };
        let of = |seed| delay(&retry, seed, attempt(1), 1).as_millis();
        let all: Vec<u128> = (0..500).map(of).collect();
        assert!(all.iter().all(|ms| (8_000..=12_000).contains(ms)));
        assert!(all.iter().any(|ms| *ms < 8_500) && all.iter().any(|ms| *ms > 11_500));
        assert_eq!(of(42), of(42));
    }

    #[test]
    fn a_huge_factor_does_not_overflow() {
        let retry = Retry {
            delay: Duration::from_secs(3600),
            factor_percent: u32::MAX,
            ..Retry::default()
        };
        assert!(delay(&retry, 1, attempt(u32::MAX), u32::MAX) <= Duration::from_secs(366 * 86_400));
    }

    #[test]
    fn only_exit_codes_are_looked_up() {
        let mut policy = Policy::default();
        policy.exit_codes.insert(2, Verdict::Warning);
        policy.exit_codes.insert(0, Verdict::Failure);
        let exited = |code| verdict(&policy, &Exit::Exited { code });
        assert_eq!(exited(2), Verdict::Warning);
        assert_eq!(exited(0), Verdict::Failure);
        assert_eq!(exited(1), Verdict::Failure);
        let signal = Exit::Signaled {
            signal: 2,
            core: false,
        };
        assert_eq!(verdict(&policy, &signal), Verdict::Failure);
    }
}
