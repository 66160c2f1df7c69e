//! What follows from what was found out: nothing here asks anybody.

use std::path::Path;
use std::time::Duration;

use super::super::words;
use crate::run::checkup::{Check, Grade};

/// A job that Slurm has forgotten before it was asked again can be judged by its files
/// only.
const SHORT_MEMORY: u64 = 60;

const LITTLE_ROOM: u64 = 1 << 30;

/// Clocks that differ by more make times in records hard to understand.
const CLOCKS_DIFFER: i64 = 2_000;

/// A directory that shows more slowly what others wrote keeps old answers for a while.
const SLOW_TO_SHOW: u64 = 3_000;

/// Why the client could not ask the controller; `hosts` are its machines, where they
/// are known.
pub fn not_asked(why: &str, hosts: &str) -> Check {
    let has = |parts: &[&str]| parts.iter().any(|part| why.contains(part));
    let configuration = [
        "configuration source",
        "process configuration file",
        "cannot stat file",
        "fetch_config",
        "slurm.conf",
    ];
    let at_the_controller = match hosts {
        "" => "on its machine".to_owned(),
        hosts => format!("on {hosts}"),
    };
    if has(&configuration) {
        return without_configuration(why);
    }
    if has(&["Failed to access", "munged is up", "Did you start munged"]) {
        let found = "munge does not run on this machine, so Slurm believes nothing it says";
        return Check::bad("munge", found, "systemctl start munge");
    }
    if has(&["unge", "authentication", "credential"]) {
        let mend = format!(
            "/etc/munge/munge.key must be the same here and {at_the_controller}, and the \
             clocks must agree; then: systemctl restart munge"
        );
        return Check::bad("munge", format!("Slurm does not believe us: {why}"), mend);
    }
    let silent = [
        "Unable to contact",
        "timed out",
        "refused",
        "Unable to resolve",
        "does not answer",
        "No route",
        "unreachable",
    ];
    let mend = match has(&silent) {
        true => {
            format!(
                "{at_the_controller}: systemctl start slurmctld; scontrol ping says whether it can be reached from here"
            )
        }
        false => format!("what Slurm's own log says {at_the_controller} tells more: scontrol ping"),
    };
    Check::bad("controller", format!("it cannot be asked: {why}"), mend)
}

pub fn without_configuration(why: &str) -> Check {
    let mend = "set SLURM_CONF to the cluster's slurm.conf, or copy it to /etc/slurm/slurm.conf";
    Check::bad("configuration", format!("there is none: {why}"), mend)
}

/// What the controller's own settings mean for us: `text` is from `scontrol show config`,
/// `poll` the time between two of our questions.
pub fn settings(text: &str, poll: Duration) -> Vec<Check> {
    let said = |name: &str| {
        let of_line = |line: &str| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        text.lines().find_map(of_line)
    };
    let word = |name: &str| said(name).unwrap_or_else(|| "?".into());
    let told = format!(
        "SlurmdTimeout {}, KillWait {}, MaxArraySize {}",
        word("SlurmdTimeout"),
        word("KillWait"),
        word("MaxArraySize")
    );
    vec![
        memory(&word("MinJobAge"), poll),
        tracking(&word("ProctrackType")),
        Check::ok("settings", told),
    ]
}

fn memory(age: &str, poll: Duration) -> Check {
    let seconds = age.split(' ').next().unwrap_or_default().parse::<u64>();
    let enough = SHORT_MEMORY.max(poll.as_secs() * 2);
    match seconds {
        Ok(0) => Check::ok(
            "memory",
            "Slurm forgets no job that has ended (MinJobAge 0)",
        ),
        Ok(seconds) if seconds >= enough => {
            let found = format!("Slurm remembers a job for {seconds} s after its end (MinJobAge)");
            Check::ok("memory", found)
        }
        Ok(seconds) => {
            let found = format!(
                "Slurm forgets a job {seconds} s after its end (MinJobAge): one that ends \
                 without a result may be judged by its files alone"
            );
            Check::warning("memory", found, format!("MinJobAge={enough} in slurm.conf"))
        }
        Err(_) => {
            let mend = "scontrol show config | grep MinJobAge";
            Check::warning(
                "memory",
                "how long Slurm remembers a job is not known",
                mend,
            )
        }
    }
}

