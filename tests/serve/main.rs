//! `quintet serve`, asked over the loopback address as a browser and a program ask.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod control;
mod gate;
mod output;
mod pages;
mod server;
mod start;
mod streams;
