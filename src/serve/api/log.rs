//! `/runs/{run}/log`: what an attempt of a step has written, byte for byte: in pieces,
//! or as a file that is as long as it is.
//!
//! A file is read and sent a piece at a time, and the next only when the one before was
//! taken: it costs no memory, and nobody who takes it slowly keeps others waiting.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use crate::engine::written::Live;
use crate::run::Role;
use crate::serve::address::{Path, Query};
use crate::serve::output::Run;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::serve::world::Reader;
use crate::store::logs::Log;
use crate::view::web::run::logs::{Which as Stream, file_name};

/// A piece has so many bytes where nobody says how many, and never more than `MOST`.
const USUAL: usize = 64 << 10;
const MOST: usize = 1 << 20;

/// A file is sent in pieces of this size.
const SENT: usize = 256 << 10;

/// Which output, and how much of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// The step's id.
    pub step: String,
    /// Which attempt, from 1; the newest where it is left out.
    pub attempt: Option<u32>,
    /// What the attempt was for: `main`, `remedy` or `undo`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub role: Role,
    /// `stdout`, which it is where it is left out, or `stderr`.
    #[param(value_type = Option<String>)]
    pub stream: Option<Stream>,
    /// The byte to begin with; 0 where it is left out.
    #[serde(default)]
    pub from: u64,
    /// At most so many bytes; 65536 where it is left out, 1048576 at most.
    pub limit: Option<usize>,
    /// 1 for all that there is from `from` on, as a file to be saved.
    #[serde(default)]
    pub download: u8,
}

/// What an attempt of a step has written
///
/// Byte for byte, whatever it is. `x-next` is where the next piece begins, `x-length`
/// how much there is; with `x-open: 1` the attempt runs and may write more.
#[utoipa::path(get, path = "/runs/{run}/log", operation_id = "get_log", tag = "output", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
    Which,
), responses(
    (status = 200, description = "what was written", content_type = "text/plain", body = String),
    (status = 404, description = "there is no such run, or no such step in it", body = ErrorBody),
))]
pub async fn log(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    let (from, is_file) = (which.from, which.download != 0);
    let limit = which.limit.unwrap_or(USUAL).clamp(1, MOST);
    let opened = app.world.read(move |reader| open(reader, &run, &which));
    let opened = opened.await?;
    let response = match is_file {
        true => opened.file(from),
        false => opened.piece(from, limit).await?,
    };
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(CONTENT_TYPE, text)], response).into_response())
}

/// A stream that was found.
struct Opened {
    /// Absent where nothing was written.
    log: Option<Arc<Log>>,
    live: Option<Arc<Live>>,
    /// What it is called when it is saved.
    name: String,
}

fn open(reader: &Reader<'_>, run: &str, which: &Which) -> Result<Opened, Trouble> {
    let stream = match which.stream {
        None | Some(Stream::Stdout) => Stream::Stdout,
        Some(Stream::Stderr) => Stream::Stderr,
        Some(Stream::Both) => {
            let one = Trouble::bad("the streams are two files");
            return Err(one.hint("ask for stdout or stderr"));
        }
    };
    reader.recorded(run, |recorded| {
        let run = Run {
            run_id: recorded.run_id(),
            state: &recorded.state,
            events: &recorded.events,
            is_past: false,
        };
        let step = recorded.step(&which.step)?;
        let none = || Trouble::not_found(format!("step {:?} has no attempt yet", which.step));
        let chosen = run
            .attempt(step, which.role, which.attempt)?
            .ok_or_else(none)?;
        let written = run.written(reader, &chosen)?;
        let log = match stream {
            Stream::Stderr => written.stderr,
            _ => written.stdout,
        };
        Ok(Opened {
            log: log.map(Arc::new),
            live: written.live.map(Arc::new),
            name: file_name(&which.step, chosen.attempt, stream.word()),
        })
    })
}

impl Opened {
    fn len(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.len)
    }

    /// So much of it, and where it goes on.
    async fn piece(&self, from: u64, limit: usize) -> Result<Response, Trouble> {
        let bytes = self.read(from, limit).await.map_err(Trouble::not_found)?;
        let header = |name, value: u64| (HeaderName::from_static(name), HeaderValue::from(value));
        let headers = [
            header("x-next", from.min(self.len()) + bytes.len() as u64),
            header("x-length", self.len()),
            header("x-open", u64::from(self.live.is_some())),
        ];
        Ok((headers, bytes).into_response())
    }

    /// All of it, sent as it is taken.
    fn file(self, from: u64) -> Response {
        let length = HeaderValue::from(self.len().saturating_sub(from));
        let name = format!("attachment; filename=\"{}\"", self.name);
        let name = HeaderValue::from_str(&name).expect("names are plain");
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut at = from;
            while at < self.len() {
                let piece = self.read(at, SENT).await;
                let got = piece.as_ref().map_or(0, Bytes::len) as u64;
                // Whoever wanted it has gone; or it is at an end before its end, which
                // the connection is broken off for.
                if sender.send(piece).await.is_err() || got == 0 {
                    return;
                }
                at += got;
            }
        });
        let headers = [(CONTENT_DISPOSITION, name), (CONTENT_LENGTH, length)];
        (headers, Body::from_stream(ReceiverStream::new(receiver))).into_response()
    }

    /// Reads on a thread that may wait for the disk.
    async fn read(&self, from: u64, most: usize) -> io::Result<Bytes> {
        let Some(log) = self.log.clone() else {
            return Ok(Bytes::new());
        };
        let live = self.live.clone();
        let read = tokio::task::spawn_blocking(move || {
            let left = usize::try_from(log.len.saturating_sub(from)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; most.min(left)];
            let got = log.read(from, &mut bytes)?;
            bytes.truncate(got);
            match live.is_none_or(|live| live.is_sure()) {
                true => Ok(Bytes::from(bytes)),
                false => Err(io::Error::other("the attempt has just ended; ask again")),
            }
        });
        read.await.map_err(io::Error::other)?
    }
}
