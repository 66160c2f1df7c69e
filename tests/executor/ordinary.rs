//! Steps that behave: what they are given, and what is kept of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use quintet::exec::process::{Local, Zygote, live_output};
use quintet::exec::{Executor, Report, Stop};
use quintet::run::{Exit, Role};

use crate::rig::*;

#[test]
fn a_step_gets_what_its_job_says_and_its_end_is_told() {
    let mut rig = Rig::new(1);
    let cwd = rig.dir.path().canonicalize().expect("it is there");
    let mut job = sh(
        0,
        "pwd; cat; echo \"$A-$B\" >&2; echo KEY=value > \"$QUINTET_OUTPUT\"; exit 7",
    );
    job.cwd = cwd.to_str().expect("UTF-8").into();
    job.env = vec![("A".into(), "1".into()), ("B".into(), "b c".into())];
    job.stdin = Some("from stdin\n".into());
    let done = rig.run(job);

    assert_eq!(done.exit, Exit::Exited { code: 7 });
    let stdout = format!("{}\nfrom stdin\n", cwd.display());
    assert_eq!(rig.read(&done.output.stdout), stdout);
    assert_eq!(rig.read(&done.output.stderr), "1-b c\n");
    let outputs: Vec<_> = done.outputs.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(outputs, [("KEY", "value")]);
    assert_eq!((done.leaked, done.error), (false, None));
    assert!(done.ended_at >= done.started_at);
    assert_eq!(rig.reports.len(), 2);
    assert_eq!(
        rig.reports[0],
        Report::Accepted {
            attempt: attempt(0),
            node: None,
        }
    );
    rig.assert_nothing_left();
}

#[test]
fn outputs_are_a_steps_own_and_a_bad_line_is_an_error_of_words_only() {
    let mut rig = Rig::new(1);
    let done = rig.run(sh(0, "printf 'A=1\\nbad line\\n' > $QUINTET_OUTPUT"));
    assert_eq!(done.exit, Exit::Exited { code: 0 });
    assert_eq!(done.outputs.len(), 1);
    assert!(
        done.error
            .is_some_and(|e| e.starts_with("line 2 of its outputs"))
    );

    let done = rig.run(sh(1, "mkdir $QUINTET_OUTPUT"));
    assert!(done.outputs.is_empty() && done.error.is_some());
    let done = rig.run(sh(2, "echo B=2 >> $QUINTET_OUTPUT"));
    assert_eq!((done.outputs.len(), done.error), (1, None));
    let done = rig.run(sh(3, "true"));
    assert_eq!((done.outputs.len(), done.error), (0, None));
}

/// A step that opens its standard error by name empties what the name stands
/// for: that must not be the output of earlier steps.
#[test]
fn a_step_that_reopens_its_stream_by_name_takes_nothing_of_others_along() {
    let mut rig = Rig::new(1);
    let first = rig.run(sh(0, "echo first; echo first >&2"));
    let second = rig.run(sh(
        1,
        "echo lost >&2; echo second > /dev/stderr; : > /dev/stdout",
    ));
    let third = rig.run(sh(2, "echo third; echo third >&2"));
    assert_eq!(rig.read(&first.output.stdout), "first\n");
    assert_eq!(rig.read(&first.output.stderr), "first\n");
    assert_eq!(rig.read(&second.output.stderr), "second\n");
    assert_eq!(second.output.stdout, None);
    assert_eq!(rig.read(&third.output.stdout), "third\n");
    assert_eq!(rig.read(&third.output.stderr), "third\n");
    let file = |done: &quintet::exec::Done| done.output.stderr.clone().map(|range| range.file);
    assert_eq!(file(&first), file(&third));
}

