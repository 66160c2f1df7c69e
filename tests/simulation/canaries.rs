//! The world's own canaries: each of its refusals taken away in turn. What the
//! checker does not miss then, it does not check.

use std::panic::catch_unwind;

use crate::life::story;
use crate::world::Rules;
use crate::{HUSH, quiet_crashes};

/// XI02.
#[test]
fn xi02_every_refusal_that_the_engine_relies_on_is_missed() {
    quiet_crashes();
    let all = Rules::ALL;
    let canaries = [
        (
            "two engines allowed",
            Rules {
                one_owner: false,
                ..all
            },
        ),
        (
            "commits ask for no epoch",
            Rules {
                epoch_in_commits: false,
                ..all
            },
        ),
        (
            "slots ask for no epoch",
            Rules {
                epoch_in_slots: false,
                ..all
            },
        ),
        (
            "locks go free with the engine",
            Rules {
                locks_outlive_engines: false,
                ..all
            },
        ),
        (
            "exit records are ignored",
            Rules {
                exit_records_are_read: false,
                ..all
            },
        ),
        (
            "timeouts by the wall clock",
            Rules {
                timeouts_do_not_jump: false,
                ..all
            },
        ),
        (
            "resume reads the plan anew",
            Rules {
                plan_is_kept: false,
                ..all
            },
        ),
        (
            "acknowledged before durable",
            Rules {
                acknowledged_is_durable: false,
                ..all
            },
        ),
        (
            "what stands behind another begins after any end",
            Rules {
                behind_only_if_well: false,
                ..all
            },
        ),
    ];
    for (name, rules) in canaries {
        HUSH.set(true);
        let caught = (0..10_000).find_map(|seed| {
            let payload = catch_unwind(|| story(seed, rules)).err()?;
            let said = payload.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| payload.downcast_ref::<&str>().copied());
            Some((seed, said.unwrap_or_default().to_owned()))
        });
        HUSH.set(false);
        let (seed, said) = caught.unwrap_or_else(|| panic!("{name}: nobody notices"));
        println!("{name}: noticed with seed {seed}: {said}");
    }
}
