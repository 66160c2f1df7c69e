//! `quintet serve`: the dashboard.

mod desk;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use crate::serve::{Options, ServeError, serve};
use desk::Registered;

/// Serve the dashboard: pages and an interface about runs, on this machine only
///
/// The address is printed once it serves. Who opens it is asked for the token, which is
/// in the file that is named with it. It ends with Ctrl-C or TERM; no run ends with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ quintet serve\n  $ quintet serve --port 0 --control")]
pub struct Args {
    /// The port; 0 for one that is free
    #[arg(long, value_name = "PORT", default_value_t = 7311)]
    port: u16,

    /// The address, one of this machine's own
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,

    /// Let runs be begun, ended and answered from it
    #[arg(long)]
    control: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let options = Options {
        host: args.host,
        port: args.port,
        control: args.control,
        caller: global.caller("serve"),
        desk: Arc::new(Registered::new(global)),
    };
    let served = serve(global.state()?, &options, |bound| {
        let mut out = output::results();
        let _ = writeln!(out, "http://{}/", bound.address).and_then(|()| out.flush());
        output::note(
            global,
            &format!("the token is in {}", bound.token.display()),
        );
    });
    served.map_err(|error| match error {
        ServeError::Open(_) => {
            Failure::new(Kind::Usage, &error).hint("serve it here, and reach it through `ssh -L`")
        }
        ServeError::Bind(..) => {
            Failure::new(Kind::Usage, &error).hint("--port 0 takes one that is free")
        }
        ServeError::Token(_) | ServeError::Runtime(_) => Failure::new(Kind::Store, &error),
    })?;
    Ok(ExitCode::SUCCESS)
}
