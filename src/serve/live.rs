//! Telling those who listen that there is more.
//!
//! One thread asks the store a few times a second whether anybody has written, and only
//! while somebody listens. Each listener has a place in the record of its own and reads
//! from there when it is ready for more, so nothing is kept for a slow one: one that
//! has fallen far behind is told to begin anew from what is there, and one that does
//! not read at all is cut off by the connection's own patience ([`super::server`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::trouble::Trouble;
use super::world::World;
use crate::paths::StateDir;
use crate::run::Seq;
use crate::run::record::Encoded;
use crate::store::Store;

/// How often the store is asked whether anybody has written.
const LOOK: Duration = Duration::from_millis(200);

/// Whether a run's engine has died is not written anywhere, so runs are looked at anew
/// this often while somebody listens.
const PULSE: Duration = Duration::from_secs(2);

/// So many listen at once; others are told to come back.
pub const LISTENERS: usize = 128;

/// So many events are read at once for a listener.
const PIECE: usize = 500;

/// One that is further behind than this begins anew.
const FAR: Seq = 20_000;

/// A line without meaning, so often: it finds out who has gone.
const ALIVE: Duration = Duration::from_secs(15);

/// See the module.
pub struct Live {
    ticks: watch::Sender<u64>,
    places: Arc<Semaphore>,
}

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Every event of a run, after a sequence number.
    Events { run_id: String, after: Seq },
    /// Only that a run, or any run, has got further.
    Changes { run_id: Option<String> },
}

