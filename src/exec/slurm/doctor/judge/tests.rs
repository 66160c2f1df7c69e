//! What follows from facts, fact after fact.

use super::*;

#[track_caller]
fn is(check: &Check, name: &str, grade: Grade, found: &str) {
    let said = &check.found;
    assert!(
        check.name == name && check.grade == grade && said.contains(found),
        "{check:?}"
    );
    assert_eq!(check.mend.is_some(), grade != Grade::Ok, "{check:?}");
}

#[test]
fn a_client_that_gets_no_answer_lacks_configuration_munge_or_the_controller() {
    for (said, name, mend) in [
        (
            "Could not establish a configuration source",
            "configuration",
            "SLURM_CONF",
        ),
        (
            "s_p_parse_file: cannot stat file /x: No such file",
            "configuration",
            "SLURM_CONF",
        ),
        (
            "Munge encode failed: Failed to access \"/run/munge\": No such file or directory \
             (Did you start munged?); Protocol authentication error",
            "munge",
            "systemctl start munge",
        ),
        (
            "slurm_load_jobs error: Protocol authentication error",
            "munge",
            "must be the same",
        ),
        (
            "Munge decode failed: Invalid credential",
            "munge",
            "must be the same",
        ),
        (
            "Unable to contact slurm controller (connect failure)",
            "controller",
            "on head: ",
        ),
        (
            "Socket timed out on send/recv operation",
            "controller",
            "start slurmctld",
        ),
        ("squeue does not answer", "controller", "start slurmctld"),
        ("Something new", "controller", "log"),
    ] {
        let check = not_asked(said, "head");
        is(&check, name, Grade::Bad, "");
        assert!(
            check
                .mend
                .as_deref()
                .is_some_and(|text| text.contains(mend)),
            "{check:?}"
        );
    }
}

#[test]
fn settings_are_told_and_a_short_memory_is_a_warning() {
    let text = |age: &str, kind: &str| {
        format!(
            "Configuration data as of now\nMinJobAge               = {age}\nKillWait = 30 sec\n\
             MaxArraySize            = 1001\nProctrackType = {kind}\nSlurmdTimeout = 300 sec\n"
        )
    };
    let of =
        |age: &str, kind: &str, poll: u64| settings(&text(age, kind), Duration::from_secs(poll));
    let usual = of("300 sec", "proctrack/cgroup", 5);
    is(&usual[0], "memory", Grade::Ok, "300 s");
    is(&usual[1], "tracking", Grade::Ok, "cgroup");
    is(
        &usual[2],
        "settings",
        Grade::Ok,
        "SlurmdTimeout 300 sec, KillWait 30 sec, MaxArraySize 1001",
    );
    let other = of("59 sec", "proctrack/linuxproc", 5);
    is(&other[0], "memory", Grade::Warning, "59 s");
    is(&other[1], "tracking", Grade::Warning, "linuxproc");
    is(&of("60 sec", "", 5)[0], "memory", Grade::Ok, "60 s");
    is(&of("60 sec", "", 40)[0], "memory", Grade::Warning, "60 s");
    is(
        &of("0 sec", "", 5)[0],
        "memory",
        Grade::Ok,
        "forgets no job",
    );
    is(
        &settings("", Duration::ZERO)[0],
        "memory",
        Grade::Warning,
        "not known",
    );
}

#[test]
fn nodes_serve_where_they_are_neither_down_nor_drained() {
    let all = places(
        "n1|main*|up|idle\nn1|small|up|idle\nn2|main*|up|down*\nn3|main*|up|mixed-\n\
         n4|main*|up|drained\nn5|main*|up|idle*\nn6|night|down|idle\nnonsense\n",
    );
    let serve: Vec<_> = serving(&all)
        .iter()
        .map(|place| (&*place.node, &*place.partition))
        .collect();
    assert_eq!(serve, [("n1", "main"), ("n3", "main")]);
    is(
        &partitions(&all),
        "partitions",
        Grade::Ok,
        "2 of 6 nodes serve, in main, small",
    );
    let none = places("n2|main*|up|draining\n");
    is(&partitions(&none), "partitions", Grade::Bad, "none of 1");
    let no_default = places("n1|main|up|idle\n");
    is(
        &partitions(&no_default),
        "partitions",
        Grade::Warning,
        "none is the default",
    );
    let elsewhere = places("n1|main*|up|down\nn2|small|up|allocated\n");
    is(
        &partitions(&elsewhere),
        "partitions",
        Grade::Warning,
        "none in main",
    );
}

#[test]
fn little_room_is_a_warning() {
    is(
        &directory(Path::new("/s"), 1 << 30),
        "directory",
        Grade::Ok,
        "/s",
    );
    is(
        &directory(Path::new("/s"), (1 << 30) - 1),
        "directory",
        Grade::Warning,
        "/s",
    );
}

const SAID: &str = "node=n1\nbegan=10000\nanswered=10200\nmachine=x86_64\nalone=yes\n\
    timeout=yes\nsetsid=yes\nmoments=yes\nprogram=quintet 1.2\n";

