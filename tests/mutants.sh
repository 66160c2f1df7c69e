#!/bin/sh
# Breaks the code on purpose, one law at a time, and expects a test to notice. A
# law that no broken code can violate was never a law.
#
#   tests/mutants.sh          every mutant
#   tests/mutants.sh NAME...  these
#
# Most laws are the core's, and the simulation must notice within 10,000 seeds;
# where a law is kept by the real executor or store, one fast test of theirs
# must. Works on a copy; about half a minute each, so it runs nightly.
set -eu
cd "$(dirname "$0")/.."
copy=target/mutants
mkdir -p "$copy"
survivors=0
wanted="$*"

sim='simulation no_story'

# mutant NAME FILE SED-SCRIPT [TEST]: the script must change the file, and TEST
# (a test target and a filter) must fail then.
mutant() {
    case " $wanted " in "  " | *" $1 "*) ;; *) return 0 ;; esac
    rm -rf "$copy/tree"
    mkdir -p "$copy/tree"
    cp -r .cargo Cargo.toml Cargo.lock README.md src tests bench demo schema examples "$copy/tree/"
    sed -i.orig "$3" "$copy/tree/$2"
    if cmp -s "$copy/tree/$2" "$copy/tree/$2.orig"; then
        echo "STALE     $1: $2 has no such line any more"
        survivors=$((survivors + 1))
        return 0
    fi
    rm "$copy/tree/$2.orig"
    set -- "$1" ${4:-$sim}
    case $2 in
    lib) target=--lib ;;
    *) target="--test $2" ;;
    esac
    if ! build "$target"; then
        echo "BROKEN    $1: does not compile, see $copy/log"
        survivors=$((survivors + 1))
    elif check "$target" "$3"; then
        echo "SURVIVED  $1 ($2 $3)"
        survivors=$((survivors + 1))
    else
        echo "caught    $1: $(said)"
    fi
}

build() {
    (cd "$copy/tree" && CARGO_TARGET_DIR=../build cargo test -q $1 --no-run >../log 2>&1)
}

check() {
    (cd "$copy/tree" && SEEDS=10000 RUST_BACKTRACE=0 CARGO_TARGET_DIR=../build \
        timeout 300 cargo test -q $1 "$2" >../log 2>&1)
}

# What the test said: its message, and the seed if there is one.
said() {
    seed=$(grep -m1 -o 'SEED=[0-9]*' "$copy/log" || true)
    echo "$seed $(grep -m1 -A1 panicked "$copy/log" | tail -n 1 | cut -c1-90)"
}

# The twelve canaries.

# 1. The effect before the commit.
mutant effect-before-commit src/run/schedule.rs \
    's/if !run.is_allowed(claimed) || /if /'
mutant cleanup-before-commit src/run/state.rs \
    's/claimed.max(self.cleanup) <= self.durable/claimed <= self.durable/'
mutant undo-before-commit src/run/ending.rs \
    's/if \*claimed <= run.durable \&\& /if /'
# 2. The epoch check forgotten: in commits, in slots, by whoever takes slots over.
mutant commit-of-any-epoch src/store/commit.rs \
    's/if current == self.epoch {/if true {/' 'lib xa10_an_owner'
mutant slot-of-any-epoch src/exec/process/slot.rs \
    's/if directory.epochs()?.last().map(|(last, _)| \*last) != Some(setup.epoch) {/if false {/' \
    'executor xa10_an_engine'
mutant takes-over-in-any-epoch src/exec/process/recover.rs \
    's/local.directory.still_belongs_to(local.config.epoch)?;//' 'executor xa10_an_engine'
mutant epoch-used-twice src/exec/process/files.rs \
    's/\*last >= epoch)/*last > 1000 + epoch)/' 'executor xa10_an_engine'
# 3. Interrupted treated as failed.
mutant interrupted-is-failed src/run/fold.rs \
    's/record.forgiven += interrupted;/let _ = interrupted;/'