#[test]
fn a_step_that_asks_gets_files_of_its_own() {
    let mut rig = Rig::new(1);
    let mut job = sh(0, "echo mine");
    job.own_log = true;
    let mine = rig.run(job).output.stdout.expect("there is output");
    let other = rig
        .run(sh(1, "echo other"))
        .output
        .stdout
        .expect("there is output");
    assert_ne!(mine.file, other.file);
    assert_eq!((mine.start, mine.len), (0, 5));
    assert_eq!(rig.read(&Some(mine)), "mine\n");
    assert_eq!(rig.read(&Some(other)), "other\n");
}

/// P17, and XC01 in part: output costs no memory and hangs nothing.
#[test]
fn much_output_on_both_streams_costs_no_memory() {
    const BYTES: u64 = 64 << 20;
    let mut rig = Rig::new(1);
    // A supervisor begins with what the tests' own process has in memory.
    let peak = |rig: &mut Rig, step: usize| -> u64 {
        let done = rig.run(sh(step, "grep VmHWM /proc/$PPID/status | tr -dc 0-9"));
        rig.read(&done.output.stdout).parse().expect("a number")
    };
    let before = peak(&mut rig, 1);
    let done = rig.run(hostile(0, &["spew", &BYTES.to_string()]));
    assert_eq!(done.exit, Exit::Exited { code: 0 });
    for range in [done.output.stdout, done.output.stderr] {
        let range = range.expect("there is output");
        assert_eq!((range.start, range.len), (0, BYTES));
        let len = fs::metadata(rig.path(&range.file))
            .expect("it is there")
            .len();
        assert_eq!(len, BYTES);
    }
    let grown = peak(&mut rig, 2) - before;
    assert!(grown < 32 * 1024, "a supervisor grew by {grown} KiB");
    let after = rig.run(sh(3, "echo after"));
    assert_eq!(rig.read(&after.output.stdout), "after\n");
}

#[test]
fn the_output_of_a_running_step_can_be_found_and_read() {
    let mut rig = Rig::new(1);
    let go = rig.path("go");
    let script = format!(
        "echo so far; while [ ! -e {} ]; do sleep 0.01; done; echo more",
        go.display()
    );
    let running = rig.start(sh(0, &script));
    let live = wait_until("live output", || live_output(rig.dir.path(), running));
    wait_until("its text", || {
        (fs::read_to_string(&live.stdout).ok()? == "so far\n").then_some(())
    });
    assert_eq!(live_output(rig.dir.path(), attempt(1)), None);
    fs::write(go, "").expect("written");
    let done = rig.done(running);
    assert_eq!(rig.read(&done.output.stdout), "so far\nmore\n");
    assert_eq!(live_output(rig.dir.path(), running), None);
}

/// XH03: whatever the umask, nobody else can read what is kept.
#[test]
fn files_are_private() {
    let mut rig = Rig::new(1);
    let mut job = sh(0, "umask; echo out; echo err >&2");
    job.own_log = true;
    rig.run(job);
    rig.run(sh(1, "echo out"));
    let mode = |path: &std::path::Path| {
        let found = fs::symlink_metadata(path).expect("it is there");
        found.permissions().mode() & 0o7777
    };
    let slots = rig.path("slots");
    assert_eq!(mode(&slots), 0o700);
    let entries: Vec<_> = fs::read_dir(slots).expect("readable").flatten().collect();
    assert!(entries.len() >= 6);
    for entry in entries {
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
    }
}

/// XH04: what is planted under a name of ours is refused, never followed.
#[test]
fn planted_links_are_never_written_through() {
    let mut rig = Rig::new(1);
    let victim = rig.path("victim");
    fs::write(&victim, "precious").expect("written");
    for name in ["1-0.rec", "1-0.out.now", "1-0.err.now", "1-0.out"] {
        let trap = rig.path("slots").join(name);
        std::os::unix::fs::symlink(&victim, trap).expect("planted");
    }
    let mut reports = Vec::new();
    let broken = rig.local.start(sh(0, "echo x")).and_then(|()| {
        (0..100).try_for_each(|_| {
            rig.local
                .wait(Some(Duration::from_millis(400)), &mut reports)
        })
    });
    assert!(broken.is_err());
    assert_eq!(fs::read_to_string(victim).expect("readable"), "precious");
}

