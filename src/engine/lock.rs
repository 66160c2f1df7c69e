//! Named locks, pools and weighted resources, across runs and processes.
//!
//! Each name is a file in `locks/`, and each unit of it is one byte of that
//! file's range: a lock has one, a pool or a resource as many as its capacity.
//! Whoever holds units holds kernel locks on their bytes through one open file
//! (see `store/range_lock.rs`). So they are free the moment the last process
//! with that open file is gone, without anybody cleaning up; and they outlive
//! the engine where a supervisor was handed the file, because its step goes on.
//!
//! A holder also writes down who it is. This is for people: nothing is decided
//! by it, and where it cannot be written (a full disk) the holder is merely
//! nameless.
//!
//! **Order.** Several wants are taken all or none, never some while waiting for
//! others, so no order of taking can deadlock. They are tried in the order of
//! their files' names, so that of two who want the same things one is refused
//! early.
//!
//! **Capacity** is what the one who asks says it is. Where two plans differ,
//! each sees the units from 0 to its own capacity: the one that says 2 is
//! refused while units 0 and 1 are held, by whomever, and does not see units 2
//! and 3 of one that says 4. Units are taken from the lowest, so that this is
//! as strict as can be.
//!
//! This file does not know steps, or what is done under a lock.

mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::run::event::Holder;
use crate::store::{StoreError, files, range_lock};

use units::{survey, take};

/// A holder without a name has usually taken the unit a moment ago, or is
/// somebody else's probe that is gone a moment later. Nobody is told before this.
const SETTLE: Duration = Duration::from_millis(10);

/// Longest file name made of a name as it is; longer ones are hashed.
const LONGEST: usize = 200;

/// What a name stands for. Each kind has names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One holder at a time.
    Lock,
    /// So many places.
    Pool,
    /// So many units of something, of which a holder takes some.
    Resource,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Lock => "lock",
            Kind::Pool => "pool",
            Kind::Resource => "resource",
        }
    }
}

/// Units of something that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub kind: Kind,
    pub name: Box<str>,
    pub units: u32,
    /// How many there are in all, as far as the one who asks knows.
    pub capacity: u32,
}

impl Want {
    pub fn lock(name: &str) -> Want {
        Want {
            kind: Kind::Lock,
            name: name.into(),
            units: 1,
            capacity: 1,
        }
    }

    pub fn pool(name: &str, places: u32, capacity: u32) -> Want {
        Want {
            kind: Kind::Pool,
            name: name.into(),
            units: places,
            capacity,
        }
    }

    pub fn resource(name: &str, units: u32, capacity: u32) -> Want {
        Want {
            kind: Kind::Resource,
            name: name.into(),
            units,
            capacity,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

/// Somebody else has too much of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `lock deploy`, `pool db`, `resource memory`.
    pub on: String,
    /// One of those who hold it, if it has said who it is.
    pub holder: Option<Holder>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(holder) => write!(f, "{} is held by {holder}", self.on),
            None => write!(f, "{} is held", self.on),
        }
    }
}

/// Why nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    Held(Held),
    /// More than there will ever be. Loading a plan checks this; a caller that
    /// asks all the same would else wait for ever.
    TooMany(Want),
    Store(StoreError),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Denied::Store(error)
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Held(held) => held.fmt(f),
            Denied::TooMany(want) => {
                write!(f, "{want} has {} units, not {}", want.capacity, want.units)
            }
            Denied::Store(error) => error.fmt(f),
        }
    }
}

/// All named locks, pools and resources of a state directory.
///
/// Cheap to clone; clones share the threads that wait.
#[derive(Clone)]
pub struct LockSpace {
    dir: PathBuf,
    waiting: Arc<Mutex<WaitList>>,
}

impl LockSpace {
    /// The names in this directory, which is one of ours (`StateDir::locks`).
    pub fn open(dir: &Path) -> LockSpace {
        LockSpace {
            dir: dir.to_path_buf(),
            waiting: Arc::default(),
        }
    }

    /// Takes all that is wanted, or nothing. Never waits.
    ///
    /// What was taken is held as long as any copy of these files is open, in
    /// whatever process.
    ///
    /// # Errors
    /// Somebody holds too much of one; or see [`Denied`].
    pub fn try_acquire(&self, wants: &[Want], who: &Holder) -> Result<Vec<Arc<File>>, Denied> {
        let mut files = Vec::new();
        for want in in_order(wants)? {
            let path = self.path(&want);
            files.push(Arc::new(take(&path, &want, who)?));
        }
        Ok(files)
    }

