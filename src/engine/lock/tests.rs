//! What is taken, and who is told what.

use std::sync::mpsc;

use super::units::TEXT;
use super::*;
use crate::store::range_lock;

fn space() -> (tempfile::TempDir, LockSpace) {
    let tmp = tempfile::tempdir().unwrap();
    let space = LockSpace::open(tmp.path());
    (tmp, space)
}

/// Two that know nothing of each other, as if in two processes.
fn two_processes() -> (tempfile::TempDir, LockSpace, LockSpace) {
    let (tmp, space) = space();
    let other = LockSpace::open(&space.dir);
    (tmp, space, other)
}

fn who(step: &str) -> Holder {
    Holder {
        run: "20251120-150201-x7k2".into(),
        step: step.into(),
        pid: 42,
        since: 7,
    }
}

#[track_caller]
fn held(denied: Result<Vec<Arc<File>>, Denied>) -> Held {
    match denied {
        Err(Denied::Held(held)) => held,
        other => panic!("not held: {other:?}"),
    }
}

#[test]
fn a_lock_has_one_holder_and_says_who() {
    let (_tmp, space) = space();
    let want = [Want::lock("deploy")];
    let mine = space.try_acquire(&want, &who("a")).unwrap();
    let refusal = held(space.try_acquire(&want, &who("b")));
    assert_eq!(refusal.on, "lock deploy");
    assert_eq!(refusal.holder, Some(who("a")));
    drop(mine);
    space.try_acquire(&want, &who("b")).unwrap();
}

#[test]
fn what_a_former_holder_wrote_is_not_taken_for_the_present_ones() {
    let (tmp, space) = space();
    let want = [Want::lock("x")];
    drop(space.try_acquire(&want, &who("former")).unwrap());
    let nameless = files::open(&tmp.path().join("lock-x"), false).unwrap();
    assert!(range_lock::try_lock(&nameless, 0..1).unwrap());
    assert_eq!(held(space.try_acquire(&want, &who("b"))).holder, None);
}

#[test]
fn a_pool_has_as_many_holders_as_places() {
    let (_tmp, space) = space();
    let want = [Want::pool("db", 1, 3)];
    let mut mine: Vec<_> = (0..3)
        .map(|n| space.try_acquire(&want, &who(&n.to_string())).unwrap())
        .collect();
    held(space.try_acquire(&want, &who("late")));
    mine.remove(1);
    space.try_acquire(&want, &who("late")).unwrap();
}

#[test]
fn units_need_not_lie_side_by_side() {
    let (_tmp, space) = space();
    let take = |units, step| space.try_acquire(&[Want::resource("mem", units, 5)], &who(step));
    let a = take(2, "a").unwrap();
    let b = take(1, "b").unwrap();
    drop(a);
    let c = take(4, "c").unwrap();
    assert!(matches!(held(take(1, "d")).holder, Some(h) if h.step == "c"));
    drop((b, c));
    take(5, "d").unwrap();
}

#[test]
fn a_large_resource_costs_no_more_than_a_small_one() {
    let (_tmp, space) = space();
    let take = |units| space.try_acquire(&[Want::resource("mem", units, u32::MAX)], &who("a"));
    let _most = take(u32::MAX - 1).unwrap();
    held(take(2));
    take(1).unwrap();
}

#[test]
fn all_is_taken_or_nothing() {
    let (_tmp, space) = space();
    let _b = space.try_acquire(&[Want::lock("b")], &who("b")).unwrap();
    held(space.try_acquire(&[Want::lock("a"), Want::lock("b")], &who("ab")));
    space.try_acquire(&[Want::lock("a")], &who("a")).unwrap();
}

#[test]
fn a_name_wanted_twice_is_wanted_once_with_the_sum() {
    let (_tmp, space) = space();
    let twice = |want: Want| space.try_acquire(&[want.clone(), want], &who("a"));
    twice(Want::lock("x")).unwrap();
    twice(Want::resource("x", 2, 4)).unwrap();
    assert!(matches!(
        twice(Want::resource("x", 2, 3)),
        Err(Denied::TooMany(want)) if want.units == 4
    ));
}

#[test]
fn each_plan_sees_the_units_up_to_its_own_capacity() {
    let (_tmp, space) = space();
    let take = |capacity| space.try_acquire(&[Want::pool("p", 1, capacity)], &who("a"));
    let _two = [take(4).unwrap(), take(4).unwrap()];
    held(take(2));
    take(3).unwrap();
}

#[test]
fn names_cannot_lead_out_of_the_directory_or_into_each_other() {
    let names = ["", ".", "..", "../x", "a/b", "a%2Fb", "A", "é", "#", "a\0b"];
    let long = "n".repeat(1000);
    let files: std::collections::BTreeSet<String> = names
        .into_iter()
        .chain([long.as_str(), &long[1..]])
        .flat_map(|name| [Want::lock(name), Want::pool(name, 1, 1)])
        .map(|want| file_name(&want))
        .collect();
    assert_eq!(files.len(), 2 * (names.len() + 2));
    for file in &files {
        assert!(
            file.len() <= LONGEST && !file.contains(['/', '\0']),
            "{file}"
        );
    }
}

#[test]
fn a_holder_with_a_long_name_is_told_as_far_as_it_fits() {
    let (_tmp, space) = space();
    let want = [Want::lock("x")];
    let _mine = space.try_acquire(&want, &who(&"é".repeat(400))).unwrap();
    let holder = held(space.try_acquire(&want, &who("b"))).holder.unwrap();
    assert_eq!((holder.pid, holder.run), (42, who("").run));
    assert!(holder.step.starts_with("éé") && holder.step.len() < TEXT);
}