#[test]
fn an_epoch_is_never_used_twice() {
    let rig = Rig::new(1);
    let again = |epoch| {
        let zygote = Zygote::fork().expect("a zygote");
        let config = config(rig.dir.path(), &rig.run_id, epoch, 1);
        Local::new(zygote, config).map(drop).map_err(|e| e.kind())
    };
    assert_eq!(again(1), Err(std::io::ErrorKind::AlreadyExists));
    assert_eq!(again(2), Ok(()));
}

#[test]
fn never_more_run_at_once_than_slots_and_what_waits_can_be_called_off() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.local.ahead(), 2);
    let dir = rig.dir.path().display().to_string();
    let script = format!("echo x > {dir}/$0; while [ ! -e {dir}/go ]; do sleep 0.01; done");
    for step in 0..4 {
        let name = step.to_string();
        rig.start(job(step, &["/bin/sh", "-c", &script, &name]));
    }
    rig.wait_for_file("0");
    rig.wait_for_file("1");
    rig.stop(attempt(2), Stop::Grace);
    let done = rig.done(attempt(2));
    assert_eq!(done.exit, Exit::Canceled { signal: None });
    assert!(!rig.path("3").exists(), "a third ran beside two");

    fs::write(rig.path("go"), "").expect("written");
    for step in [0, 1, 3] {
        assert_eq!(rig.done(attempt(step)).exit, Exit::Exited { code: 0 });
    }
    assert!(rig.path("3").exists() && !rig.path("2").exists());
    let accepted = |n| Report::Accepted {
        attempt: attempt(n),
        node: None,
    };
    assert!(!rig.reports.contains(&accepted(2)));
    let thirds = rig.reports.iter().filter(|r| **r == accepted(3)).count();
    assert_eq!(thirds, 1);
}

/// A slow step keeps no job waiting that was handed to its slot ahead.
#[test]
fn a_job_handed_ahead_moves_to_a_slot_that_is_free() {
    // Many times: an order to give the job back may come together with the job,
    // before the slot has begun anything.
    for _ in 0..25 {
        let mut rig = Rig::new(2);
        let hold = rig.start(sh(0, "sleep 120"));
        for step in 1..20 {
            rig.start(job(step, &["/bin/true"]));
        }
        for step in 1..20 {
            assert_eq!(rig.done(attempt(step)).exit, Exit::Exited { code: 0 });
        }
        rig.stop(hold, Stop::Now);
        assert_eq!(rig.done(hold).exit, Exit::Canceled { signal: Some(9) });
    }
}

#[test]
fn a_wait_can_be_woken_from_another_thread_and_ends_in_time() {
    let mut rig = Rig::new(1);
    let waker = rig.local.waker();
    let thread = std::thread::spawn(move || waker.wake());
    rig.local.wait(None, &mut rig.reports).expect("it works");
    thread.join().expect("it wakes");
    let short = Some(Duration::from_millis(1));
    rig.local.wait(short, &mut rig.reports).expect("it works");
    assert_eq!(rig.reports, []);
}

#[test]
fn an_attempt_is_started_once_and_unknown_ones_are_not_stopped() {
    let mut rig = Rig::new(1);
    rig.stop(attempt(9), Stop::Now);
    let first = rig.start(sh(0, "sleep 120"));
    assert!(rig.local.start(sh(0, "true")).is_err());
    let mut other_role = sh(0, "true");
    other_role.attempt.role = Role::Undo;
    let other = rig.start(other_role);
    rig.stop(first, Stop::Now);
    assert_eq!(rig.done(other).exit, Exit::Exited { code: 0 });
}

