//! Writing a run's events: the engine's end, and the thread that commits.
//!
//! The engine hands over events and goes on; a thread gathers what has come,
//! commits it together, copies it to `events.jsonl` and then acknowledges it.
//! A commit costs as much as a short step, whether it holds one event or a
//! thousand, so the thread lets events gather for a moment ([`GATHER`]) unless
//! somebody is waiting.
//!
//! After an error the thread stands still, with what it could not commit still
//! in hand. Nothing is acknowledged until [`RunWriter::retry`] has succeeded,
//! which begins with a new connection and looks at what is really there: an
//! error of a commit does not say whether it was made.
//!
//! This file does not know how a batch is committed; that is `commit.rs`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::paths::StateDir;
use crate::plan::{Content, Plan};
use crate::run::{Event, Millis, Seq};

use super::commit::Log;
use super::{Durability, NotOwned, Owner, Ownership, Store, StoreError};

/// How long events gather before they are committed, if nobody is in a hurry.
pub const GATHER: Duration = Duration::from_millis(20);

/// So many are committed without waiting for more: their own writing takes longer
/// than the commit, and is best done while others come.
const ENOUGH: usize = 1024;

/// A run as it enters the store.
pub struct NewRun {
    /// From [`super::reserve_run`], which has made its directory.
    pub run_id: String,
    pub plan: Arc<Plan>,
    /// [`Plan::content`], which the caller has anyway.
    pub content: Content,
    pub created_at: Millis,
    /// The command that began the run, word for word.
    pub command_line: Vec<String>,
    /// The engine's process.
    pub owner: Owner,
}

/// Something to commit, in the order in which it was asked for.
pub(super) enum Item {
    /// An event; and, if it ends the run, the program's exit code.
    Event(Event, Option<i32>),
    /// The request with this number has been acted on.
    Handled(i64),
}

/// Appends to one run's log. The engine has one, and with it owns the run.
pub struct RunWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    // Declared last, since it must be dropped last: while the thread still
    // writes, nobody else may take the run.
    ownership: Ownership,
}

impl RunWriter {
    /// Enters a new run, as its first owner, through this connection.
    ///
    /// The run is in the store once its first event is acknowledged, in one
    /// commit with it. `on_durable` is called on the writer's thread: with the
    /// last sequence number of each batch when it is durable, and once with
    /// each error. It must not block, nor call the writer.
    ///
    /// It takes the connection that the caller had to open anyway: to open a
    /// second one would be a good part of what a run of one step costs.
    ///
    /// # Errors
    /// The run's directory cannot be used, or somebody owns it already. What
    /// goes wrong with the database comes through `on_durable`.
    pub fn begin(
        store: Store,
        durability: Durability,
        run: NewRun,
        on_durable: impl FnMut(Result<Seq, StoreError>) + Send + 'static,
    ) -> Result<RunWriter, NotOwned> {
        let dir = store.state_dir().run(&run.run_id);
        crate::paths::private_dir(&dir).map_err(StoreError::from)?;
        let ownership = Ownership::first(&dir, &run.run_id, &run.owner)?;
        let log = Log::of_a_new_run(store, durability, run);
        Ok(RunWriter::start(log, ownership, on_durable)?)
    }

    /// Goes on with a run that this process has taken over
    /// ([`Store::own`](super::Store::own)). Its `events.jsonl` is mended first.
    /// For `on_durable`, see [`RunWriter::begin`].
    ///
    /// # Errors
    /// No thread can be started.
    pub fn resume(
        state: &StateDir,
        durability: Durability,
        ownership: Ownership,
        plan: Arc<Plan>,
        on_durable: impl FnMut(Result<Seq, StoreError>) + Send + 'static,
    ) -> Result<RunWriter, StoreError> {
        let log = Log::of_a_known_run(state, durability, &ownership, plan);
        RunWriter::start(log, ownership, on_durable)
    }

