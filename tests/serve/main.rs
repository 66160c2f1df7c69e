//! `quintet serve`, asked over the loopback address as a browser and a program ask.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod control;
mod described;
mod fuzz;
mod gate;
mod going;
mod hostile;
mod interface;
mod output;
mod pages;
mod server;
mod start;
mod streams;