mutant not-idempotent-is-repeated src/run/failure.rs \
    's/return match policy.idempotent {/return match true {/'
# 4. The lock freed at the engine's death: not handed to the supervisor; not kept by it.
mutant lock-stays-with-engine src/engine/mod.rs \
    's/self.context.job(\&self.run, attempt, locks)/self.context.job(\&self.run, attempt, { let _held = locks; Vec::new() })/'
mutant lock-dropped-by-supervisor src/exec/process/attempt.rs \
    's/_locks: job.locks,/_locks: Vec::new(),/' 'executor running_steps_outlive'
# Whoever comes along takes what is free; a place in the queue that is never left.
mutant locks-first-come-whatever src/engine/lock.rs \
    's/match ahead(\&file, ticket, \&not_ahead).map_err(io)? {/match None::<Ticket> {/' 'locks xe08_opposite'
mutant lock-place-kept src/engine/lock/waiting.rs \
    's/(None, _) => drop(self.places.remove(path)),/(None, _) => {}/' 'lib xe08_who_comes_later'
# 5. Timeouts by the wall clock; an engine's time that follows it.
mutant timeout-by-wall-clock src/exec/process/attempt.rs \
    's/Phase::Runs => self.timeout.and_then(|t| self.clock.began.checked_add(t)),/Phase::Runs => self.timeout.map(|t| match (self.clock.started_at + t.as_millis() as Millis).saturating_sub(Clock::start().started_at) { 0 => self.clock.began, left => Instant::now() + Duration::from_millis(left) }),/' \
    'executor xe04'
mutant time-goes-back src/engine/clock.rs \
    's/start: wall.max(after),/start: wall.max(after.min(1)),/'
mutant timeout-forgotten src/engine/job.rs \
    's/^            timeout,$/            timeout: timeout.filter(|_| attempt.number < 2),/'
# 6. The retry counter lost on resume.
mutant retries-lost-on-resume src/run/fold.rs \
    's/if record.handed || record.stopping.is_some() || record.probe/record.forgiven = record.attempts; &/'
mutant retries-forgotten src/run/fold.rs \
    's/_ => record.attempts = attempt.number,/_ => { record.attempts = attempt.number; record.forgiven = attempt.number; }/'
mutant back-off-ignored src/run/failure.rs \
    's/now + retry::delay(retry, run.seed, failed, nth).as_millis() as Millis/now + retry::delay(retry, run.seed, failed, nth).as_millis() as Millis \/ 2/'
# 7. Resume reads the plan anew.
mutant plan-read-anew src/engine/session.rs \
    's/let plan = Arc::new(store.plan(run_id)?);/let plan = Arc::new({ let cwd = std::env::current_dir().unwrap_or_default().display().to_string(); let request = crate::load::Request { cwd, ..Default::default() }; crate::load::load(std::path::Path::new("plan.json"), \&request).map_or(store.plan(run_id)?, |loaded| loaded.plan) });/' \
    'rows_between p29_xa12'
# 8. A skip that is not passed on.
mutant skip-not-transitive src/run/places.rs \
    's/| Reason::FallbackNotNeeded { .. }/| Reason::FallbackNotNeeded { .. } | Reason::Dependency { .. }/'
# 9. Two engines allowed.
mutant two-engines src/store/own.rs \
    's/if !range_lock::try_lock(\&file, OWNED).map_err(io)? {/if false {/' 'store xe01'
# 10. An exit record ignored: by the engine, by the executor.
mutant found-record-ignored src/engine/mod.rs \
    's/Found::Finished(done) => self.finish(attempt, done),/Found::Finished(_) => self.interrupted(attempt),/'
mutant exit-record-ignored src/exec/process/recover.rs \
    's/Record::Ended { done, .. } => return Ok(Found::Finished(done.clone())),/Record::Ended { .. } => return Ok(Found::Interrupted),/' \
    'executor a_step_that_ends_while_no_engine_lives'