    fn start(
        mut log: Log,
        ownership: Ownership,
        on_durable: impl FnMut(Result<Seq, StoreError>) + Send + 'static,
    ) -> Result<RunWriter, StoreError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let database = log.database().to_path_buf();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                let end = TheEnd(theirs);
                end.0.run(&mut log, on_durable);
            })
            .map_err(|e| StoreError::io(&database, &e))?;
        Ok(RunWriter {
            shared,
            thread: Some(thread),
            ownership,
        })
    }

    pub fn run_id(&self) -> &str {
        self.ownership.run_id()
    }

    /// This engine's number among the run's owners.
    pub fn epoch(&self) -> u32 {
        self.ownership.epoch()
    }

    /// Appends an event. Sequence numbers go up by one, from 1 in a new run.
    ///
    /// Never waits for the disk. What is appended while the writer stands
    /// still after an error is kept in memory.
    pub fn append(&self, event: Event) {
        self.shared.push(Item::Event(event, None));
    }

    /// Appends the event that ends the run, with the program's exit code.
    pub fn finish(&self, event: Event, exit_code: i32) {
        self.shared.push(Item::Event(event, Some(exit_code)));
        self.hurry();
    }

    /// Says that a request has been acted on. It is forgotten together with, or
    /// after, the commit of the events appended so far: if they are lost in a
    /// crash, the request is not.
    pub fn handled(&self, request: i64) {
        self.shared.push(Item::Handled(request));
    }

    /// Lets what has been appended be committed at once: somebody waits for it.
    /// An engine says so when a free slot waits for a claim.
    pub fn hurry(&self) {
        let mut queue = self.shared.queue();
        if !queue.items.is_empty() {
            queue.hurry = true;
            self.shared.work.notify_one();
        }
    }

    /// Waits until everything appended so far is durable and acknowledged.
    ///
    /// # Errors
    /// The error that the writer stands still for.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.hurry();
        let mut queue = self.shared.queue();
        let target = queue.pushed;
        loop {
            if let Some(error) = &queue.failed {
                return Err(error.clone());
            }
            if queue.done >= target {
                return Ok(());
            }
            queue = self.shared.wait_for_progress(queue);
        }
    }

    /// Tries once more to commit what could not be committed; how it went comes
    /// through `on_durable`. Does nothing if the writer is not standing still.
    ///
    /// # Errors
    /// The error is not one that time mends ([`StoreError::may_pass`]): to
    /// believe the store from here on, it must be opened anew.
    pub fn retry(&self) -> Result<(), StoreError> {
        let mut queue = self.shared.queue();
        match &queue.failed {
            Some(error) if !error.may_pass() => return Err(error.clone()),
            Some(_) => queue.failed = None,
            None => {}
        }
        self.shared.work.notify_one();
        Ok(())
    }

    /// Commits what is left and gives the run up.
    ///
    /// # Errors
    /// The error that the writer stood still for, or met now.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.end();
        match self.shared.queue().failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.shared.queue().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there, and `failed` says so.
            let _ = thread.join();
        }
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the engine's threads and the writer's thread share.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// To the writer: there is something to do.
    work: Condvar,
    /// From the writer: `done` or `failed` has changed.
    progress: Condvar,
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    /// Items that were ever pushed, and how many of them are durable.
    pushed: u64,
    done: u64,
    /// The writer sleeps until there is an item; pushing one wakes it.
    idle: bool,
    hurry: bool,
    closing: bool,
    /// The writer stands still for this.
    failed: Option<StoreError>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing is ever half changed while the lock is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: Item) {
        let mut queue = self.queue();
        queue.items.push(item);
        queue.pushed += 1;
        if queue.idle || queue.items.len() == ENOUGH {
            queue.idle = false;
            self.work.notify_one();
        }
    }

    fn wait_for_work<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.work
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_progress<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.progress
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's thread.
    fn run(&self, log: &mut Log, mut on_durable: impl FnMut(Result<Seq, StoreError>)) {
        while let Some(batch) = self.next_batch() {
            loop {
                match log.commit(&batch) {
                    Ok(durable) => {
                        on_durable(Ok(durable));
                        self.queue().done += batch.len() as u64;
                        self.progress.notify_all();
                        break;
                    }
                    Err(error) => {
                        self.queue().failed = Some(error.clone());
                        self.progress.notify_all();
                        on_durable(Err(error));
                        if !self.wait_for_retry() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// What has gathered since the last time; `None` when all is done.
    fn next_batch(&self) -> Option<Vec<Item>> {
        let mut queue = self.queue();
        while queue.items.is_empty() {
            if queue.closing {
                return None;
            }
            queue.idle = true;
            queue = self.wait_for_work(queue);
            queue.idle = false;
        }
        let enough = Instant::now() + GATHER;
        while !queue.hurry && !queue.closing && queue.items.len() < ENOUGH {
            let left = enough.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (queue, _) = self
                .work
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        queue.hurry = false;
        Some(std::mem::take(&mut queue.items))
    }

    /// Whether to try again; not, when the run is given up.
    fn wait_for_retry(&self) -> bool {
        let mut queue = self.queue();
        loop {
            if queue.closing {
                return false;
            }
            if queue.failed.is_none() {
                return true;
            }
            queue = self.wait_for_work(queue);
        }
    }
}

/// Says, should the thread end in a panic, that nothing more will be durable;
/// else a [`RunWriter::flush`] would wait for ever.
struct TheEnd(Arc<Shared>);

impl Drop for TheEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue().failed = Some(StoreError::Io {
                path: "the store's thread".into(),
                detail: "it ended in a panic".into(),
            });
            self.0.progress.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::store::Store;
    use crate::store::testing::{Home, event};

    type Reports = Receiver<Result<Seq, StoreError>>;

    fn writer(home: &Home) -> (Store, RunWriter, Reports) {
        let store = home.store();
        let (report, reports) = channel();
        let report = move |durable| report.send(durable).unwrap();
        let writer =
            RunWriter::begin(home.store(), Durability::Full, home.new_run(), report).unwrap();
        (store, writer, reports)
    }

    #[test]
    fn each_batch_is_acknowledged_in_order_and_the_last_in_full() {
        let home = Home::new();
        let (store, writer, reports) = writer(&home);
        for seq in 1..=500 {
            writer.append(event(seq));
            if seq % 100 == 0 {
                writer.hurry();
            }
        }
        writer.flush().unwrap();
        let run_id = writer.run_id().to_string();
        writer.close().unwrap();
        let acknowledged: Vec<Seq> = reports.iter().map(Result::unwrap).collect();
        assert!(acknowledged.is_sorted(), "{acknowledged:?}");
        assert_eq!(acknowledged.last(), Some(&500));
        assert!(acknowledged.len() < 500, "events are committed in groups");
        assert_eq!(store.events(&run_id, 0, usize::MAX).unwrap().len(), 500);
    }

    #[test]
    fn closing_and_dropping_commit_what_is_left() {
        let home = Home::new();
        for explicitly in [true, false] {
            let (store, writer, _reports) = writer(&home);
            let run_id = writer.run_id().to_string();
            writer.append(event(1));
            if explicitly {
                writer.close().unwrap();
            } else {
                drop(writer);
            }
            assert_eq!(store.events(&run_id, 0, 9).unwrap(), [event(1)]);
            assert_eq!(store.owner(&run_id), Ok(None));
        }
    }

    /// XD02.
    #[test]
    fn xd02_after_an_error_nothing_is_acknowledged_until_a_retry_succeeds() {
        let home = Home::new();
        let (store, writer, reports) = writer(&home);
        let run_id = writer.run_id().to_string();
        writer.append(event(1));
        writer.flush().unwrap();
        assert_eq!(reports.recv().unwrap(), Ok(1));

        let other = rusqlite::Connection::open(home.state.database()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        writer.append(event(2));
        assert!(matches!(writer.flush(), Err(StoreError::Busy { .. })));
        writer.append(event(3));
        assert!(matches!(writer.flush(), Err(StoreError::Busy { .. })));
        assert!(matches!(
            reports.recv().unwrap(),
            Err(StoreError::Busy { .. })
        ));
        assert!(reports.try_recv().is_err(), "an error is reported once");

        writer.retry().unwrap();
        assert!(matches!(
            reports.recv().unwrap(),
            Err(StoreError::Busy { .. })
        ));
        assert_eq!(store.events(&run_id, 0, 9).unwrap(), [event(1)]);

        other.execute_batch("ROLLBACK").unwrap();
        writer.retry().unwrap();
        writer.flush().unwrap();
        let rest: Vec<_> = reports.try_iter().collect();
        assert_eq!(rest.last(), Some(&Ok(3)));
        assert!(rest.iter().all(Result::is_ok));
        assert_eq!(
            store.events(&run_id, 0, 9).unwrap(),
            [event(1), event(2), event(3)]
        );
    }

    /// XD03.
    #[test]
    fn xd03_an_error_that_time_does_not_mend_is_not_retried() {
        let home = Home::new();
        let (store, writer, reports) = writer(&home);
        let run_id = writer.run_id().to_string();
        writer.append(event(1));
        writer.append(event(3));
        let refused = writer.flush().unwrap_err();
        assert!(matches!(refused, StoreError::OutOfOrder { .. }));
        assert_eq!(reports.recv().unwrap(), Err(refused.clone()));
        assert_eq!(writer.retry(), Err(refused.clone()));
        assert_eq!(writer.close(), Err(refused));
        assert!(reports.recv().is_err());
        assert!(
            store.find_run(&run_id).is_err(),
            "nothing of the batch is there"
        );
    }

    #[test]
    fn a_run_cannot_be_taken_while_its_writer_lives() {
        let home = Home::new();
        let (store, writer, _reports) = writer(&home);
        writer.append(event(1));
        writer.flush().unwrap();
        let run_id = writer.run_id().to_string();
        let refused = store.own(&run_id, &Owner::default()).unwrap_err();
        assert!(
            refused.to_string().contains("process 42 on here"),
            "{refused}"
        );
        drop(writer);
        assert_eq!(store.own(&run_id, &Owner::default()).unwrap().epoch(), 2);
    }
}