impl Live {
    pub fn new() -> Self {
        Live {
            ticks: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(LISTENERS)),
        }
    }

    /// Begins to look for news, on a thread of its own: what a reader is told of others'
    /// writing is counted for each reader apart, so it is always the same one that asks.
    pub fn watch(live: &Arc<Self>, state: StateDir) {
        let live = Arc::downgrade(live);
        std::thread::spawn(move || {
            let (mut store, mut version, mut pulse) = (None, None, Instant::now());
            loop {
                std::thread::sleep(LOOK);
                let Some(live) = live.upgrade() else { return };
                if live.ticks.receiver_count() == 0 {
                    continue;
                }
                store = store.or_else(|| Store::read_only(&state).ok());
                let seen = store.as_ref().and_then(|store| store.data_version().ok());
                if seen != version || pulse.elapsed() >= PULSE {
                    (version, pulse) = (seen, Instant::now());
                    live.ticks.send_modify(|tick| *tick += 1);
                }
            }
        });
    }

    /// Begins to tell a listener, unless too many listen already.
    pub fn listen(&self, world: Arc<World>, subject: Subject) -> Response {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let full = Trouble::new(status, format!("{LISTENERS} listen already"));
            return ([(CONNECTION, "close")], full.hint("try again later")).into_response();
        };
        // One piece at a time: what is not taken is not read.
        let (sender, receiver) = mpsc::channel(1);
        let mut ticks = self.ticks.subscribe();
        tokio::spawn(async move {
            let _place = place;
            let mut listener = Listener {
                world,
                subject,
                said: None,
            };
            loop {
                let told = tokio::select! {
                    told = listener.tell(&sender) => told,
                    () = sender.closed() => return,
                };
                if told.is_err() {
                    return;
                }
                tokio::select! {
                    more = ticks.changed() => if more.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        let stream = ReceiverStream::new(receiver);
        Sse::new(stream)
            .keep_alive(KeepAlive::new().interval(ALIVE))
            .into_response()
    }
}

/// Nobody listens any more, or there is no more to say.
struct Over;

type Told = Result<sse::Event, std::convert::Infallible>;

struct Listener {
    world: Arc<World>,
    subject: Subject,
    /// What was said last of changes.
    said: Option<String>,
}

impl Listener {
    /// Says what there is since the last time.
    async fn tell(&mut self, sender: &mpsc::Sender<Told>) -> Result<(), Over> {
        match self.subject.clone() {
            Subject::Events { run_id, after } => self.events(run_id, after, sender).await,
            Subject::Changes { run_id } => self.changes(run_id, sender).await,
        }
    }

    async fn events(
        &mut self,
        run_id: String,
        mut after: Seq,
        sender: &mpsc::Sender<Told>,
    ) -> Result<(), Over> {
        loop {
            let id = run_id.clone();
            let piece = self.world.read(move |reader| {
                reader.recorded(&id, |run| {
                    let last = run.state.seq();
                    if last.saturating_sub(after) > FAR {
                        return Ok((last, Vec::new(), run.is_over()));
                    }
                    let from = run.events.partition_point(|event| event.seq <= after);
                    let piece = run.events[from..].iter().take(PIECE).map(|event| {
                        let (encoded, mut line) = (Encoded::new(event), String::new());
                        encoded
                            .row()
                            .push_line(run.state.plan(), run.run_id(), &mut line);
                        let told = sse::Event::default().id(event.seq.to_string());
                        (
                            event.seq,
                            told.event(encoded.row().kind).data(line.trim_end()),
                        )
                    });
                    Ok((last, piece.collect(), run.is_over()))
                })
            });
            let (last, piece, is_over) = match piece.await {
                Ok(piece) => piece,
                Err(trouble) => return self.end(&trouble, sender).await,
            };
            if piece.is_empty() && last > after {
                after = last;
                let told = sse::Event::default()
                    .id(last.to_string())
                    .event("resynchronise");
                let told = told.data(json!({ "run_id": run_id, "seq": last }).to_string());
                sender.send(Ok(told)).await.map_err(|_| Over)?;
            }
            for (seq, told) in piece {
                sender.send(Ok(told)).await.map_err(|_| Over)?;
                after = seq;
            }
            self.subject = Subject::Events {
                run_id: run_id.clone(),
                after,
            };
            if after >= last {
                // A run that is over has no more news, and a client that comes back is
                // told the same.
                return if is_over {
                    self.over(sender).await
                } else {
                    Ok(())
                };
            }
        }
    }

    async fn changes(
        &mut self,
        run_id: Option<String>,
        sender: &mpsc::Sender<Told>,
    ) -> Result<(), Over> {
        let now = match run_id {
            // That there is something is all that is told: nothing is read for it.
            None => Ok((json!({ "at": self.world.now() }).to_string(), false)),
            Some(id) => {
                let now = self.world.read(move |reader| {
                    reader.recorded(&id, |run| {
                        let data = json!({
                            "run_id": run.run_id(),
                            "seq": run.state.seq(),
                            "interrupted": run.is_interrupted(reader.store()?)?,
                        });
                        Ok((data.to_string(), run.is_over()))
                    })
                });
                now.await
            }
        };
        let (data, is_over) = match now {
            Ok(now) => now,
            Err(trouble) => return self.end(&trouble, sender).await,
        };
        // Of one run, others' news is none. Of all of them, each tick is some.
        if self.said.as_ref() != Some(&data) {
            let told = sse::Event::default().event("change").data(&data);
            self.said = Some(data);
            sender.send(Ok(told)).await.map_err(|_| Over)?;
        }
        if is_over {
            self.over(sender).await
        } else {
            Ok(())
        }
    }

    /// Says that there is no more, and ends.
    async fn over(&self, sender: &mpsc::Sender<Told>) -> Result<(), Over> {
        let told = sse::Event::default().event("over").data("{}");
        let _ = sender.send(Ok(told)).await;
        Err(Over)
    }

    async fn end(&self, trouble: &Trouble, sender: &mpsc::Sender<Told>) -> Result<(), Over> {
        let data = json!({ "code": trouble.code(), "message": trouble.message });
        let told = sse::Event::default().event("error").data(data.to_string());
        let _ = sender.send(Ok(told)).await;
        Err(Over)
    }
}