# 11. A slot of a pool leaked.
mutant pool-leaked src/run/places.rs \
    's/used - units/used - units * u32::from(units % 2 == 0)/'
mutant pool-ignored src/run/schedule.rs \
    's/if !wants.iter().all(fits) {/if false \&\& !wants.iter().all(fits) {/'
# 12. An edge dropped.
mutant edge-dropped src/plan/graph.rs \
    's/offsets\[ix.at()\] as usize\.\./offsets[ix.at()] as usize + usize::from(ix.at() == 3 \&\& self.offsets[4] > self.offsets[3])../'

# And others.

mutant failed-log-believed src/engine/standstill.rs \
    's/match self.log.durable() {/match Ok::<_, LogError>(self.log.durable().unwrap_or(self.run.seq())) {/'
mutant last-flush-not-asked src/engine/standstill.rs \
    's/match self.log.flush() {/match self.log.flush().or(Ok::<(), LogError>(())) {/'
mutant paused-and-yet-it-starts src/engine/standstill.rs \
    's/self.executor.pause();//'
mutant stop-that-was-lost-is-believed src/run/failure.rs \
    's/(Exit::Canceled { .. } | Exit::Interrupted, _) => {/(Exit::Canceled { .. }, _) => return settle(Outcome::Canceled, Reason::Exit(exit)), (Exit::Interrupted, _) => {/'
mutant never-goes-on src/engine/standstill.rs \
    's/self.executor.unpause();//'
mutant full-disk-tried-no-more src/engine/standstill.rs \
    's/standstill.put_off(now);/standstill.probing = None;/'
mutant run-row-stale src/store/commit.rs \
    's/^                    outcome.word(),$/                    "running",/' 'simulation tables'
mutant slots-ignored src/run/schedule.rs \
    's/2 \* slots/9 * slots/'
mutant success-run-again src/run/fold.rs \
    's/if kept || /if /'
mutant starts-after-cancel src/run/schedule.rs \
    's/RunPhase::Stopping(why) => stop(run, now, why, \&mut commands),/RunPhase::Stopping(why) => { start(run, \&mut commands); stop(run, now, why, \&mut commands) }/'
mutant alive-taken-for-dead src/engine/mod.rs \
    's/Found::Alive => self.record(Kind::StepStarted { attempt }),/Found::Alive => self.interrupted(attempt),/'
mutant silence-believed-after-boot src/engine/mod.rs \
    's/Found::NeverRan if self.run.claimed_before_boot(attempt)/Found::NeverRan if false/'
mutant queues-drift src/run/places.rs \
    's/Place::Due(at) => drop(self.due.remove(&(at, ix))),/Place::Due(_) => {}/'
mutant fallback-always src/run/places.rs \
    's/outcome() != Some(Outcome::Failed)/outcome() == Some(Outcome::Canceled)/'

mutant changed-file-fresh src/store/cache/files.rs \
    's/self.what == other.what \&\& self.hash == other.hash/true/' 'lib e07_fresh_means'
mutant new-times-believed src/engine/fresh/contents.rs \
    's/at + i128::from(SETTLED) < i128::from(now)/true/' 'lib a_change_in_the_same_tick'
mutant old-success-fresh src/engine/fresh/look.rs \
    's/(age >= ttl)/(age > ttl)/' 'lib e03_e04'
mutant unseen-is-fresh src/store/cache/write.rs \
    "s/SET state = 'unseen'/SET state = state/" 'lib nobody_saw_through'
mutant put-back-through-links src/engine/fresh/restore.rs \
    's/^    .union(OFlag::O_NOFOLLOW)$//' 'lib links_in_the_way'
mutant damage-put-back src/engine/fresh/objects.rs \
    's/if found != \*hash {/if false {/' 'lib damaged_contents'

