//! The dashboard, used as a person uses it: a real browser on a real server over real
//! runs. Pictures of what was seen are kept in `target/screenshots`.
//!
//! Where there is no Chromium these tests say so and do nothing; `./test` installs it.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../serve/server.rs"]
mod server;

mod accessible;
mod browser;
mod journeys;

use browser::Browser;
use server::Server;
use support::{Test, skip};

/// A test's runs, a server over them, and a browser that has been let in.
pub struct World {
    pub browser: Browser,
    pub server: Server,
    pub test: Test,
}

impl World {
    /// Nothing, where there is no browser here.
    pub fn open(name: &str, test: Test, args: &[&str]) -> Option<World> {
        std::fs::create_dir_all(test.path("browser")).expect("a directory");
        let Some(browser) = Browser::open(&test.path("browser")) else {
            skip(name, "there is no chromedriver");
            return None;
        };
        let server = Server::start(&test, args);
        browser.enter(&server.host, &server.token);
        Some(World {
            browser,
            server,
            test,
        })
    }

    /// Opens one of the dashboard's addresses in the same session.
    pub fn look(&self, path: &str) {
        self.browser
            .go(&format!("http://{}{path}", self.server.host));
    }
}