fn tracking(kind: &str) -> Check {
    match kind {
        "proctrack/cgroup" => Check::ok("tracking", "Slurm finds a job's processes by cgroup"),
        "proctrack/linuxproc" | "proctrack/pgid" => {
            let found = format!(
                "Slurm finds a job's processes by their parents or groups ({kind}): what a step \
                 puts into the background may outlive a node's supervisor that was killed"
            );
            Check::warning(
                "tracking",
                found,
                "ProctrackType=proctrack/cgroup in slurm.conf",
            )
        }
        other => Check::ok("tracking", format!("ProctrackType {other}")),
    }
}

/// A node in one of its partitions, as sinfo tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub node: String,
    pub partition: String,
    pub by_default: bool,
    /// Jobs can begin there.
    pub serves: bool,
}

/// What `sinfo -N -o %N|%P|%a|%T` has written.
pub fn places(text: &str) -> Vec<Place> {
    let of_line = |line: &str| {
        let mut fields = line.split('|').map(str::trim);
        let mut next = || fields.next();
        let (node, partition, available, state) = (next()?, next()?, next()?, next()?);
        let good = ["idle", "mixed", "allocated", "completing", "planned"];
        // A star is for one that does not respond; what else is added does not matter.
        let responds = !state.contains('*');
        Some(Place {
            node: node.to_owned(),
            partition: partition.trim_end_matches('*').to_owned(),
            by_default: partition.ends_with('*'),
            serves: available == "up"
                && responds
                && good.iter().any(|good| state.starts_with(good)),
        })
    };
    text.lines().filter_map(of_line).collect()
}

/// The nodes that serve, each with the partition to ask for it.
pub fn serving(places: &[Place]) -> Vec<&Place> {
    let mut all: Vec<&Place> = places.iter().filter(|place| place.serves).collect();
    all.sort_by(|a, b| (&a.node, !a.by_default).cmp(&(&b.node, !b.by_default)));
    all.dedup_by(|a, b| a.node == b.node);
    all
}

pub fn partitions(places: &[Place]) -> Check {
    let serving = serving(places);
    let mut nodes: Vec<&str> = places.iter().map(|place| &*place.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let mut up: Vec<&str> = places
        .iter()
        .filter(|place| place.serves)
        .map(|place| &*place.partition)
        .collect();
    up.sort_unstable();
    up.dedup();
    let usual = places.iter().find(|place| place.by_default);
    let mend = "sinfo -R says why; scontrol update nodename=NODE state=resume puts one back";
    if serving.is_empty() {
        let found = format!(
            "none of {} nodes serves in a partition that is up",
            nodes.len()
        );
        return Check::bad("partitions", found, mend);
    }
    let found = format!(
        "{} of {} nodes serve, in {}",
        serving.len(),
        nodes.len(),
        up.join(", ")
    );
    match usual {
        Some(usual) if !up.contains(&&*usual.partition) => {
            let found = format!("{found}; but none in {}, the default", usual.partition);
            Check::warning("partitions", found, mend)
        }
        Some(_) => Check::ok("partitions", found),
        None => {
            let mend = "each step has to say its `partition`, or set SBATCH_PARTITION";
            Check::warning("partitions", format!("{found}; none is the default"), mend)
        }
    }
}

/// The directory that is to be shared, as it is on this machine.
pub fn directory(path: &Path, free: u64) -> Check {
    let (gib, path) = (free as f64 / LITTLE_ROOM as f64, path.display());
    let found = format!("{path} can be written here, {gib:.1} GiB are free");
    match free < LITTLE_ROOM {
        true => {
            let mend = format!("make room in {path}, or set QUINTET_SLURM_DIR to where some is");
            Check::warning("directory", found, mend)
        }
        false => Check::ok("directory", found),
    }
}

pub fn no_directory(path: &Path, why: &str) -> Check {
    let mend = format!(
        "mkdir -p -m 700 {}; or set QUINTET_SLURM_DIR to a directory that all nodes share",
        path.display()
    );
    Check::bad("directory", format!("it cannot be used: {why}"), mend)
}

/// What a node has found out, and when it heard of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub node: String,
    /// By its clock, before it wrote for the first time.
    pub began: i64,
    /// By ours, when that was seen and before it was answered.
    pub seen: i64,
    /// By its clock, when it saw the answer.
    pub answered: i64,
    pub machine: String,
    /// What was made here could not be made there once more.
    pub alone: bool,
    pub has_timeout: bool,
    pub has_setsid: bool,
    /// Its `date` tells milliseconds.
    pub tells_moments: bool,
    /// What the program there says its version is; empty where there is none.
    pub program: String,
}

