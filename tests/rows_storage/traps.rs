//! What stands in the state directory's place of files: rights that a careless
//! umask would give, links and pipes that somebody planted, and names elsewhere
//! that could be guessed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::json;

use super::support::{Test, eventually, nightly, skip};
use super::{
    Beside, as_text, each_ran_once, has_tool, is_root, noted, nothing_is_left, plan, run_tool,
    times, touch, under, until,
};

/// All that lies below a directory.
pub fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("it can be read") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path)
            .expect("it is there")
            .file_type();
        if kind.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

#[track_caller]
fn all_is_private(home: &Path) {
    for path in below(home) {
        let found = fs::symlink_metadata(&path).expect("it is there");
        let wanted = if found.is_dir() { 0o700 } else { 0o600 };
        let mode = found.mode() & 0o7777;
        assert_eq!(mode, wanted, "{} has {mode:o}", path.display());
    }
    assert_eq!(
        fs::metadata(home).expect("it is there").mode() & 0o7777,
        0o700
    );
}

/// A run whose engine was killed, with one step that waits and a supervisor that
/// listens for the next engine: the test, and the supervisor's socket.
fn orphaned() -> (Test, PathBuf) {
    let mut first = noted(
        "first",
        &[],
        "echo out; echo err >&2; echo K=1 > \"$QUINTET_OUTPUT\"",
    );
    first["locks"] = json!(["x"]);
    let steps = json!([
        first,
        noted("waits", &["first"], &until("go")),
        noted("last", &["waits"], "true")
    ]);
    let test = Test::new().file("plan.json", plan(2, steps));
    let umask = ["sh", "-c", "umask 000; exec \"$@\"", "sh"];
    let mut run = Beside::start(
        &test,
        "run",
        under(&test, &umask, &["run", "plan.json", "-q"]),
    );
    eventually("it waits", || times(&test, "start waits") == 1);
    run.signal(Signal::SIGKILL);
    eventually("it is gone", || run.has_ended().is_some());
    let sockets = || {
        let all = below(&test.path("state"));
        let is_socket = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        };
        all.into_iter().find(is_socket)
    };
    eventually("its supervisor listens", || sockets().is_some());
    let socket = sockets().expect("it was there");
    (test, socket)
}

/// XH03.
#[test]
fn xh03_nobody_else_may_read_what_is_kept_whatever_the_umask() {
    let (test, socket) = orphaned();
    all_is_private(&test.path("state"));
    assert!(socket.exists());
    let umask = ["sh", "-c", "umask 000; exec \"$@\"", "sh"];
    let command = under(&test, &umask, &["resume", "-q"]);
    let mut resume = Beside::start(&test, "resume", command);
    touch(&test, "go");
    resume.ends(0);
    each_ran_once(&test, ["first", "waits", "last"]);
    nothing_is_left(&test);
    all_is_private(&test.path("state"));
}

/// Connects to a socket by a directory that is open already, as another user,
/// and prints what it is told.
const STRANGER: &str = r"
import os, socket, sys
where, name, user = sys.argv[1], sys.argv[2], int(sys.argv[3])
fd = os.open(where, os.O_RDONLY)
os.setgroups([]); os.setgid(user); os.setuid(user)
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(f'/proc/self/fd/{fd}/{name}')
try:
    print('told', len(s.recv(64)), 'bytes')
except ConnectionResetError:
    print('told 0 bytes')
";

/// XH03.
#[test]
fn xh03_a_supervisor_speaks_to_nobody_but_its_user() {
    if !is_root() || !has_tool("python3") {
        return skip(
            "xh03",
            "only root can be somebody else, and python3 plays the part",
        );
    }
    let (test, socket) = orphaned();
    let home = socket.parent().expect("it is in a directory");
    // The rights that would keep a stranger out are taken away first.
    fs::set_permissions(home, Permissions::from_mode(0o711)).expect("they can be set");
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("they can be set");
    let name = socket.file_name().expect("it has a name").to_string_lossy();
    let ask = |user: &str| {
        let done = std::process::Command::new("python3")
            .args(["-c", STRANGER, as_text(home), &name, user])
            .output()
            .expect("python3 runs");
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
    };
    assert_eq!(ask("65534"), "told 0 bytes\n");
    touch(&test, "go");
    test.quintet(&["resume", "-q"]).run();
    each_ran_once(&test, ["first", "waits", "last"]);
    nothing_is_left(&test);
}

/// What can stand in a file's place.
#[derive(Clone, Copy, Debug)]
enum Trap {
    Link,
    Dangling,
    HardLink,
    Pipe,
}

const TRAPS: [Trap; 4] = [Trap::Link, Trap::Dangling, Trap::HardLink, Trap::Pipe];

