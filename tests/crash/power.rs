//! The power goes: everything dies at once, and the disk has only what was
//! forced onto it.
//!
//! The state lies on a small file system of its own, which the kernel can be
//! told to shut down as a power cut would leave it: what is not on the disk by
//! then never will be. After the next mount the machine has another boot id, as
//! it would have; a mount over the kernel's file, seen by nobody else, says so.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use nix::unistd::Uid;
use quintet::run::Exit;
use quintet::store::StoredState;

use crate::support::{Test, eventually, nightly, skip};
use crate::witness::{
    ends, given, kill_all, ledger, nothing_is_left, recorded, run_of, step, wrong_files, wrongs,
};

const STEPS: usize = 24;

/// `FS_IOC_SHUTDOWN` without writing the journal first: the harshest end. It
/// stands ready before, since to start it takes longer than a step.
const CUT: &str = "import fcntl, os, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
print('ready', flush=True)
sys.stdin.read(1)
fcntl.ioctl(disk, 0x8004587D, struct.pack('I', 2))";

/// A file system of its own, in a file; it is unmounted when this goes.
struct Disk {
    image: PathBuf,
    place: PathBuf,
}

fn tool(program: &str, args: &[&Path]) -> Result<(), String> {
    let done = Command::new(program).args(args).output();
    match done {
        Err(error) => Err(format!("{program}: {error}")),
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}

impl Disk {
    fn new(image: PathBuf, place: PathBuf) -> Result<Disk, String> {
        let file = fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(64 << 20).map_err(|error| error.to_string())?;
        fs::create_dir_all(&place).map_err(|error| error.to_string())?;
        tool("mkfs.ext4", &[Path::new("-q"), Path::new("-F"), &image])?;
        let disk = Disk { image, place };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        tool("mount", &[Path::new("-oloop"), &self.image, &self.place])
    }

    fn switch(&self) -> Switch {
        let mut child = Command::new("python3")
            .args(["-c", CUT])
            .arg(&self.place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be started");
        let mut ready = [0; 6];
        let stdout = child.stdout.as_mut().expect("it is a pipe");
        stdout
            .read_exact(&mut ready)
            .expect("the disk can be opened");
        Switch(child)
    }

    #[track_caller]
    fn comes_back(&self) {
        eventually("the disk is let go of", || {
            tool("umount", &[&self.place]).is_ok()
        });
        // Where others mount and let go of disks at the same time, the system may
        // hand out what is still the old one, on which nothing can be written.
        eventually("the disk is back", || {
            self.mount().expect("it can be mounted again");
            let probe = self.place.join("probe");
            let works = fs::write(&probe, "").and_then(|()| fs::remove_file(&probe));
            let back = works.is_ok() && fs::read_dir(&self.place).is_ok();
            if !back {
                let _ = tool("umount", &[&self.place]);
            }
            back
        });
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = tool("umount", &[Path::new("-l"), &self.place]);
    }
}

/// Cuts the power when it is pressed.
struct Switch(Child);

impl Switch {
    fn press(mut self) {
        let mut stdin = self.0.stdin.take().expect("it is a pipe");
        stdin.write_all(b"!").expect("it waits for this");
        let status = self.0.wait().expect("it is ours");
        assert!(status.success(), "the disk goes on");
    }
}

/// A machine with a disk of its own for the state. The disk goes first.
struct Machine {
    disk: Disk,
    test: Test,
}

impl Machine {
    fn new() -> Result<Machine, String> {
        if !Uid::effective().is_root() {
            return Err("needs root".into());
        }
        let names: Vec<String> = (0..STEPS).map(|n| format!("s{n}")).collect();
        let mut steps = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let needs: Vec<&str> = (n >= 4)
                .then(|| names[n - 4].as_str())
                .into_iter()
                .collect();
            steps.push(step(name, "0.02", &needs));
        }
        let test = given(3, &steps);
        let disk = Disk::new(test.path("image"), test.path("state"))?;
        let machine = Machine { disk, test };
        match machine.after_a_reboot(&["--version"]).output() {
            Ok(done) if done.status.success() => Ok(machine),
            done => Err(format!("no mount of one's own: {done:?}")),
        }
    }

    /// A call of the program, once the machine has been started again.
    fn after_a_reboot(&self, args: &[&str]) -> Command {
        let mut command = self.test.quintet(args).after_restarts(1).command();
        command.stdin(Stdio::null());
        command
    }

    /// Runs the plan, and cuts the power so many milliseconds after the ledger
    /// has so many lines. Gives what was acknowledged: the whole lines on stdout,
    /// and the exit code of an engine that had ended before.
    fn run_until_the_cut(&self, lines: usize, ms: u64) -> (Vec<String>, Option<i32>) {
        let said = self.test.path("said");
        let switch = self.disk.switch();
        let mut engine = self
            .test
            .quintet(&["run", "plan.json", "-q", "--json"])
            .command()
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said).expect("it can be made"))
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        eventually("the plan comes so far", || {
            ledger(&self.test).len() >= lines
        });
        std::thread::sleep(Duration::from_millis(ms));
        let ended = engine.try_wait().expect("it is ours");
        switch.press();
        let _ = engine.kill(); // It may have noticed, and ended by itself.
        kill_all(&self.test, |_, _| true);
        engine.wait().expect("it is ours");
        let said = fs::read_to_string(said).expect("it is text");
        let whole = said.split_inclusive('\n').filter(|l| l.ends_with('\n'));
        let lines = whole.map(str::to_owned).collect();
        (lines, ended.and_then(|status| status.code()))
    }
}

