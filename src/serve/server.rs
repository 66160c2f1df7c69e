//! Connections: taken on the loopback address only, so many at once, and each bounded
//! in what it may say and how long it may take.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::Layer;

use super::control::Calls;
use super::desk::Desk;
use super::gate::{self, Gate};
use super::live::Live;
use super::routes::{self, App};
use super::token::Token;
use super::world::World;
use crate::itself::Caller;
use crate::paths::StateDir;

/// So many connections at once, where the system allows as many descriptors; others
/// wait to be taken.
const CONNECTIONS: usize = 1024;

/// Descriptors that are needed beside connections: for the store, logs, the runtime.
const OWN_DESCRIPTORS: u64 = 128;

/// A request's head comes within this time, or its connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// One that takes nothing of what it asked for in this time is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request's head has at most so many bytes and fields.
const MOST_HEAD: usize = 32 << 10;
const MOST_FIELDS: usize = 64;

/// What is asked of the server.
#[derive(Clone)]
pub struct Options {
    /// Of this machine only.
    pub host: IpAddr,
    /// Any that is free, where it is 0.
    pub port: u16,
    /// Whether runs can be begun, ended and answered from it.
    pub control: bool,
    /// How the program is called for that.
    pub caller: Caller,
    /// What can be begun.
    pub desk: Arc<dyn Desk>,
}

/// Where it serves.
#[derive(Clone, Debug)]
pub struct Bound {
    pub address: SocketAddr,
    /// The file that holds the token.
    pub token: std::path::PathBuf,
}

/// Why there is no server.
#[derive(Debug)]
pub enum ServeError {
    /// The address could be reached from other machines.
    Open(IpAddr),
    Token(io::Error),
    Bind(SocketAddr, io::Error),
    Runtime(io::Error),
}

impl std::error::Error for ServeError {}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Open(host) => write!(
                f,
                "{host} can be reached from other machines, and what is served is neither \
                 encrypted nor for them"
            ),
            ServeError::Token(error) => write!(f, "the token: {error}"),
            ServeError::Bind(address, error) => write!(f, "{address}: {error}"),
            ServeError::Runtime(error) => write!(f, "the server cannot begin: {error}"),
        }
    }
}

/// Serves until a signal asks it to end.
///
/// # Errors
/// It cannot begin.
pub fn serve(
    state: StateDir,
    options: &Options,
    ready: impl FnOnce(&Bound),
) -> Result<(), ServeError> {
    if !options.host.is_loopback() {
        return Err(ServeError::Open(options.host));
    }
    let token = Token::of(&state).map_err(ServeError::Token)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let wanted = SocketAddr::new(options.host, options.port);
        let bind = |error| ServeError::Bind(wanted, error);
        let listener = TcpListener::bind(wanted).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let path = state.root().join(super::token::FILE);
        let world = Arc::new(World::new(state));
        let live = Arc::new(Live::new());
        let gate = Arc::new(Gate::new(address, token));
        let app = App {
            world: world.clone(),
            live: live.clone(),
            control: options.control,
            calls: Arc::new(Calls::new(options.caller.clone(), options.desk.clone())),
        };
        // Around the router, not in it: what does not pass is never looked up.
        let service = from_fn_with_state(gate, gate::gate).layer(routes::router(app));
        let service = Router::new().fallback_service(service);
        let mut term = signal(SignalKind::terminate()).map_err(ServeError::Runtime)?;
        Live::watch(&live, world.state().clone());
        ready(&Bound {
            address,
            token: path,
        });
        tokio::select! {
            () = accept(&listener, service) => {}
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(())
    })
}

/// Takes connections as long as there is a server.
async fn accept(listener: &TcpListener, service: Router) {
    let places = Arc::new(Semaphore::new(bearable()));
    loop {
        let place = places.clone().acquire_owned().await;
        let place = place.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = service.clone();
                tokio::spawn(async move {
                    let _place = place;
                    connection(stream, service).await;
                });
            }
            // No descriptor is left, or the client is gone already: both pass.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// One connection, to its end. What goes wrong on it is its client's affair.
async fn connection(stream: TcpStream, service: Router) {
    // Small answers are not held back to be sent with others.
    let _ = stream.set_nodelay(true);
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(PATIENCE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD)
        .max_headers(MOST_FIELDS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let _ = connection.await;
}

/// How many connections there can be at once. The soft limit of descriptors, which is
/// low for the sake of programs that use `select`, is raised as far as it must be.
fn bearable() -> usize {
    let wanted = CONNECTIONS as u64 + OWN_DESCRIPTORS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return CONNECTIONS / 8;
    };
    let soft =
        match soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).is_ok() {
            true => wanted.min(hard),
            false => soft,
        };
    let left = soft.saturating_sub(OWN_DESCRIPTORS);
    usize::try_from(left).map_or(CONNECTIONS, |left| left.clamp(1, CONNECTIONS))
}