    /// Takes all that is wanted, and waits for it until `deadline`. `on_wait`
    /// is told whenever it is somebody else that is waited for.
    ///
    /// # Errors
    /// As for [`LockSpace::try_acquire`], when the deadline has passed.
    pub fn acquire_within(
        &self,
        wants: &[Want],
        who: &Holder,
        deadline: Instant,
        mut on_wait: impl FnMut(&Held),
    ) -> Result<Vec<Arc<File>>, Denied> {
        let mut told = None;
        let mut settled = false;
        loop {
            let held = match self.try_acquire(wants, who) {
                Err(Denied::Held(held)) => held,
                done => return done,
            };
            let mut left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Denied::Held(held));
            }
            if held.holder.is_none() && !settled {
                settled = true;
                left = left.min(SETTLE);
            } else if told.as_ref() != Some(&held) {
                on_wait(&held);
                told = Some(held);
            }
            let (free, freed) = mpsc::channel();
            let _waiting = self.wait_free(wants, move || {
                // Nobody listens any more after the deadline.
                let _ = free.send(());
            })?;
            let _ = freed.recv_timeout(left);
        }
    }

    /// Calls `free` once, when what is wanted may have become free; then it is
    /// time for another [`LockSpace::try_acquire`], which may be refused again.
    /// If nothing is in the way now, the call comes before this returns.
    ///
    /// No time is spent on looking: a thread sleeps in the kernel for each
    /// holder that is in the way, shared by all who wait. Such a thread cannot
    /// be woken; it ends when that holder lets go, or with the process. To drop
    /// the [`Waiting`] takes back the call, not the thread.
    ///
    /// # Errors
    /// The file cannot be used, or no thread be started.
    pub fn wait_free(
        &self,
        wants: &[Want],
        free: impl FnOnce() + Send + 'static,
    ) -> Result<Waiting, Denied> {
        for want in in_order(wants)? {
            let path = self.path(&want);
            let file = files::open(&path, true)?;
            let found = survey(&file, &want).map_err(|e| StoreError::io(&path, &e))?;
            if found.free < u64::from(want.units) {
                return Ok(self.wait_for(&path, &found.held, Box::new(free))?);
            }
        }
        free();
        Ok(Waiting(None))
    }

    fn wait_for(
        &self,
        path: &Path,
        held: &[Range<u64>],
        free: Box<dyn FnOnce() + Send>,
    ) -> Result<Waiting, StoreError> {
        let id = {
            let mut list = lock(&self.waiting);
            list.last_id += 1;
            let id = list.last_id;
            let name = list.names.entry(path.to_path_buf()).or_default();
            name.calls.insert(id, free);
            id
        };
        let waiting = Waiting(Some((Arc::clone(&self.waiting), path.to_path_buf(), id)));
        for range in held {
            // Units are taken from the lowest: of a range that became free and
            // was taken again in part, the last is the one that is still free.
            self.watch(path, range.end - 1)?;
        }
        Ok(waiting)
    }

    /// Sees to it that a thread waits for this unit.
    fn watch(&self, path: &Path, unit: u64) -> Result<(), StoreError> {
        let mut list = lock(&self.waiting);
        let name = list.names.entry(path.to_path_buf()).or_default();
        if name.watched.contains(&unit) {
            return Ok(());
        }
        // An open file of the thread's own: with one that holds units, it
        // would find no lock in its way.
        let file = files::open(path, true)?;
        let (path, waiting) = (path.to_path_buf(), Arc::clone(&self.waiting));
        let broken = path.clone();
        std::thread::Builder::new()
            .name("lock".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                // If waiting fails, let the callers find out why by trying.
                let _ = range_lock::wait_unlocked(&file, unit..unit + 1);
                let calls = lock(&waiting).went_free(&path, unit);
                calls.into_values().for_each(|call| call());
            })
            .map_err(|e| StoreError::io(&broken, &e))?;
        name.watched.push(unit);
        Ok(())
    }

    fn path(&self, want: &Want) -> PathBuf {
        self.dir.join(file_name(want))
    }
}

/// A call that will come, unless this is dropped first.
#[must_use = "dropping it takes the call back"]
pub struct Waiting(Option<(Arc<Mutex<WaitList>>, PathBuf, u64)>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((list, path, id)) = self.0.take()
            && let Some(name) = lock(&list).names.get_mut(&path)
        {
            name.calls.remove(&id);
        }
    }
}

type Calls = BTreeMap<u64, Box<dyn FnOnce() + Send>>;