impl Trap {
    fn plant(self, at: &Path, victims: &Path) {
        let _ = fs::remove_file(at);
        let victim = victims.join("victim");
        let missing = victims.join("missing");
        match self {
            Trap::Link => std::os::unix::fs::symlink(victim, at).expect("made"),
            Trap::Dangling => std::os::unix::fs::symlink(missing, at).expect("made"),
            Trap::HardLink => fs::hard_link(victim, at).expect("made"),
            Trap::Pipe => nix::unistd::mkfifo(at, Mode::S_IRWXU).expect("made"),
        }
    }
}

/// A state with one failed run that can be resumed.
fn with_a_failed_run() -> (Test, String) {
    let mut first = noted(
        "first",
        &[],
        "echo out; echo err >&2; echo K=1 > \"$QUINTET_OUTPUT\"",
    );
    first["locks"] = json!(["x"]);
    let mut second = noted(
        "second",
        &["first"],
        "echo more; echo K=2 > \"$QUINTET_OUTPUT\"; [ -e go ]",
    );
    second["locks"] = json!(["y"]);
    let test = Test::new().file("plan.json", plan(1, json!([first, second])));
    test.quintet(&["run", "plan.json", "-q"]).status(1).run();
    touch(&test, "go");
    let id = super::text(&super::status(&test)["run"]["run_id"]);
    (test, id)
}

/// Sets the trap in a copy of the state, does everything that opens files, and
/// looks at the victim.
#[track_caller]
fn spring(test: &Test, file: &str, trap: Trap) {
    let home = test.path("copy");
    let victims = test.path("victims");
    for dir in [&home, &victims] {
        let _ = fs::remove_dir_all(dir);
    }
    run_tool("cp", &["-a", as_text(&test.path("state")), as_text(&home)]);
    fs::create_dir(&victims).expect("it can be made");
    fs::write(victims.join("victim"), "precious").expect("it can be written");
    trap.plant(&home.join(file), &victims);
    for args in [
        &["status"][..],
        &["runs"],
        &["logs", "last", "first"],
        &["events", "last"],
        &["resume", "-q"],
        &["run", "plan.json", "-q"],
        &["cancel", "last", "-q"],
    ] {
        let mut command = test.quintet(args).command();
        command.env("QUINTET_STATE_DIR", &home);
        let mut call = Beside::start(test, "call", command);
        let what = format!("{args:?} with {trap:?} at {file}");
        eventually(&format!("an end of {what}"), || call.has_ended().is_some());
        let code = call.has_ended().and_then(|status| status.code());
        let documented = [0, 1, 2, 3, 74, 75, 124, 130, 143];
        assert!(
            code.is_some_and(|code| documented.contains(&code)),
            "{what}: {code:?}"
        );
        assert!(!call.said().contains("panicked"), "{what}: {}", call.said());
    }
    let left: Vec<_> = below(&victims);
    assert_eq!(left, [victims.join("victim")], "{trap:?} at {file}");
    let victim = fs::read_to_string(victims.join("victim"));
    assert_eq!(
        victim.ok().as_deref(),
        Some("precious"),
        "{trap:?} at {file}"
    );
}

/// XH04.
#[test]
fn xh04_whatever_stands_in_the_place_of_a_file_is_never_followed() {
    let (test, id) = with_a_failed_run();
    let home = test.path("state");
    let mut files: Vec<String> = below(&home)
        .iter()
        .filter(|path| path.is_file())
        .map(|path| as_text(path.strip_prefix(&home).expect("below it")).to_owned())
        .collect();
    // What a resume, or the making of a store, will want to make.
    for later in [
        "quintet.db-journal",
        "quintet.db.new",
        "quintet.db.new-journal",
        "locks/lock-z",
    ] {
        files.push(later.to_owned());
    }
    for later in [
        "2-0.rec",
        "2-0.out",
        "2-0.err",
        "2-0.out.now",
        "2-0.err.now",
        "2-0.set",
        "2-0.sock",
        "2-0-1.out",
    ] {
        files.push(format!("runs/{id}/slots/{later}"));
    }
    assert!(files.len() > 18, "{files:?}");
    for (at, file) in files.iter().enumerate() {
        for (n, trap) in TRAPS.into_iter().enumerate() {
            // Each file meets one of them, or all.
            if nightly() || n == at % TRAPS.len() {
                spring(&test, file, trap);
            }
        }
    }
}