impl Facts {
    /// From what it wrote; `seen` by our clock.
    pub fn read(text: &str, seen: i64) -> Option<Facts> {
        let said = |name: &str| {
            let of_line = |line: &str| {
                let (key, value) = line.split_once('=')?;
                (key == name).then(|| value.to_owned())
            };
            text.lines().find_map(of_line)
        };
        let yes = |name: &str| said(name).is_some_and(|word| word == "yes");
        Some(Facts {
            node: said("node")?,
            began: said("began")?.parse().ok()?,
            seen,
            answered: said("answered")?.parse().ok()?,
            machine: said("machine")?,
            alone: yes("alone"),
            has_timeout: yes("timeout"),
            has_setsid: yes("setsid"),
            tells_moments: yes("moments"),
            program: said("program")?,
        })
    }

    /// How far its clock is ahead of ours, at least; behind, where it is negative. What
    /// lies within the time that a message takes is not known, and taken for nothing.
    fn ahead(&self) -> i64 {
        // We saw it after it began, and it saw the answer after that.
        let cut = if self.tells_moments { 0 } else { 999 };
        let (least, most) = (self.began - self.seen, self.answered + cut - self.seen);
        if least > 0 { least } else { most.min(0) }
    }
}

/// What all of this is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// This program's version, as it says it.
    pub version: &'a str,
    pub machine: &'a str,
    /// Where the program is to be on the nodes.
    pub program: &'a Path,
}

/// What a node's facts mean.
pub fn node(facts: &Facts, here: Here<'_>) -> Vec<Check> {
    let mut checks = vec![sharing(facts), clock(facts), program(facts, here)];
    checks.push(shell(facts, facts.program.is_empty()));
    checks
}

fn sharing(facts: &Facts) -> Check {
    let (node, there) = (&facts.node, facts.answered - facts.began);
    let there = u64::try_from(there).unwrap_or(0);
    if !facts.alone {
        let found = format!("a file that was made here could be made once more on {node}");
        let mend = "mount it so that O_EXCL holds between machines (NFS since version 3 does): \
                    a step might begin twice";
        return Check::bad("sharing", found, mend);
    }
    let found = format!("what {node} writes is seen here and answered there, after {there} ms");
    match there > SLOW_TO_SHOW {
        true => {
            let found = format!("{found}: attributes are cached for long");
            let mend = "mount it with actimeo=1 or less, here and on the nodes";
            Check::warning("sharing", found, mend)
        }
        false => Check::ok("sharing", found),
    }
}

fn clock(facts: &Facts) -> Check {
    let (node, ahead) = (&facts.node, facts.ahead());
    let seconds = ahead.unsigned_abs() as f64 / 1000.0;
    if ahead.abs() <= CLOCKS_DIFFER {
        return Check::ok(
            "clock",
            format!("that of {node} agrees with this machine's"),
        );
    }
    let side = if ahead > 0 { "ahead" } else { "behind" };
    let found = format!("that of {node} is {seconds:.1} s {side}");
    Check::warning(
        "clock",
        found,
        "systemctl start chrony, here and there: clocks must agree",
    )
}

fn program(facts: &Facts, here: Here<'_>) -> Check {
    let (node, path) = (&facts.node, here.program.display());
    let mend = match facts.machine == here.machine {
        true => format!(
            "put this program at {path} on the nodes, or set QUINTET_SLURM_BINARY to where it is"
        ),
        false => format!(
            "set QUINTET_SLURM_BINARY to where this version is, built for {}",
            facts.machine
        ),
    };
    let said = &facts.program;
    if said.is_empty() {
        let found = format!(
            "{path} does not run on {node} ({}): a shell makes attempts there, without \
             masking, builtins and the proof that all has ended",
            facts.machine
        );
        return Check::warning("program", found, mend);
    }
    if said != here.version {
        let found = format!("{path} on {node} is {said:?}, and here is {}", here.version);
        return Check::bad("program", found, mend);
    }
    Check::ok(
        "program",
        format!("{said} runs on {node} ({})", facts.machine),
    )
}

