//! `quintet mcp`: an agent sees, and where that is allowed starts and stops, what is
//! registered here, by the Model Context Protocol over stdin and stdout.
//!
//! It is a front for the verbs: what is listed, previewed and explained comes from
//! their functions, and what is started or canceled is the program itself, called in
//! a session of its own ([`crate::itself`]). So a run neither knows nor cares who began it,
//! and goes on when this server ends.
//!
//! Only the configuration's names can be started ([`registered`]): a message holds no
//! path, no command and no variable. Nothing starts that was not previewed
//! ([`super::previews`]), and without `--control` nothing starts at all. What comes from
//! programs is cleaned, bounded, and called data ([`answer`]).
//!
//! The protocol is the SDK's, which wants an async runtime. That runs in this verb
//! only, on one thread; whatever reads files or waits does so beside it ([`server`]).
//! stdout is the protocol's alone: nothing here may print.

mod answer;
mod control;
mod log;
mod recorded;
pub mod registered;
mod server;
mod watch;

use std::process::ExitCode;

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{stdin, stdout};
use tokio::runtime::Builder;

use super::error::{Failure, Kind};
use super::global::Global;
use server::{MOST_THREADS, Server};

/// No message that is longer is read; what asks for something real is far shorter.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Serve an agent by the Model Context Protocol, on stdin and stdout
///
/// Tools to list, preview, watch and explain the jobs, tasks and orchestrations of the
/// configuration and the runs that are recorded. With --control also to start and to
/// cancel; nothing starts without a preview of it. Runs go on when the server ends.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet mcp\n  $ quintet mcp --control\n  $ quintet --config jobs.toml mcp"
)]
pub struct Args {
    /// Let the agent start what is registered, and cancel runs
    #[arg(long)]
    control: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    // Said to nobody: the client gets it in its answer.
    let mut global = global.clone();
    global.quiet = true;
    // Two more: reading stdin and writing stdout never wait for what tools do.
    let runtime = Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(MOST_THREADS + 2)
        .build()
        .map_err(|error| Failure::new(Kind::Run, error))?;
    let served = runtime.block_on(serve(Server::new(global, args.control)));
    // Reading stdin cannot be called off, and nobody needs what is still being read.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

/// Answers until stdin ends.
async fn serve(server: Server) -> Result<(), Failure> {
    let transport = AsyncRwTransport::new_server(stdin(), stdout());
    let transport = transport.with_max_line_length(LONGEST_MESSAGE);
    let broken = |error: String| Failure::new(Kind::Run, error);
    let service = match server.serve(transport).await {
        // Whoever called has gone without a word.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        service => service.map_err(|error| broken(error.to_string()))?,
    };
    let ended = service.waiting().await;
    ended.map(|_| ()).map_err(|error| broken(error.to_string()))
}