fn facts() -> Facts {
    Facts::read(SAID, 10_100).expect("it is whole")
}

fn here() -> Here<'static> {
    Here {
        version: "quintet 1.2",
        machine: "x86_64",
        program: Path::new("/opt/quintet"),
    }
}

#[test]
fn a_node_that_is_as_it_should_be_is_well_in_all_points() {
    let checks = node(&facts(), here());
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["sharing", "clock", "program", "shell"]);
    assert!(
        checks.iter().all(|check| check.grade == Grade::Ok),
        "{checks:?}"
    );
    assert_eq!(Facts::read("node=n1\nbegan=1\n", 0), None);
    let line = folded("n1", checks);
    is(&line, "node", Grade::Ok, "quintet 1.2 runs on n1 (x86_64)");
}

/// What was seen lies between what the node did before and after, whatever time that took.
#[test]
fn clocks_differ_by_what_no_waiting_explains() {
    let ahead = |seen| Facts { seen, ..facts() }.ahead();
    assert_eq!([ahead(10_000), ahead(10_100), ahead(10_200)], [0, 0, 0]);
    assert_eq!([ahead(7_000), ahead(13_000)], [3_000, -2_800]);
    let coarse = Facts {
        seen: 13_000,
        tells_moments: false,
        ..facts()
    };
    assert_eq!(coarse.ahead(), -1_801, "its seconds are cut off");
    let clock = |seen| clock(&Facts { seen, ..facts() });
    is(&clock(8_000), "clock", Grade::Ok, "agrees");
    is(&clock(7_999), "clock", Grade::Warning, "2.0 s ahead");
    is(&clock(13_000), "clock", Grade::Warning, "2.8 s behind");
}

#[test]
fn a_directory_that_is_slow_or_lets_make_twice_is_found_out() {
    let slow = Facts {
        answered: 14_000,
        ..facts()
    };
    is(
        &sharing(&slow),
        "sharing",
        Grade::Warning,
        "4000 ms: attributes are cached",
    );
    let twice = Facts {
        alone: false,
        ..facts()
    };
    is(&sharing(&twice), "sharing", Grade::Bad, "once more on n1");
}

#[test]
fn another_version_is_bad_and_none_leaves_it_to_a_shell_if_that_can() {
    let with = |program: &str, setsid| Facts {
        program: program.into(),
        has_setsid: setsid,
        ..facts()
    };
    let of = |program, setsid| node(&with(program, setsid), here());
    is(
        &of("quintet 1.3", true)[2],
        "program",
        Grade::Bad,
        "\"quintet 1.3\", and here is quintet 1.2",
    );
    is(
        &of("", true)[2],
        "program",
        Grade::Warning,
        "a shell makes attempts",
    );
    is(&of("", true)[3], "shell", Grade::Ok, "to take its place");
    is(&of("", false)[3], "shell", Grade::Bad, "n1 has no setsid");
    is(
        &of("quintet 1.2", false)[3],
        "shell",
        Grade::Ok,
        "n1 has no setsid",
    );
    let other = Facts {
        machine: "aarch64".into(),
        ..with("", true)
    };
    let mend = program(&other, here()).mend.expect("it can be mended");
    assert!(mend.contains("built for aarch64"), "{mend}");
    is(
        &folded("n1", of("", true)),
        "node",
        Grade::Warning,
        "/opt/quintet does not run on n1",
    );
}

#[test]
fn a_job_that_says_nothing_is_told_of_by_what_slurm_says() {
    let ended = |code| Silent::Ended {
        state: "FAILED".into(),
        node: "n1".into(),
        code,
    };
    for (what, name, grade, found) in [
        (
            Silent::Refused("no".into()),
            "job",
            Grade::Bad,
            "refuses a small job: no",
        ),
        (
            Silent::Unsure("down".into()),
            "job",
            Grade::Bad,
            "not known: down",
        ),
        (
            Silent::Waits("Resources".into()),
            "job",
            Grade::Warning,
            "within 9 s: in Slurm's queue: Resources",
        ),
        (
            Silent::Waits(String::new()),
            "job",
            Grade::Warning,
            "in Slurm's queue",
        ),
        (
            Silent::Runs("n1".into()),
            "sharing",
            Grade::Bad,
            "it runs on n1",
        ),
        (ended(Some(66)), "sharing", Grade::Bad, "not there on n1"),
        (
            ended(Some(67)),
            "sharing",
            Grade::Bad,
            "cannot be read on n1",
        ),
        (ended(Some(68)), "sharing", Grade::Bad, "n1 cannot write"),
        (ended(Some(69)), "sharing", Grade::Bad, "n1 does not see"),
        (
            ended(Some(0)),
            "sharing",
            Grade::Bad,
            "is not seen here after 9 s",
        ),
        (ended(None), "job", Grade::Bad, "ended as FAILED"),
    ] {
        is(
            &silent(&what, Duration::from_secs(9), Path::new("/s")),
            name,
            grade,
            found,
        );
    }
}
