//! Following a run: its events since a number, and a wait for the next.
//!
//! An answer has at most so many events and bytes; who wants more asks again from
//! the last number, and misses nothing.

use std::time::{Duration, Instant};

use rmcp::schemars;
use serde_json::{Value, json};

use crate::cli::error::Failure;
use crate::cli::follow::{Follower, News};
use crate::cli::global::Global;
use crate::run::{Event, Seq, record};
use crate::store::Store;
use crate::view::recorded::Recorded;
use crate::view::words;

/// No answer tells more events, or more bytes of them.
const MOST_EVENTS: usize = 200;
const MOST_BYTES: usize = 64 * 1024;

/// Nobody waits longer for news, in seconds.
const LONGEST_WAIT: u64 = 30;

/// What of a run.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The run: its id, the beginning or end of it, or `last`
    pub run: String,
    /// Only events after the one with this number: what the answer before said is `last_seq`
    #[serde(default)]
    pub after: Seq,
    /// Where there are none, wait for them at most so long, in seconds; no more than 30
    #[serde(default)]
    pub wait_sec: u64,
    /// Wait until the run is over, and not just for the next event
    #[serde(default)]
    pub until_over: bool,
}

/// How often a waiting call looks whether it was called off.
const LOOK: Duration = Duration::from_millis(250);

/// Tells what has happened, after waiting for it if need be, and as long as nobody has
/// called it off.
///
/// # Errors
/// There is no such run, or the store cannot be read.
pub fn watch(
    asked: &Watch,
    called_off: &dyn Fn() -> bool,
    global: &Global,
) -> Result<Value, Failure> {
    let store = global.store()?;
    let mut follower = Follower::new(&store, Recorded::find(&store, &asked.run)?)?;
    let until = Instant::now() + Duration::from_secs(asked.wait_sec.min(LONGEST_WAIT));
    loop {
        let is_news = !asked.until_over && follower.recorded.state.seq() > asked.after;
        let left = until.saturating_duration_since(Instant::now());
        if is_news || left.is_zero() || called_off() {
            break;
        }
        if follower.wait(left.min(LOOK))? == News::Over {
            break;
        }
    }
    told(asked, &store, &follower.recorded)
}

fn told(asked: &Watch, store: &Store, recorded: &Recorded) -> Result<Value, Failure> {
    let new: Vec<&Event> = recorded
        .events
        .iter()
        .filter(|event| event.seq > asked.after)
        .collect();
    let (mut events, mut bytes) = (Vec::new(), 0);
    for event in new.iter().take(MOST_EVENTS) {
        let mut line = String::new();
        record::push_line(recorded.state.plan(), recorded.run_id(), event, &mut line);
        bytes += line.len();
        // One that is larger than all that may be told is told alone.
        if bytes > MOST_BYTES && !events.is_empty() {
            break;
        }
        events.push(serde_json::from_str::<Value>(&line).unwrap_or(Value::Null));
    }
    let told = events.len();
    let last = new[..told].last().map_or(asked.after, |event| event.seq);
    Ok(json!({
        "run_id": recorded.run_id(),
        "state": words::run_word(&recorded.state),
        "is_over": recorded.is_over(),
        "interrupted": recorded.is_interrupted(store)?,
        "events": events,
        "last_seq": last,
        "more": told < new.len(),
    }))
}
