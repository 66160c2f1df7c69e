//! The dashboard's server: pages for people and an interface for programs, over HTTP
//! on the loopback address.
//!
//! It is a reader like any other. What it shows are the views' pages
//! ([`crate::view::web`]) over the same fold as the terminal's, and what it is allowed
//! to do, another process of this program does, as if a person had typed it. So no run
//! waits for it, and none ends with it.
//!
//! A request's way: [`server`] takes the connection and bounds it in time and size;
//! [`gate`] decides whether it may pass at all, before anything looks at its path;
//! [`routes`] finds who answers; a page or a resource asks [`world`] for what is
//! recorded, on a thread for that. [`live`] tells those who listen that there is more; [`control`] does what may
//! be asked for, where anything may.
//!
//! The only room with an async runtime: a thousand listeners are a thousand sockets,
//! not a thousand threads.

mod address;
mod api;
mod control;
pub mod desk;
mod gate;
mod live;
mod output;
mod pages;
mod routes;
mod server;
mod shell;
mod token;
mod trouble;
mod world;

pub use server::{Bound, Options, ServeError, serve};