/// What the shell needs that takes the program's place; `wanted` where it has to.
fn shell(facts: &Facts, wanted: bool) -> Check {
    let node = &facts.node;
    let needs = [
        (facts.has_timeout, "timeout"),
        (facts.has_setsid, "setsid"),
        (facts.tells_moments, "date +%s%3N"),
    ];
    let lacks: Vec<&str> = needs
        .iter()
        .filter(|(has, _)| !has)
        .map(|(_, what)| *what)
        .collect();
    let lacks = lacks.join(", ");
    let mend = "apt-get install coreutils util-linux, on the nodes; or the program itself";
    match (lacks.is_empty(), wanted) {
        (true, _) => Check::ok(
            "shell",
            format!("{node} has what a shell needs to take its place"),
        ),
        (false, true) => Check::bad("shell", format!("{node} has no {lacks}"), mend),
        (false, false) => {
            let found = format!("{node} has no {lacks}; that matters only without the program");
            Check::ok("shell", found)
        }
    }
}

/// What became of a job that has not said what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silent {
    Refused(String),
    /// Whether it was submitted is not known.
    Unsure(String),
    /// Slurm's reason, if it gives one.
    Waits(String),
    /// On this node, or so Slurm says.
    Runs(String),
    Ended {
        state: String,
        node: String,
        /// As Slurm has it; the script's own words for what went wrong.
        code: Option<i32>,
    },
}

/// What that means, `waited` after it was submitted.
pub fn silent(what: &Silent, waited: Duration, path: &Path) -> Check {
    let (waited, path) = (waited.as_secs(), path.display());
    let share = format!(
        "mount {path} on the nodes too, at the same path; or set QUINTET_SLURM_DIR to a \
         directory that they share"
    );
    match what {
        Silent::Refused(why) => {
            let mend = "set what this site asks of every job: SBATCH_ACCOUNT, SBATCH_PARTITION, …; \
                        steps say it by `account` and `partition`";
            Check::bad("job", format!("Slurm refuses a small job: {why}"), mend)
        }
        Silent::Unsure(why) => {
            let mend = "scontrol ping; then try again";
            Check::bad(
                "job",
                format!("whether it was submitted is not known: {why}"),
                mend,
            )
        }
        Silent::Waits(reason) => {
            let why = words::waits(reason).unwrap_or_else(|| "in Slurm's queue".into());
            let found =
                format!("it did not begin within {waited} s: {why}; what nodes see is not known");
            Check::warning("job", found, "quintet doctor --executor slurm --wait 600")
        }
        Silent::Runs(node) => {
            let found =
                format!("it runs on {node}, and nothing it writes is seen here after {waited} s");
            Check::bad("sharing", found, share)
        }
        Silent::Ended { state, node, code } => ended(state, node, *code, &share, waited),
    }
}

/// See `node.sh` for the codes.
fn ended(state: &str, node: &str, code: Option<i32>, share: &str, waited: u64) -> Check {
    let bad = |what: String| Check::bad("sharing", what, share);
    match code {
        Some(66) => bad(format!("the directory is not there on {node}")),
        Some(67) => bad(format!("what was written here cannot be read on {node}")),
        Some(68) => {
            let mend = "it must be writable for you there: not read-only, and by the same user id";
            Check::bad(
                "sharing",
                format!("{node} cannot write to the directory"),
                mend,
            )
        }
        Some(69) => bad(format!("{node} does not see what is written here")),
        Some(0) => bad(format!(
            "what {node} wrote is not seen here after {waited} s"
        )),
        _ => {
            let found = format!("a small job on {node} ended as {state} and said nothing");
            let mend = "what slurmd's log on that node says tells more; scontrol show job";
            Check::bad("job", found, mend)
        }
    }
}

/// All that is known of one node, as one line.
pub fn folded(node: &str, checks: Vec<Check>) -> Check {
    let grade = checks
        .iter()
        .map(|check| check.grade)
        .max()
        .unwrap_or(Grade::Ok);
    let worth = |check: &&Check| check.grade != Grade::Ok;
    // What is well with all of them is said of the program alone: that it is there.
    let shown: Vec<&Check> = match grade {
        Grade::Ok => checks
            .iter()
            .filter(|check| check.name != "shell")
            .collect(),
        _ => checks.iter().filter(worth).collect(),
    };
    let found: Vec<&str> = shown.iter().map(|check| &*check.found).collect();
    let mend: Vec<&str> = shown
        .iter()
        .filter_map(|check| check.mend.as_deref())
        .collect();
    Check {
        name: "node",
        node: Some(node.into()),
        grade,
        found: found.join("; "),
        mend: (!mend.is_empty()).then(|| mend.join("; ")),
    }
}

#[cfg(test)]
mod tests;
