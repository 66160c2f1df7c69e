//! What is recorded, for whoever asks: readers of the store, on threads for that, and
//! the runs that were folded lately.
//!
//! A fold is kept as long as it is looked at, and only goes on from where it was: a
//! page of a run of ten thousand steps costs its new events, not all of them. What is
//! kept is bounded by its events, whatever is asked for.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::StatusCode;
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use super::trouble::Trouble;
use crate::engine::Clock;
use crate::paths::StateDir;
use crate::run::Millis;
use crate::store::{Store, StoreError};
use crate::view::recorded::{Recorded, Unread};

/// So many requests read at once; the others wait their turn.
const READERS: usize = 4;

/// Folded runs are kept until they have more events than this together. Each costs
/// some hundred bytes.
const MOST_EVENTS: usize = 300_000;

/// See the module.
pub struct World {
    state: StateDir,
    turns: Arc<Semaphore>,
    stores: Mutex<Vec<Store>>,
    shelf: Shelf,
    clock: Clock,
    zone: TimeZone,
}

/// Folded runs, those asked for last at the end.
#[derive(Default)]
struct Shelf(Mutex<Vec<(String, Arc<Mutex<Recorded>>)>>);

/// What one request sees of the world, on a thread where it may wait.
pub struct Reader<'w> {
    world: &'w World,
    store: Option<Store>,
    pub now: Millis,
}

impl World {
    pub fn new(state: StateDir) -> Self {
        World {
            state,
            turns: Arc::new(Semaphore::new(READERS)),
            stores: Mutex::default(),
            shelf: Shelf::default(),
            clock: Clock::start(),
            zone: TimeZone::system(),
        }
    }

    pub fn state(&self) -> &StateDir {
        &self.state
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Does something that reads the record, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// Whatever `work` says; the store cannot be opened.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Reader<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Trouble::internal("the server ends"))?;
        let world = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let reader = Reader {
                store: world.take_store()?,
                now: world.now(),
                world: &world,
            };
            let done = work(&reader);
            if let Some(store) = reader.store {
                locked(&world.stores).push(store);
            }
            done
        });
        let lost = |_| Trouble::internal("the request could not be answered: this is a fault");
        done.await.map_err(lost)?
    }

    /// A reader of the store that nobody uses now; `None` where nothing was ever run.
    fn take_store(&self) -> Result<Option<Store>, Trouble> {
        if let Some(store) = locked(&self.stores).pop() {
            return Ok(Some(store));
        }
        match Store::read_only(&self.state) {
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, error)),
            Ok(store) => Ok(Some(store)),
        }
    }
}

impl Reader<'_> {
    /// The store; `None` where nothing was ever run.
    pub fn store_if_any(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// # Errors
    /// Nothing was ever run.
    pub fn store(&self) -> Result<&Store, Trouble> {
        let nothing = || Trouble::not_found("nothing has been run here yet");
        self.store.as_ref().ok_or_else(nothing)
    }

    pub fn state(&self) -> &StateDir {
        &self.world.state
    }

    pub fn zone(&self) -> &TimeZone {
        &self.world.zone
    }

    /// A run as it stands now, folded. What is given is locked for as short a time as
    /// can be: others may want to see the same run.
    ///
    /// # Errors
    /// There is no such run, or its record cannot be read.
    pub fn recorded<T>(
        &self,
        run: &str,
        look: impl FnOnce(&Recorded) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let store = self.store()?;
        let row = store.find_run(run).map_err(Unread::from)?;
        let kept = match self.world.shelf.find(&row.run_id) {
            Some(kept) => kept,
            None => {
                let folded = Recorded::of(store, row.clone())?;
                self.world.shelf.keep(&row.run_id, folded)
            }
        };
        let mut recorded = locked(&kept);
        recorded.row = row;
        recorded.catch_up(store)?;
        look(&recorded)
    }
}

impl Shelf {
    fn find(&self, run_id: &str) -> Option<Arc<Mutex<Recorded>>> {
        let mut kept = locked(&self.0);
        let at = kept.iter().position(|(id, _)| id == run_id)?;
        let entry = kept.remove(at);
        kept.push(entry.clone());
        Some(entry.1)
    }

    /// Keeps a fold, and drops those that were asked for longest ago where they are
    /// too much together.
    fn keep(&self, run_id: &str, folded: Recorded) -> Arc<Mutex<Recorded>> {
        let folded = Arc::new(Mutex::new(folded));
        let mut kept = locked(&self.0);
        // Somebody else may have folded it at the same time.
        kept.retain(|(id, _)| id != run_id);
        kept.push((run_id.to_owned(), folded.clone()));
        let mut events = 0;
        // One that is looked at is in use, whatever its size.
        let size = |run: &Mutex<Recorded>| run.try_lock().map_or(0, |run| run.events.len());
        let fit = kept.iter().rev().take_while(|(_, run)| {
            events += size(run);
            events <= MOST_EVENTS
        });
        let first = kept.len() - fit.count().max(1);
        kept.drain(..first);
        folded
    }
}

/// What a thread left that panicked is as good as any: nothing here is half-written,
/// and a fold that is wrong says so when it goes on.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