/// One power cut; says what became of it.
fn survives(machine: &Machine, lines: usize, ms: u64) -> &'static str {
    let test = &machine.test;
    let (acknowledged, code) = machine.run_until_the_cut(lines, ms);
    let when = format!("{ms} ms after {lines} lines");
    machine.disk.comes_back();

    let Some(run) = recorded(test) else {
        assert!(acknowledged.is_empty(), "{when}: {acknowledged:?}");
        assert!(ledger(test).is_empty(), "{when}: {:?}", ledger(test));
        return "before";
    };
    let events = test.quintet(&["events", "last", "--json"]).run().text();
    let kept: BTreeSet<&str> = events.split_inclusive('\n').collect();
    for line in &acknowledged {
        assert!(kept.contains(line.as_str()), "{when}: lost {line}");
    }
    if code == Some(0) {
        assert_eq!(run.row.state, StoredState::Succeeded, "{when}");
    }
    let over = run.row.state == StoredState::Succeeded;
    let resumed = machine
        .after_a_reboot(&["resume", "-q"])
        .output()
        .expect("it can be started");
    let expected = if over { 2 } else { 0 };
    assert_eq!(
        resumed.status.code(),
        Some(expected),
        "{when}: {}",
        String::from_utf8_lossy(&resumed.stderr)
    );
    // What it had noted in the slots' files may be gone with the power. Then
    // nobody knows how it ended, and nobody says that it did.
    for (step, ends) in ends(&run_of(test)) {
        for end in ends {
            let honest = matches!(end.exit, Exit::Exited { code: 0 } | Exit::Interrupted);
            assert!(honest, "{when}: {step} has {:?}", end.exit);
        }
    }
    assert_eq!(wrongs(test), Vec::<String>::new(), "{when}");
    assert_eq!(wrong_files(test, &run_of(test)), Vec::<String>::new());
    nothing_is_left(test);
    if over { "after" } else { "during" }
}

/// XA06.
#[test]
fn xa06_what_was_acknowledged_is_there_after_a_power_cut_and_the_run_goes_on() {
    let rounds: u64 = if nightly() { 100 } else { 7 };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let chance = u64::from(now.expect("it is after 1970").subsec_nanos());
    let mut became = Vec::new();
    for round in 0..rounds {
        let machine = match Machine::new() {
            Ok(machine) => machine,
            Err(why) => return skip("xa06", &why),
        };
        // Spread over the run, its beginning and its end, and moved a little each time.
        let lines = (round * 2 * STEPS as u64 / (rounds - 1)) as usize;
        let ms = (chance + round * 7) % if lines == 0 { 60 } else { 15 };
        became.push(survives(&machine, lines, ms));
    }
    let during = became.iter().filter(|when| **when == "during").count();
    assert!(during > became.len() / 3, "{became:?}");
}