/// Who waits for what, in this process.
#[derive(Default)]
struct WaitList {
    last_id: u64,
    names: BTreeMap<PathBuf, NameList>,
}

#[derive(Default)]
struct NameList {
    calls: Calls,
    /// Units that have a thread waiting for them.
    watched: Vec<u64>,
}

impl WaitList {
    fn went_free(&mut self, path: &Path, unit: u64) -> Calls {
        let Some(name) = self.names.get_mut(path) else {
            return Calls::new();
        };
        name.watched.retain(|&watched| watched != unit);
        let calls = std::mem::take(&mut name.calls);
        if name.watched.is_empty() {
            self.names.remove(path);
        }
        calls
    }
}

fn lock(list: &Mutex<WaitList>) -> MutexGuard<'_, WaitList> {
    // Nothing in here can panic halfway.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wants in the order in which everybody tries them, each name once.
fn in_order(wants: &[Want]) -> Result<Vec<Want>, Denied> {
    let mut merged: BTreeMap<String, Want> = BTreeMap::new();
    for want in wants {
        merged
            .entry(file_name(want))
            .and_modify(|first| match want.kind {
                Kind::Lock => {}
                Kind::Pool | Kind::Resource => first.units = first.units.saturating_add(want.units),
            })
            .or_insert_with(|| want.clone());
    }
    let merged: Vec<Want> = merged.into_values().filter(|want| want.units > 0).collect();
    match merged.iter().find(|want| want.units > want.capacity) {
        Some(want) => Err(Denied::TooMany(want.clone())),
        None => Ok(merged),
    }
}

/// The file of a name: `lock-deploy`, `pool-a%2Fb`. Different names have
/// different files, whatever they are made of.
fn file_name(want: &Want) -> String {
    let mut name = format!("{}-", want.kind.word());
    for byte in want.name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > LONGEST {
        // `#` is in no other name.
        let hash = blake3::hash(want.name.as_bytes()).to_hex();
        name = format!("{}-#{hash}", want.kind.word());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::units::TEXT;
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    fn space() -> (tempfile::TempDir, LockSpace) {
        let tmp = tempfile::tempdir().unwrap();
        let space = LockSpace::open(tmp.path());
        (tmp, space)
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

    #[test]
    fn who_waits_is_called_once_when_it_is_free() {
        let (_tmp, space) = space();
        let want = [Want::pool("p", 1, 2)];
        let mine = space.try_acquire(&want, &who("a")).unwrap();
        let _other = space.try_acquire(&want, &who("b")).unwrap();
        let (free, freed) = mpsc::channel();
        let _waiting = space
            .wait_free(&want, move || free.send(()).unwrap())
            .unwrap();
        assert_eq!(freed.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(mine);
        freed.recv().unwrap();
        assert_eq!(freed.recv(), Err(mpsc::RecvError));
        space.try_acquire(&want, &who("c")).unwrap();
    }

    #[test]
    fn who_waits_for_nothing_is_called_at_once() {
        let (_tmp, space) = space();
        let called = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&called);
        let _waiting = space
            .wait_free(&[Want::lock("x")], move || {
                counter.fetch_add(1, SeqCst);
            })
            .unwrap();
        assert_eq!(called.load(SeqCst), 1);
    }

    #[test]
    fn who_gives_up_is_not_called_and_others_are() {
        let (_tmp, space) = space();
        let want = [Want::lock("x")];
        let mine = space.try_acquire(&want, &who("a")).unwrap();
        let (late, gone) = mpsc::channel::<()>();
        let (free, freed) = mpsc::channel();
        let given_up = space
            .wait_free(&want, move || late.send(()).unwrap())
            .unwrap();
        let _waiting = space
            .wait_free(&want, move || free.send(()).unwrap())
            .unwrap();
        assert_eq!(lock(&space.waiting).names.len(), 1);
        drop(given_up);
        drop(mine);
        freed.recv().unwrap();
        assert_eq!(gone.recv(), Err(mpsc::RecvError));
        assert_eq!(lock(&space.waiting).names.len(), 0);
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_names_the_holder() {
        let (_tmp, space) = space();
        let want = [Want::lock("x")];
        let _mine = space.try_acquire(&want, &who("a")).unwrap();
        let mut told = Vec::new();
        let deadline = Instant::now() + Duration::from_millis(20);
        let refusal = held(space.acquire_within(&want, &who("b"), deadline, |held| {
            told.push(held.clone());
        }));
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
            assert!(space.wait_free(&want, || {}).is_err());
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }
}
