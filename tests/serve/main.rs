//! `quintet serve`, asked over the loopback address as a browser and a program ask.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod control;
mod described;
mod gate;
mod going;
mod interface;
mod output;
mod pages;
mod server;
mod start;
