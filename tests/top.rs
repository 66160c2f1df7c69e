//! `quintet top` on a terminal of its own: what is seen there, and how it is left.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Test, eventually};

const PLAN: &str = r#"{"plan_id": "DEMO", "steps": [
    {"id": "fetch", "command": "echo", "args": ["fetched it all"]},
    {"id": "build", "command": "sh", "args": ["-c", "echo no room left; exit 3"], "depends_on": ["fetch"]}
]}"#;

/// A terminal with the program on it, as a terminal emulator understands it.
struct Screen {
    child: Child,
    keyboard: File,
    seen: Arc<Mutex<vt100::Parser>>,
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("a screen has some")
}

nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, Winsize);

impl Screen {
    fn open(test: &Test, args: &[&str]) -> Screen {
        let pty = openpty(&size(24, 90), None).expect("a terminal of one's own");
        let stream = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut command = test.quintet(args).command();
        command.env("TERM", "xterm-256color");
        command.stdin(stream()).stdout(stream()).stderr(stream());
        command.process_group(0);
        let child = command.spawn().expect("the program can be started");
        let keyboard = File::from(pty.master);
        let seen = Arc::new(Mutex::new(vt100::Parser::new(cells(24), cells(90), 0)));
        let (mut output, all) = (keyboard.try_clone().expect("a descriptor"), seen.clone());
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut piece) {
                all.lock().expect("nobody panics").process(&piece[..n]);
            }
        });
        Screen {
            child,
            keyboard,
            seen,
        }
    }

    fn text(&self) -> String {
        self.seen.lock().expect("nobody panics").screen().contents()
    }

    fn shows(&self, part: &str) {
        eventually(part, || self.text().contains(part));
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a key");
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = size(rows, columns);
        // SAFETY: the descriptor is open, and the size lives as long as the call.
        unsafe { set_size(self.keyboard.as_fd().as_raw_fd(), &size) }.expect("another size");
        let mut seen = self.seen.lock().expect("nobody panics");
        seen.screen_mut().set_size(cells(rows), cells(columns));
        drop(seen);
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGWINCH);
    }

    /// Waits for the end; the terminal must be as it was.
    fn ends(&mut self, code: i32) {
        eventually("its end", || {
            self.child.try_wait().expect("a child").is_some()
        });
        let status = self.child.wait().expect("a child");
        assert_eq!(status.code(), Some(code));
        eventually("a clean terminal", || {
            let seen = self.seen.lock().expect("nobody panics");
            !seen.screen().alternate_screen() && !seen.screen().hide_cursor()
        });
        let modes = nix::sys::termios::tcgetattr(self.keyboard.as_fd()).expect("its modes");
        let cooked = nix::sys::termios::LocalFlags::ICANON | nix::sys::termios::LocalFlags::ECHO;
        assert!(modes.local_flags.contains(cooked), "{modes:?}");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn runs_are_listed_and_a_failed_step_tells_why() {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let mut screen = Screen::open(&test, &["top"]);
    screen.shows("DEMO");
    screen.shows("failed");
    screen.press("\r");
    screen.shows("because of build");
    screen.press("f");
    screen.shows("build failed with exit 3");
    screen.press("l");
    screen.shows("no room left");
    screen.resize(12, 60);
    screen.press("f");
    screen.shows("fetched it all");
    screen.resize(2, 3);
    screen.resize(24, 120);
    screen.shows("fetched it all");
    screen.press("\u{1b}");
    screen.shows("1 listed, 0 running");
    screen.press("q");
    screen.ends(0);
}

#[test]
fn a_run_is_shown_as_it_goes_on_and_a_signal_leaves_the_terminal_clean() {
    let test = Test::new().file(
        "plan.json",
        r#"{"plan_id": "LIVE", "steps": [{"id": "wait", "command": "sh", "args": ["-c",
            "echo waiting for it; until [ -e go ]; do sleep 0.05; done; echo here it is"]}]}"#,
    );
    let run = test.quintet(&["run", "plan.json"]).start();
    eventually("a run", || {
        let runs = test.quintet(&["runs"]).command().output();
        runs.is_ok_and(|runs| String::from_utf8_lossy(&runs.stdout).contains("running"))
    });
    let mut screen = Screen::open(&test, &["top", "last"]);
    screen.shows("running");
    screen.press("l");
    screen.shows("waiting for it");
    std::fs::write(test.path("work").join("go"), "").expect("a file");
    screen.shows("succeeded");
    screen.shows("here it is");
    let _ = kill(Pid::from_raw(screen.child.id() as i32), Signal::SIGTERM);
    screen.ends(143);
    run.finish();
}

#[test]
fn ctrl_c_ends_it_and_no_terminal_is_told() {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let mut screen = Screen::open(&test, &["top"]);
    screen.shows("DEMO");
    screen.press("\u{3}");
    screen.ends(130);
    test.quintet(&["top"])
        .status(2)
        .stderr_has("this is no terminal")
        .run();
    test.quintet(&["top", "ghost"]).status(2).run();
}
