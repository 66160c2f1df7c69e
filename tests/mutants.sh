#!/bin/sh
# Breaks the code on purpose, one law at a time, and expects the simulation to
# notice. A law that no broken code can violate was never a law.
#
#   tests/mutants.sh          every mutant
#   tests/mutants.sh NAME...  these
#
# Works on a copy; about half a minute each, so it runs nightly.
set -eu
cd "$(dirname "$0")/.."
copy=target/mutants
mkdir -p "$copy"
survivors=0

# mutant NAME FILE SED-SCRIPT: the script must change the file.
mutant() {
    case " $wanted " in "  " | *" $1 "*) ;; *) return 0 ;; esac
    rm -rf "$copy/tree"
    mkdir -p "$copy/tree"
    cp -r Cargo.toml Cargo.lock src tests "$copy/tree/"
    sed -i.orig "$3" "$copy/tree/$2"
    if cmp -s "$copy/tree/$2" "$copy/tree/$2.orig"; then
        echo "STALE     $1: $2 has no such line any more"
        survivors=$((survivors + 1))
        return 0
    fi
    rm "$copy/tree/$2.orig"
    if ! (cd "$copy/tree" && CARGO_TARGET_DIR=../build cargo test -q --test simulation --no-run >../log 2>&1); then
        echo "BROKEN    $1: does not compile, see $copy/log"
        survivors=$((survivors + 1))
    elif (cd "$copy/tree" && SEEDS=10000 RUST_BACKTRACE=0 CARGO_TARGET_DIR=../build timeout 300 \
        cargo test -q --test simulation no_story >../log 2>&1); then
        echo "SURVIVED  $1"
        survivors=$((survivors + 1))
    else
        echo "caught    $1: $(grep -m1 -A1 panicked "$copy/log" | tail -n 1 | cut -c1-100)"
    fi
}

wanted="$*"
mutant effect-before-commit src/run/schedule.rs \
    's/if claimed > run.durable || /if /'
mutant interrupted-is-failed src/run/fold.rs \
    's/if \*reason == Reason::Interrupted {/if false {/'
mutant not-idempotent-is-repeated src/run/schedule.rs \
    's/Exit::Interrupted if !policy.idempotent/Exit::Interrupted if false/'
mutant retries-forgotten src/run/fold.rs \
    's/record.attempts = attempt.number;/record.attempts = attempt.number; record.forgiven = attempt.number;/'
mutant skip-not-transitive src/run/places.rs \
    's/| Reason::FallbackNotNeeded { .. }/| Reason::FallbackNotNeeded { .. } | Reason::Dependency { .. }/'
mutant edge-dropped src/plan/graph.rs \
    's/offsets\[ix.at()\] as usize\.\./offsets[ix.at()] as usize + usize::from(ix.at() == 3 \&\& self.offsets[4] > self.offsets[3])../'
mutant pool-leaked src/run/places.rs \
    's/used - units/used - units * u32::from(units % 2 == 0)/'
mutant pool-ignored src/run/schedule.rs \
    's/if !wants.iter().all(fits) {/if false \&\& !wants.iter().all(fits) {/'
mutant slots-ignored src/run/schedule.rs \
    's/2 \* slots/9 * slots/'
mutant success-run-again src/run/fold.rs \
    's/if kept || /if /'
mutant starts-after-cancel src/run/schedule.rs \
    's/RunPhase::Stopping(why) => stop(run, now, why, \&mut commands),/RunPhase::Stopping(why) => { start(run, \&mut commands); stop(run, now, why, \&mut commands) }/'
mutant found-record-ignored src/engine/mod.rs \
    's/Found::Finished(done) => self.finish(attempt, done),/Found::Finished(_) => self.interrupted(attempt),/'
mutant alive-taken-for-dead src/engine/mod.rs \
    's/Found::Alive => self.record(Kind::StepStarted { attempt }),/Found::Alive => self.interrupted(attempt),/'
mutant silence-believed-after-boot src/engine/mod.rs \
    's/Found::NeverRan if self.run.claimed_before_boot(attempt)/Found::NeverRan if false/'
mutant queues-drift src/run/places.rs \
    's/Place::Due(at) => drop(self.due.remove(&(at, ix))),/Place::Due(_) => {}/'
mutant fallback-always src/run/places.rs \
    's/outcome() != Some(Outcome::Failed)/outcome() == Some(Outcome::Canceled)/'

[ "$survivors" = 0 ] || { echo "$survivors mutants are not caught"; exit 1; }