# Remedies: as often as allowed, in runs that go on, and nothing goes before them.
mutant remedied-too-often src/run/remedy.rs \
    's/if times >= remedy.attempts {/if times > remedy.attempts {/'
mutant remedied-beyond-the-budget src/run/remedy.rs \
    's/(times >= budget.times).then/(times > budget.times).then/'
mutant remedied-in-a-run-that-stops src/run/remedy.rs \
    's/ \&\& run.stopped.is_none()//'
mutant remedied-unasked src/run/remedy.rs \
    's/if ask \&\& !agreed {/if false {/'
mutant no-retries-after-a-remedy src/run/fold.rs \
    's/record.forgiven = record.attempts;/let _ = record;/'
mutant behind-a-remedy src/run/places.rs \
    's/=> role == Role::Main,/=> role != Role::Undo,/'
mutant fresher-than-what-was-late src/run/freshness.rs \
    's/if fresher_than(run, ix).is_some() {/if false {/'
mutant fresh-without-a-look src/run/freshness.rs \
    's/Freshness::Stale(_) => None,/Freshness::Stale(_) => Some((Outcome::Succeeded, Reason::Fresh(super::Fresh { since: 1, age: Duration::ZERO, ttl: None, restored: 0, outputs: BTreeMap::new() }))),/'

mutant restart-asked-for-again src/run/fold.rs \
    's/self.want_restart.clear();//'
mutant cleans-up-before-the-restart src/run/ending.rs \
    's/match why == Stopping::Restart \&\& !run.places.unsettled.is_empty() {/match false {/'
mutant taken-back-before-the-restart src/run/ending.rs \
    's/Some(Stopping::Kill | Stopping::Restart) => false,/Some(Stopping::Kill) => false, Some(Stopping::Restart) => true,/'

mutant behind-before-commit src/run/schedule.rs \
    's/(run.is_allowed(claimed) \&\& brief)/brief/'
mutant behind-any-end-at-the-slot src/exec/process/supervisor.rs \
    's/self.waiting.retain(|job| job.behind != Some(attempt));//' 'executor p11'
mutant behind-any-end-in-the-roster src/exec/process/roster.rs \
    's/Left::Otherwise | Left::Unbegun => ahead.take_if(stood),/Left::Otherwise | Left::Unbegun => ahead.take_if(|_| false),/' 'lib roster'

# On a cluster: begun once, given up only where nobody speaks, and no failure of the step.
mutant slurm-begun-twice src/exec/slurm/files.rs \
    's/=> return Ok(false),/=> return Ok(true),/' 'lib a_claim_is_made_once'
mutant slurm-given-up-too-soon src/exec/slurm/judge.rs \
    's/(true, false) => Verdict::Open,/(true, false) => Verdict::Over(over),/' 'slurm as_long_as_its_node_speaks'
mutant slurm-unreachable-is-lost src/exec/slurm/desk/asking.rs \
    's/Err(trouble) => return self.not_reached(&trouble.why),/Err(_) => Vec::new(),/' 'slurm while_the_controller_is_down'
mutant slurm-old-answer src/exec/slurm/desk/open.rs \
    's/let counts = since.is_none_or(.*/let counts = since.is_none() || true;/' 'slurm stands_still_for_a_moment'
mutant slurm-late-result src/exec/slurm/desk/settling.rs \
    's/let done = ends_now(exit, Some(error)/if begun { return; } &/' 'slurm late_result'
mutant slurm-locks-free-after-a-crash src/engine/mod.rs \
    's/if goes_on {/if false {/' 'slurm holds_the_locks'
mutant lost-costs-a-retry src/run/fold.rs \
    's/matches!(reason, Reason::Interrupted | Reason::Lost { .. })/matches!(reason, Reason::Interrupted)/' 'lib what_was_lost'

[ "$survivors" = 0 ] || { echo "$survivors mutants are not caught"; exit 1; }