#[test]
fn four_megabytes_of_argument_reach_the_system_and_are_its_to_refuse() {
    let mut rig = Rig::new(1);
    let long = "x".repeat(100 * 1024);
    let few = [long.as_str(); 10];
    let done = rig.run(job(
        0,
        &[&["/bin/sh", "-c", "echo $#", "sh"], &few[..]].concat(),
    ));
    assert_eq!(rig.read(&done.output.stdout), "10\n");
    let many = [long.as_str(); 41];
    let done = rig.run(job(1, &[&["/bin/true"], &many[..]].concat()));
    let errno = "E2BIG".to_string();
    assert_eq!(done.exit, Exit::FailedToStart { errno });
}

/// XB12: the program never ran, and the words say why.
#[test]
fn what_cannot_start_is_told_with_the_systems_name_and_words() {
    let mut rig = Rig::new(1);
    let file = |name: &str, text: &str, mode: u32| {
        let path = rig.path(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        path.to_str().expect("UTF-8").to_string()
    };
    let plain = file("plain", "echo no", 0o644);
    let nonsense = file("nonsense", "echo no", 0o755);
    let orphan = file("orphan", "#!/no/such/interpreter\n", 0o755);
    let cases: [(&[&str], &str, &str, String); 7] = [
        (
            &["pwsh-not-here"],
            "/",
            "ENOENT",
            "no such program: pwsh-not-here".into(),
        ),
        (
            &["/no/such"],
            "/",
            "ENOENT",
            "no such program: /no/such".into(),
        ),
        (
            &[&plain],
            "/",
            "EACCES",
            format!("no permission to run: {plain}"),
        ),
        (
            &[&nonsense],
            "/",
            "ENOEXEC",
            format!("not a program the system can run (is a #! line missing?): {nonsense}"),
        ),
        (
            &[&orphan],
            "/",
            "ENOENT",
            format!("the interpreter that the first line of {orphan} names does not exist"),
        ),
        (
            &["true"],
            "/no/such",
            "ENOENT",
            "working directory does not exist: /no/such".into(),
        ),
        (
            &["true"],
            &plain,
            "ENOTDIR",
            format!("working directory is not a directory: {plain}"),
        ),
    ];
    for (step, (argv, cwd, errno, error)) in cases.into_iter().enumerate() {
        let mut job = job(step, argv);
        job.cwd = cwd.into();
        let done = rig.run(job);
        let errno = errno.to_string();
        assert_eq!(done.exit, Exit::FailedToStart { errno });
        assert_eq!(done.error, Some(error));
    }
    // The slot is free again.
    assert_eq!(rig.run(sh(99, "exit 4")).exit, Exit::Exited { code: 4 });
}

#[test]
fn the_program_is_searched_in_the_steps_own_path() {
    let mut rig = Rig::new(1);
    let bin = rig.path("bin");
    fs::create_dir(&bin).expect("made");
    let program = bin.join("only-here");
    fs::write(&program, "#!/bin/sh\necho found\n").expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let mut job = job(0, &["only-here"]);
    job.env = vec![("PATH".into(), format!("/no/such:{}:/bin", bin.display()))];
    let done = rig.run(job);
    assert_eq!(rig.read(&done.output.stdout), "found\n");
}

/// XB14: nothing accumulates.
#[test]
fn ten_thousand_steps_leave_no_zombie_and_no_descriptor() {
    const STEPS: usize = 10_000;
    let mut rig = Rig::new(2);
    let open = || fs::read_dir("/proc/self/fd").expect("readable").count();
    let mut started = 0;
    let mut finished = 0;
    let mut at_first = None;
    let mut supervisors = Vec::new();
    while finished < STEPS {
        while started < STEPS && started - finished < 2 + rig.local.ahead() {
            let mut job = job(started, &["/bin/true"]);
            if started % 1000 == 0 {
                job = sh(started, "echo $PPID; ls /proc/$PPID/fd | wc -l");
            }
            rig.start(job);
            started += 1;
        }
        let mut reports = Vec::new();
        let waited = rig.local.wait(Some(BOUND), &mut reports);
        waited.expect("the executor works");
        assert!(
            !reports.is_empty(),
            "no report of {started}, {finished} had ended"
        );
        for report in reports {
            if let Report::Finished { done, .. } = report {
                assert_eq!(done.exit, Exit::Exited { code: 0 });
                finished += 1;
                let text = rig.read(&done.output.stdout);
                supervisors.extend(text.lines().map(str::to_string));
            }
        }
        at_first.get_or_insert_with(open);
    }
    // Other tests run in this process too, with a few descriptors each.
    let at_first = at_first.expect("there was a first");
    assert!(open() < at_first + 200, "descriptors leak");
    let pids = supervisors.iter().step_by(2);
    for pid in pids {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        assert_eq!(children.unwrap_or_default(), "", "a zombie under {pid}");
    }
    let counts: Vec<usize> = supervisors
        .iter()
        .skip(1)
        .step_by(2)
        .map(|n| n.trim().parse().expect("a number"))
        .collect();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    assert_eq!(counts.len(), STEPS / 1000);
    assert!(most <= least.map(|n| n + 1).as_ref(), "{counts:?}");
    rig.assert_nothing_left();
}

/// The lock is the attempt's: free only when nothing of it is left.
#[test]
fn locks_are_held_until_the_attempt_is_over() {
    let mut rig = Rig::new(1);
    let path = rig.path("lock");
    let lock = fs::File::create(&path).expect("made");
    lock.try_lock().expect("free");
    let ready = rig.path("ready");
    let script = format!(
        "ls -l /proc/self/fd | grep -c lock; echo x > {}; sleep 120",
        ready.display()
    );
    let mut job = sh(0, &script);
    job.locks = vec![Arc::new(lock)];
    let attempt = rig.start(job);
    let probe = fs::File::open(&path).expect("readable");
    rig.wait_for_file("ready");
    assert!(probe.try_lock().is_err());
    rig.stop(attempt, Stop::Now);
    let done = rig.done(attempt);
    assert_eq!(rig.read(&done.output.stdout).lines().next(), Some("0"));
    wait_until("free lock", || probe.try_lock().ok());
}

/// P11: what stands behind another begins after its plain end and after no
/// other, and a whole line is returned.
#[test]
fn p11_what_stands_behind_a_failure_never_begins() {
    let mut rig = Rig::new(1);
    let marker = rig.path("ran");
    let behind = |step: usize, first: usize| {
        let job = sh(step, &format!("echo {step} >> {}", marker.display()));
        let behind = Some(attempt(first));
        quintet::exec::Job { behind, ..job }
    };
    // The first waits until all that stand behind it have been handed over.
    let go = rig.path("go");
    let wait = format!("until test -e {}; do sleep 0.01; done", go.display());
    rig.start(sh(0, &format!("{wait}; exit 3")));
    for step in 1..4 {
        rig.start(behind(step, step - 1));
    }
    rig.accepted(attempt(0));
    fs::write(&go, "").expect("it can be written");
    let returned = |reports: &[Report], step: usize| {
        let attempt = attempt(step);
        reports
            .iter()
            .position(|report| *report == Report::Returned { attempt })
    };
    for step in 1..4 {
        rig.wait_for("return", |reports| returned(reports, step));
    }
    assert!(rig.done(attempt(0)).exit == Exit::Exited { code: 3 });

    // The same again, with a first that ends plainly: all of them, in order.
    rig.start(sh(4, "true"));
    for step in 5..8 {
        rig.start(behind(step, step - 1));
    }
    for step in 5..8 {
        let done = rig.wait_for("end or return", |reports| {
            let returned = returned(reports, step).map(|_| None);
            returned.or_else(|| end_of(reports, attempt(step)).map(Some))
        });
        // One that came when the one before it had ended is returned, and the
        // engine, which knows how that ended, starts it by itself.
        if done.is_none() {
            rig.run(quintet::exec::Job {
                behind: None,
                ..behind(step, step - 1)
            });
        }
    }
    assert_eq!(fs::read_to_string(&marker).expect("they ran"), "5\n6\n7\n");
    rig.assert_nothing_left();
}