/// XH04: the store is only being made.
#[test]
fn xh04_a_trap_in_the_place_of_a_new_store_is_never_followed() {
    for (name, trap) in ["quintet.db", "quintet.db.new", "quintet.lock"]
        .into_iter()
        .flat_map(|name| TRAPS.map(|trap| (name, trap)))
    {
        let steps = json!([noted("only", &[], "true")]);
        let test = Test::new().file("plan.json", plan(1, steps));
        let (home, victims) = (test.path("state"), test.path("victims"));
        for dir in [&home, &victims] {
            fs::create_dir(dir).expect("it can be made");
        }
        fs::write(victims.join("victim"), "precious").expect("it can be written");
        trap.plant(&home.join(name), &victims);
        let command = test.quintet(&["run", "plan.json", "-q"]).command();
        let mut call = Beside::start(&test, "call", command);
        eventually("an end", || call.has_ended().is_some());
        let code = call.has_ended().and_then(|status| status.code());
        // What is left of an earlier making is removed, not followed.
        assert!(
            matches!(code, Some(0 | 74)),
            "{trap:?} at {name}: {}",
            call.said()
        );
        assert_eq!(
            below(&victims),
            [victims.join("victim")],
            "{trap:?} at {name}"
        );
        let victim = fs::read_to_string(victims.join("victim"));
        assert_eq!(
            victim.ok().as_deref(),
            Some("precious"),
            "{trap:?} at {name}"
        );
    }
}

/// The calls of a traced program that make something with a name, other than in
/// this directory.
fn made_elsewhere(trace: &str, home: &Path) -> Vec<String> {
    let home = as_text(home);
    let makes = |line: &&str| {
        let call = line.split_once('(').map_or("", |(call, _)| call);
        let call = call.rsplit(' ').next().unwrap_or(call);
        let named = [
            "bind", "connect", "mkdir", "mkdirat", "mknod", "mknodat", "creat", "link",
        ];
        let renames = [
            "linkat",
            "symlink",
            "symlinkat",
            "rename",
            "renameat",
            "renameat2",
        ];
        named.contains(&call)
            || renames.contains(&call)
            || (["open", "openat"].contains(&call) && line.contains("O_CREAT"))
    };
    // By a path, or by the path of the directory that it is relative to.
    let here = |line: &&str| {
        let names_home = line.contains(&format!("\"{home}")) || line.contains(&format!("<{home}"));
        // Through an open directory, since the names of sockets must be short.
        let opened = line.contains("sun_path=\"/proc/self/fd/");
        (names_home || opened) && !line.contains("sun_path=@")
    };
    let lines = trace.lines().filter(makes).filter(|line| !here(line));
    lines.map(str::to_owned).collect()
}

/// XH05.
#[test]
fn xh05_nothing_is_made_where_others_could_guess_its_name() {
    if !nightly() {
        return skip("xh05", "it belongs to the long tests");
    }
    if !has_tool("strace") {
        return skip("xh05", "strace is not installed");
    }
    let step = |id: &str, needs: &[&str]| json!({"id": id, "depends_on": needs, "command": "sleep", "args": ["0.3"], "locks": [id]});
    let steps = json!([step("a", &[]), step("b", &["a"]), step("c", &["b"])]);
    let test = Test::new().file("plan.json", plan(2, steps));
    let trace = test.path("trace");
    let calls = "trace=open,openat,creat,bind,connect,mkdir,mkdirat,mknod,mknodat,link,linkat,\
                 symlink,symlinkat,rename,renameat,renameat2";
    let wrapper = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-A",
        "-o",
        as_text(&trace),
        "-e",
        calls,
    ];
    let mut run = Beside::start(&test, "run", under(&test, &wrapper, &["run", "plan.json"]));
    eventually("it has begun", || run.said().contains("  b  "));
    let engine = super::failing::engine(&run).expect("strace has one child");
    nix::sys::signal::kill(engine, Signal::SIGKILL).expect("it is there");
    std::thread::sleep(Duration::from_millis(100));
    eventually("all is over", || run.has_ended().is_some());
    for args in [
        &["resume"][..],
        &["status"],
        &["runs", "--name", "STORAGE"],
        &["logs", "last"],
        &["why", "a"],
    ] {
        let mut call = Beside::start(&test, "call", under(&test, &wrapper, args));
        call.ends(0);
    }
    let trace = fs::read_to_string(trace).expect("strace has written it");
    assert!(trace.contains(".sock"), "no supervisor listened");
    assert!(trace.lines().count() > 50);
    assert_eq!(made_elsewhere(&trace, &test.path("state")), [""; 0]);
}

#[test]
fn what_is_made_elsewhere_is_seen() {
    let home = Path::new("/h/state");
    let trace = "\
12 openat(AT_FDCWD</h/work>, \"/h/state/quintet.db\", O_RDWR|O_CREAT, 0600) = 3</h/state/quintet.db>
12 openat(5</h/state/runs/x/slots>, \"1-0.rec\", O_RDWR|O_CREAT|O_EXCL, 0600) = 6
12 openat(AT_FDCWD</h/work>, \"/etc/hosts\", O_RDONLY) = 6
12 openat(AT_FDCWD</h/work>, \"/tmp/etilqs_1\", O_RDWR|O_CREAT|O_EXCL, 0600) = 6</tmp/etilqs_1>
12 bind(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path=@\"quintet\"}, 10) = 0
12 mkdir(\"/var/tmp/x\", 0700) = 0";
    let found = made_elsewhere(trace, home);
    assert_eq!(found.len(), 3, "{found:?}");
}