/// Asks, and notes each call.
fn ask(space: &LockSpace, wants: &[Want]) -> (Asking, mpsc::Receiver<()>) {
    let (turn, turns) = mpsc::channel();
    let asking = space.ask(wants, move || turn.send(()).unwrap()).unwrap();
    (asking, turns)
}

#[track_caller]
fn is_not_called(turns: &mpsc::Receiver<()>) {
    assert_eq!(turns.try_recv(), Err(mpsc::TryRecvError::Empty));
}

#[test]
fn who_waits_is_called_once_when_it_is_free() {
    let (_tmp, space) = space();
    let want = [Want::pool("p", 1, 2)];
    let mine = space.try_acquire(&want, &who("a")).unwrap();
    let _other = space.try_acquire(&want, &who("b")).unwrap();
    let (mut asking, turns) = ask(&space, &want);
    held(asking.try_acquire(&who("c")));
    is_not_called(&turns);
    drop(mine);
    turns.recv().unwrap();
    let _taken = asking.try_acquire(&who("c")).unwrap();
    is_not_called(&turns);
}

#[test]
fn who_gives_up_is_not_called_and_others_are() {
    let (_tmp, space) = space();
    let want = [Want::lock("x")];
    let mine = space.try_acquire(&want, &who("a")).unwrap();
    let (mut gives_up, never) = ask(&space, &want);
    held(gives_up.try_acquire(&who("b")));
    let (mut asking, turns) = ask(&space, &want);
    held(asking.try_acquire(&who("c")));
    drop(gives_up);
    drop(mine);
    turns.recv().unwrap();
    assert_eq!(never.recv(), Err(mpsc::RecvError));
    let _taken = asking.try_acquire(&who("c")).unwrap();
}

/// XE08.
#[test]
fn xe08_who_comes_later_waits_though_it_is_free() {
    let (_tmp, first, other) = two_processes();
    let want = [Want::lock("x")];
    let mine = first.try_acquire(&want, &who("a")).unwrap();
    let (mut asking, turns) = ask(&other, &want);
    held(asking.try_acquire(&who("b")));
    drop(mine);
    let refusal = held(first.try_acquire(&want, &who("a again")));
    assert_eq!((refusal.on.as_str(), refusal.holder), ("lock x", None));
    turns.recv().unwrap();
    drop(asking.try_acquire(&who("b")).unwrap());
    // Who has had its turn is in nobody's way any more.
    first.try_acquire(&want, &who("a again")).unwrap();
}

/// XE08.
#[test]
fn xe08_who_wants_much_is_not_passed_by_those_who_want_little() {
    let (_tmp, first, other) = two_processes();
    let want = |units| [Want::resource("mem", units, 3)];
    let [a, b] = ["a", "b"].map(|step| first.try_acquire(&want(1), &who(step)).unwrap());
    let (mut much, turns) = ask(&other, &want(3));
    held(much.try_acquire(&who("much")));
    held(first.try_acquire(&want(1), &who("little")));
    drop((a, b));
    turns.recv().unwrap();
    let _taken = much.try_acquire(&who("much")).unwrap();
}

/// XE08.
#[test]
fn xe08_a_name_that_is_in_nobodys_way_is_not_kept_for_them() {
    let (_tmp, first, other) = two_processes();
    let (x, y) = (Want::lock("x"), Want::lock("y"));
    let _y = first
        .try_acquire(std::slice::from_ref(&y), &who("a"))
        .unwrap();
    let (mut both, _turns) = ask(&other, &[x.clone(), y]);
    assert_eq!(held(both.try_acquire(&who("both"))).on, "lock y");
    first.try_acquire(&[x], &who("a")).unwrap();
}

/// XE08.
#[test]
fn xe08_one_who_does_not_take_its_turn_is_passed_and_keeps_its_place() {
    let (_tmp, first, other) = two_processes();
    let third = LockSpace::open(&first.dir);
    let want = [Want::lock("x")];
    let mine = first.try_acquire(&want, &who("a")).unwrap();
    let (mut frozen, called) = ask(&other, &want);
    held(frozen.try_acquire(&who("frozen")));
    let (mut asking, turns) = ask(&third, &want);
    held(asking.try_acquire(&who("c")));
    drop(mine);
    called.recv().unwrap();
    turns.recv().unwrap();
    drop(asking.try_acquire(&who("c")).unwrap());
    // Who has passed it once does not wait for it again, and others do.
    drop(third.try_acquire(&want, &who("c again")).unwrap());
    held(first.try_acquire(&want, &who("a")));
    frozen.try_acquire(&who("thawed")).unwrap();
}

#[test]
fn waiting_ends_at_the_deadline_and_names_the_holder() {
    let (_tmp, space) = space();
    let want = [Want::lock("x")];
    let _mine = space.try_acquire(&want, &who("a")).unwrap();
    let mut told = Vec::new();
    let deadline = Instant::now() + Duration::from_millis(20);
    let refusal = held(
        space.acquire_within(&want, &who("b"), deadline, None, |held| {
            told.push(held.clone());
        }),
    );
    assert_eq!(told, [refusal]);
    assert_eq!(
        told[0].to_string(),
        "lock x is held by step a of run 20251120-150201-x7k2 (pid 42)"
    );
}

/// XH04.
#[test]
fn xh04_a_trap_in_the_place_of_a_lock_is_refused() {
    let (tmp, space) = space();
    let victim = tmp.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, tmp.path().join("lock-link")).unwrap();
    std::fs::hard_link(&victim, tmp.path().join("lock-hard")).unwrap();
    nix::unistd::mkfifo(&tmp.path().join("lock-pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in ["link", "hard", "pipe"] {
        let want = [Want::lock(name)];
        assert!(matches!(
            space.try_acquire(&want, &who("a")),
            Err(Denied::Store(StoreError::Unsafe { .. }))
        ));
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}
