//! Freshness as a run meets it: a step is asked about, runs if it must, and is
//! asked about again by the next run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use super::*;
use crate::plan::pattern::seen_from;
use crate::plan::{Action, Cache, CacheUse, Command, Plan, Program, Step, StepIx};
use crate::run::{Change, Freshness, Millis, Stale};
use crate::store::cache::unseen;
use crate::store::testing::Home;

/// A project with one step that has a cache.
struct Project {
    home: Home,
    _tmp: tempfile::TempDir,
    root: PathBuf,
    plan: Plan,
    env: Environment,
    /// The wall clock, long after every file was made, unless a test says else.
    now: Millis,
    command: String,
}

fn step() -> StepIx {
    StepIx::new(0)
}

fn clock() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis() as Millis
}

impl Project {
    fn new(cache: Cache) -> Project {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().canonicalize().unwrap();
        let seen = |list: &[Box<str>]| {
            let all = list
                .iter()
                .map(|one| seen_from(root.to_str().unwrap(), one));
            all.collect()
        };
        let command = Command {
            program: Program::Argv(Box::new(["make".into()])),
            cwd: root.to_str().unwrap().into(),
            env: Box::default(),
            stdin: None,
        };
        let mut step = Step::new("s", Action::Command(Box::new(command)));
        step.cache = Some(Box::new(Cache {
            inputs: seen(&cache.inputs),
            outputs: seen(&cache.outputs),
            ..cache
        }));
        let mut plan = Plan::new("P");
        plan.project = root.to_str().unwrap().into();
        plan.steps.push(step);
        let home = Home::new();
        home.store();
        Project {
            home,
            _tmp: tmp,
            root,
            plan,
            env: Environment::new(),
            now: clock() + 3_600_000,
            command: "make".into(),
        }
    }

    fn cache(&mut self) -> &mut Cache {
        self.plan.steps[0].cache.as_mut().unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn identity(&self) -> Identity {
        Identity::of([self.command.as_str()], "/", [], None)
    }

    /// One run: what the step was found to be, and what went wrong. Unless it is
    /// fresh it runs, which `work` does, and what that says is how it ended.
    fn run_with(
        &self,
        work: impl FnOnce() -> Result<(), &'static str>,
    ) -> (Freshness, Vec<String>) {
        let (tell, told) = channel();
        let answer = move |answers: Vec<(StepIx, Freshness)>| {
            for (_, freshness) in answers {
                tell.send(freshness).unwrap();
            }
        };
        let (plan, state) = (Arc::new(self.plan.clone()), self.home.state.clone());
        let prober = Prober::start(plan, state, self.env.clone(), answer).unwrap();
        prober.probe(step(), self.identity(), self.now);
        let found = told.recv_timeout(Duration::from_secs(60)).unwrap();
        if matches!(found, Freshness::Stale(_)) {
            match work() {
                Ok(()) => prober.succeeded(step(), self.now, BTreeMap::new()),
                Err(exit) => prober.failed(step(), self.now, exit.into()),
            }
        }
        (found, prober.finish())
    }

    fn run(&self) -> Freshness {
        let (found, warnings) = self.run_with(|| Ok(()));
        assert_eq!(warnings, [""; 0]);
        found
    }

    fn fails(&self) -> Freshness {
        let (found, warnings) = self.run_with(|| Err("exit 1"));
        assert_eq!(warnings, [""; 0]);
        found
    }

    /// What a preview says, and how many files it read.
    fn look(&self) -> (Freshness, u64) {
        let (mut looker, warning) = Looker::new(&self.plan, self.env.clone(), &self.home.state);
        assert_eq!(warning, None);
        let found = looker.look(&self.plan, step(), self.identity(), self.now);
        (found, looker.taker.contents.files_read)
    }

    #[track_caller]
    fn is_fresh(&self) {
        let found = self.run();
        assert!(matches!(found, Freshness::Fresh(_)), "{found:?}");
    }

    #[track_caller]
    fn is_stale(&self, why: Stale) {
        assert_eq!(self.look().0, Freshness::Stale(why.clone()), "a preview");
        assert_eq!(self.run(), Freshness::Stale(why), "a run");
    }
}

fn list(all: &[&str]) -> Box<[Box<str>]> {
    all.iter().map(|one| (*one).into()).collect()
}

fn inputs(all: &[&str]) -> Cache {
    Cache {
        inputs: list(all),
        ..Cache::default()
    }
}

fn outputs(all: &[&str]) -> Cache {
    Cache {
        outputs: list(all),
        ..Cache::default()
    }
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].into()
}

fn changed(before: &str, after: &str) -> Change {
    Change::Changed {
        before: hash(before),
        after: hash(after),
    }
}

fn set_mtime(path: &Path, at: SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(at).unwrap();
}

/// E7. The very input that changed is named, with what it was and what it is.
#[test]
fn e07_an_input_that_changed_is_named() {
    let project = Project::new(inputs(&["in/a", "in/b", "src/**/*.rs"]));
    project.write("in/a", "1");
    project.write("src/x/m.rs", "fn");
    project.is_stale(Stale::Unknown);
    project.is_fresh();

    let stale = |name: &str, change| Stale::Input {
        path: project.at(name).to_str().unwrap().into(),
        change,
    };
    project.write("in/a", "2");
    project.is_stale(stale("in/a", changed("1", "2")));
    project.write("in/b", "");
    project.is_stale(stale("in/b", Change::Added));
    project.write("src/y/z/n.rs", "");
    project.write("src/y/z/n.txt", "");
    project.is_stale(stale("src/y/z/n.rs", Change::Added));
    fs::remove_file(project.at("in/b")).unwrap();
    project.is_stale(stale("in/b", Change::Removed));
    fs::rename(project.at("src/x/m.rs"), project.at("src/x/o.rs")).unwrap();
    project.is_stale(stale("src/x/m.rs", Change::Removed));
    project.is_fresh();
}

/// What only the system says of a file is no change; what can be executed is one.
#[test]
fn a_touched_file_is_not_changed() {
    let project = Project::new(inputs(&["in"]));
    project.write("in/a", "1");
    project.run();
    set_mtime(
        &project.at("in/a"),
        SystemTime::now() - Duration::from_secs(500),
    );
    fs::set_permissions(project.at("in/a"), fs::Permissions::from_mode(0o600)).unwrap();
    project.is_fresh();
    fs::set_permissions(project.at("in/a"), fs::Permissions::from_mode(0o700)).unwrap();
    project.is_stale(Stale::Input {
        path: project.at("in/a").to_str().unwrap().into(),
        change: Change::Changed {
            before: "not executable".into(),
            after: "executable".into(),
        },
    });
}

/// An unchanged step costs no reading, also after it was touched once.
#[test]
fn what_has_not_changed_is_not_read() {
    let project = Project::new(Cache {
        inputs: list(&["in"]),
        outputs: list(&["out/o"]),
        ..Cache::default()
    });
    project.write("in/a", "1");
    project.write("in/b", "2");
    project.write("out/o", "3");
    project.run();
    assert_eq!(project.look().1, 0);
    set_mtime(
        &project.at("in/a"),
        SystemTime::now() - Duration::from_secs(500),
    );
    set_mtime(
        &project.at("out/o"),
        SystemTime::now() - Duration::from_secs(500),
    );
    assert_eq!(project.look().1, 2);
    project.is_fresh();
    assert_eq!(project.look().1, 0);
}

/// A file that changes again within one tick of its file system's clock, and
/// keeps its size, looks as it did.
#[test]
fn a_change_in_the_same_tick_is_seen() {
    let mut project = Project::new(inputs(&["in"]));
    project.write("in/a", "1");
    project.now = clock();
    project.run();
    // As long as that may have been, the file is read each time.
    assert_eq!(project.look().1, 1);
    project.now += 10_000;
    assert_eq!(project.look().1, 1, "it was not settled when it was read");
    project.is_fresh();
    assert_eq!(project.look().1, 0);
}

/// XE06. By its content a file is judged, whatever time it claims.
#[test]
fn xe06_an_input_from_the_future_runs_once() {
    let mut project = Project::new(inputs(&["in"]));
    project.write("in/a", "1");
    project.now = clock();
    set_mtime(
        &project.at("in/a"),
        SystemTime::now() + Duration::from_secs(7_200),
    );
    project.is_stale(Stale::Unknown);
    project.is_fresh();
    assert_eq!(project.look().1, 1, "its times say nothing");
    project.is_fresh();
    project.write("in/a", "2");
    set_mtime(
        &project.at("in/a"),
        SystemTime::now() + Duration::from_secs(7_200),
    );
    assert!(matches!(
        project.run(),
        Freshness::Stale(Stale::Input { .. })
    ));
}

/// E3, E4, E28 and XE04: a success counts for less than its time to live, and
/// not at all when the clock says that it is yet to come.
#[test]
fn e03_e04_e28_xe04_a_success_grows_old() {
    let mut project = Project::new(Cache {
        ttl: Some(Duration::from_secs(60)),
        ..Cache::default()
    });
    let start = project.now;
    project.is_stale(Stale::Unknown);
    for (later, age) in [(0, 0), (59_999, 59_999)] {
        project.now = start + later;
        let Freshness::Fresh(fresh) = project.run() else {
            panic!("it is fresh after {later} ms");
        };
        assert_eq!(
            (fresh.since, fresh.age),
            (start, Duration::from_millis(age))
        );
    }
    project.now = start + 60_000;
    let ttl = Duration::from_secs(60);
    assert_eq!(
        project.look().0,
        Freshness::Stale(Stale::Expired { age: ttl, ttl })
    );
    project.now = start - 1;
    project.is_stale(Stale::Future { at: start });
    project.now = start;
    project.is_fresh();
}

/// E8. A failure is no success, however long the one before it would count.
#[test]
fn e08_a_failed_step_is_not_fresh() {
    let project = Project::new(Cache {
        ttl: Some(Duration::from_secs(60)),
        ..Cache::default()
    });
    project.run();
    let mut later = project;
    later.now += 60_000;
    later.fails();
    let at = later.now;
    later.is_stale(Stale::Failed { at });
    later.is_fresh();
}

/// A failure is told again for its own time, while nothing has changed.
#[test]
fn a_failure_counts_for_its_own_time() {
    let mut project = Project::new(Cache {
        failure_ttl: Some(Duration::from_secs(10)),
        ..inputs(&["in"])
    });
    project.write("in", "1");
    project.fails();
    let at = project.now;
    let before = Freshness::FailedBefore {
        at,
        exit: "exit 1".into(),
    };
    project.now += 9_999;
    assert_eq!(project.run(), before);
    project.write("in", "2");
    assert_eq!(project.look().0, Freshness::Stale(Stale::Failed { at }));
    project.write("in", "1");
    assert_eq!(project.look().0, before);
    project.now += 1;
    assert_eq!(project.look().0, Freshness::Stale(Stale::Failed { at }));
}

/// What changes while a step runs was not what it read, or was not read.
#[test]
fn an_input_that_changes_meanwhile_is_not_fresh() {
    let project = Project::new(inputs(&["in"]));
    project.write("in", "1");
    project.run_with(|| {
        project.write("in", "2");
        Ok(())
    });
    let path = project.at("in").to_str().unwrap().into();
    project.is_stale(Stale::ChangedMeanwhile { path });
    project.is_fresh();
}

#[test]
fn a_variable_that_changed_is_named_and_its_value_is_nowhere() {
    let mut project = Project::new(Cache {
        env: list(&["TOKEN"]),
        ..Cache::default()
    });
    let stale = || Stale::Env {
        name: "TOKEN".into(),
    };
    project.run();
    project.is_fresh();
    project.env.insert("OTHER".into(), "x".into());
    project.is_fresh();
    project.env.insert("TOKEN".into(), "hunter22".into());
    project.is_stale(stale());
    project.is_fresh();
    project.env.insert("TOKEN".into(), "".into());
    project.is_stale(stale());
    project.env.insert("TOKEN".into(), "hunter22".into());
    project.is_stale(stale());
    let plain = blake3::hash(b"hunter22");
    for file in ["quintet.db", "quintet.db-wal"] {
        let bytes = fs::read(project.home.state.root().join(file)).unwrap();
        let holds = |what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
        assert!(!holds(b"hunter22"), "{file}");
        assert!(!holds(plain.as_bytes()), "{file}");
    }
    // Without the key nothing can be compared.
    fs::remove_file(project.home.state.root().join("cache.key")).unwrap();
    project.is_stale(stale());
}

#[test]
fn another_program_of_the_same_name_is_a_change() {
    let mut project = Project::new(Cache {
        tools: list(&["cc"]),
        ..Cache::default()
    });
    let path = format!("{0}/one:{0}/two", project.root.display());
    project.env.insert("PATH".into(), path.into());
    let tool = |name: &str, text: &str| {
        project.write(name, text);
        fs::set_permissions(project.at(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let stale = |change| Stale::Tool {
        name: "cc".into(),
        change,
    };
    project.run();
    tool("two/cc", "1");
    project.is_stale(stale(Change::Added));
    project.is_fresh();
    assert_eq!(project.look().1, 0);
    project.write("one/cc", "not to be executed");
    project.is_fresh();
    tool("one/cc", "2");
    project.is_stale(stale(changed("1", "2")));
    fs::remove_dir_all(project.at("one")).unwrap();
    fs::remove_dir_all(project.at("two")).unwrap();
    project.is_stale(stale(Change::Removed));
}

#[test]
fn another_command_or_declaration_is_a_change() {
    let mut project = Project::new(inputs(&["in"]));
    project.run();
    project.command = "make all".into();
    project.is_stale(Stale::Command);
    project.cache().env = list(&["A"]);
    project.is_stale(Stale::Declaration);
    project.cache().ttl = Some(Duration::from_secs(60));
    project.is_fresh();
}

#[test]
fn what_a_step_made_must_be_there_as_it_made_it() {
    let project = Project::new(outputs(&["out", "a.txt"]));
    project.write("out/x", "1");
    project.write("a.txt", "1");
    project.run();
    project.is_fresh();
    // What else is there is not its own.
    project.write("out/y", "1");
    project.is_fresh();
    let stale = |name: &str, change| Stale::Output {
        path: project.at(name).to_str().unwrap().into(),
        change,
    };
    project.write("out/x", "2");
    project.is_stale(stale("out/x", changed("1", "2")));
    project.is_fresh();
    fs::remove_file(project.at("out/y")).unwrap();
    project.is_stale(stale("out/y", Change::Removed));
}

#[test]
fn a_declared_output_that_is_not_made_is_told() {
    let project = Project::new(outputs(&["out/*.bin", "a.txt"]));
    project.write("a.txt", "1");
    let (_, warnings) = project.run_with(|| Ok(()));
    let pattern = format!("{}/out/*.bin", project.root.display());
    assert_eq!(
        warnings,
        [format!(
            "s will run again: it made nothing of its output {pattern}"
        )]
    );
    project.write("out/x.bin", "1");
    project.is_stale(Stale::Output {
        path: pattern.into(),
        change: Change::Removed,
    });
    project.is_fresh();
}

#[test]
fn a_step_that_nobody_saw_through_is_not_fresh() {
    let project = Project::new(Cache::default());
    project.run();
    let conn = rusqlite::Connection::open(project.home.state.database()).unwrap();
    unseen(&conn, &project.plan.project, "other", "s").unwrap();
    unseen(&conn, &project.plan.project, "P", "t").unwrap();
    project.is_fresh();
    unseen(&conn, &project.plan.project, "P", "s").unwrap();
    project.is_stale(Stale::Unseen);
    project.is_fresh();
}

/// E8. What it did is gone, however late its success is written.
#[test]
fn e08_a_step_that_was_taken_back_is_not_fresh() {
    let project = Project::new(Cache::default());
    let (plan, state) = (Arc::new(project.plan.clone()), project.home.state.clone());
    let prober = Prober::start(plan, state, project.env.clone(), |_| {}).unwrap();
    prober.probe(step(), project.identity(), project.now);
    prober.succeeded(step(), project.now, BTreeMap::new());
    prober.taken_back(step(), project.now);
    assert_eq!(prober.finish(), [""; 0]);
    project.is_stale(Stale::Unseen);
    project.is_fresh();
}

/// E2. Everything runs, and what succeeds is fresh afterwards.
#[test]
fn e02_a_refreshing_run_remembers_anew() {
    let mut project = Project::new(Cache {
        ttl: Some(Duration::from_secs(60)),
        ..inputs(&["in"])
    });
    project.run();
    project.now += 50_000;
    project.plan.cache = CacheUse::Refresh;
    project.is_stale(Stale::Asked);
    project.plan.cache = CacheUse::Use;
    project.now += 50_000;
    project.is_fresh();
}

/// Of a step that nobody asked about before it ran nobody knows what it read.
#[test]
fn a_success_out_of_the_blue_is_not_remembered() {
    let project = Project::new(Cache::default());
    let (plan, state) = (Arc::new(project.plan.clone()), project.home.state.clone());
    let prober = Prober::start(plan, state, Environment::new(), |_| ()).unwrap();
    prober.succeeded(step(), project.now, BTreeMap::new());
    assert_eq!(prober.finish(), [""; 0]);
    project.is_stale(Stale::Unknown);
}

/// A remedy changes what the step reads, and the step is tried again: what it
/// found then is what its success depends on.
#[test]
fn what_is_there_before_the_last_attempt_counts() {
    let project = Project::new(inputs(&["in"]));
    project.write("in", "1");
    let (plan, state) = (Arc::new(project.plan.clone()), project.home.state.clone());
    let prober = Prober::start(plan, state, Environment::new(), |_| ()).unwrap();
    prober.probe(step(), project.identity(), project.now);
    prober.failed(step(), project.now, "exit 1".into());
    project.write("in", "2");
    prober.something_ran();
    prober.probe(step(), project.identity(), project.now);
    prober.succeeded(step(), project.now, BTreeMap::new());
    assert_eq!(prober.finish(), [""; 0]);
    project.is_fresh();
}

#[test]
fn links_pipes_and_circles_are_no_trouble() {
    use std::os::unix::fs::symlink;
    let project = Project::new(inputs(&["in"]));
    project.write("in/a", "1");
    project.write("elsewhere/b", "1");
    symlink(project.at("in"), project.at("in/circle")).unwrap();
    symlink("self", project.at("in/self")).unwrap();
    symlink("nowhere", project.at("in/dangling")).unwrap();
    symlink(project.at("elsewhere"), project.at("in/other")).unwrap();
    let mode = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&project.at("in/pipe"), mode).unwrap();
    project.run();
    project.is_fresh();
    let stale = |name: &str, change| Stale::Input {
        path: project.at(name).to_str().unwrap().into(),
        change,
    };
    project.write("elsewhere/b", "2");
    project.is_stale(stale("in/other/b", changed("1", "2")));
    project.write("in/nowhere", "1");
    let found = project.look().0;
    assert!(
        matches!(found, Freshness::Stale(Stale::Input { .. })),
        "{found:?}"
    );
}

#[test]
fn what_cannot_be_read_is_not_fresh_and_fails_nothing() {
    let project = Project::new(inputs(&["in"]));
    project.write("in/a", "1");
    project.run();
    fs::set_permissions(project.at("in"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(project.at("in")).is_ok() {
        eprintln!("skipped: nothing is unreadable for root");
        return;
    }
    let found = project.run();
    fs::set_permissions(project.at("in"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(
        matches!(found, Freshness::Stale(Stale::Unreadable { .. })),
        "{found:?}"
    );
}

/// A preview writes nothing at all, also where there is no store yet.
#[test]
fn a_preview_writes_nothing() {
    let project = Project::new(inputs(&["in"]));
    let before = fs::read_dir(project.home.state.root()).unwrap().count();
    let (mut looker, _) = Looker::new(&project.plan, Environment::new(), &project.home.state);
    let found = looker.look(&project.plan, step(), project.identity(), project.now);
    assert_eq!(found, Freshness::Stale(Stale::Unknown));
    let after = fs::read_dir(project.home.state.root()).unwrap().count();
    assert_eq!(before, after);
}

/// Damage in what is remembered costs a run of the step and a word, no more.
#[test]
fn damaged_memory_is_not_believed() {
    let project = Project::new(inputs(&["in"]));
    project.write("in", "1");
    let damages = [
        "UPDATE cache_step SET body = zeroblob(length(body))",
        "UPDATE cache_step SET body = substr(body, 1, length(body) - 1)",
        "UPDATE cache_step SET body = body || x'00'",
        "UPDATE cache_step SET body = substr(body, 1, 65) || x'ffffffff' || substr(body, 70)",
        "UPDATE cache_step SET state = 'nonsense'",
        "UPDATE cache_step SET at = -5",
        "UPDATE cache_step SET body = 'text'",
        "UPDATE cache_step SET inputs = x'00'",
        "UPDATE cache_step SET state = 7",
    ];
    for damage in damages {
        project.run();
        project.is_fresh();
        let conn = rusqlite::Connection::open(project.home.state.database()).unwrap();
        assert_eq!(conn.execute(damage, ()).unwrap(), 1);
        let (found, warnings) = project.run_with(|| Ok(()));
        assert_eq!(found, Freshness::Stale(Stale::Unknown), "{damage}");
        assert_eq!(warnings.len(), 1, "{damage}: {warnings:?}");
    }
    project.is_fresh();
}

/// A store that cannot be opened remembers nothing, and is told of once.
#[test]
fn without_a_store_everything_runs() {
    let project = Project::new(Cache::default());
    project.run();
    fs::write(project.home.state.database(), "nonsense").unwrap();
    let (found, warnings) = project.run_with(|| Ok(()));
    assert_eq!(found, Freshness::Stale(Stale::Unknown));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

/// Two runs of one project at once: what they remember is one or the other's.
#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    let project = Project::new(inputs(&["in"]));
    project.write("in", "1");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    project.run();
                }
            });
        }
    });
    project.is_fresh();
}

fn restoring() -> Project {
    let project = Project::new(Cache {
        inputs: list(&["in"]),
        outputs: list(&["out"]),
        restore: true,
        ..Cache::default()
    });
    project.write("in", "1");
    project
}

impl Project {
    /// A run whose step writes its input into its output.
    fn copies(&self) -> (Freshness, Vec<String>) {
        self.run_with(|| {
            let input = fs::read_to_string(self.at("in")).unwrap();
            self.write("out/a/b", &input);
            Ok(())
        })
    }

    /// How many files a run put back, where the step is fresh.
    #[track_caller]
    fn restores(&self) -> u32 {
        let (preview, _) = self.look();
        let (found, warnings) = self.copies();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(preview, found);
        match found {
            Freshness::Fresh(fresh) => fresh.restored,
            other => panic!("{other:?}"),
        }
    }

    fn objects(&self) -> Vec<PathBuf> {
        let inside = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
        let folders = inside(self.home.state.objects()).map(|entry| entry.path());
        folders.flat_map(inside).map(|entry| entry.path()).collect()
    }
}

#[test]
fn what_a_step_made_is_put_back() {
    let project = restoring();
    project.copies();
    let made = project.at("out/a/b");
    fs::set_permissions(&made, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(project.at("in"), "2").unwrap();
    project.copies();
    assert_eq!(project.restores(), 0);
    fs::set_permissions(&made, fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_dir_all(project.at("out")).unwrap();
    assert_eq!(project.restores(), 1);
    assert_eq!(fs::read_to_string(&made).unwrap(), "2");
    assert_eq!(
        fs::metadata(&made).unwrap().permissions().mode() & 0o777,
        0o640
    );
    fs::write(&made, "spoilt").unwrap();
    assert_eq!(project.restores(), 1);
    assert_eq!(fs::read_to_string(&made).unwrap(), "2");
    assert_eq!(fs::read_dir(made.parent().unwrap()).unwrap().count(), 1);
}

/// Back and forth between two states of the inputs: each is made once.
#[test]
fn what_was_made_of_earlier_inputs_is_put_back() {
    let project = restoring();
    project.copies();
    project.write("in", "2");
    project.copies();
    for text in ["1", "2", "2", "1"] {
        let was = fs::read_to_string(project.at("out/a/b")).unwrap();
        project.write("in", text);
        assert_eq!(project.restores(), u32::from(was != text));
        assert_eq!(fs::read_to_string(project.at("out/a/b")).unwrap(), text);
        assert_eq!(project.restores(), 0);
        assert_eq!(project.look().1, 0, "what was put back is read once");
    }
    assert_eq!(project.objects().len(), 2, "contents are kept once");
    // E8. What failed with these inputs is not to be had from before.
    project.write("in", "3");
    project.copies();
    project.write("in", "1");
    fs::remove_dir_all(project.home.state.objects()).unwrap();
    project.run_with(|| Err("exit 1"));
    let found = project.look().0;
    assert!(
        matches!(found, Freshness::Stale(Stale::Failed { .. })),
        "{found:?}"
    );
}

#[test]
fn damaged_contents_are_not_put_back() {
    let project = restoring();
    project.copies();
    let objects = project.objects();
    assert_eq!(objects.len(), 1);
    fs::write(&objects[0], "x").unwrap();
    fs::remove_dir_all(project.at("out")).unwrap();
    let (found, warnings) = project.copies();
    let path = project.at("out/a/b").to_str().unwrap().into();
    let change = Change::Removed;
    assert_eq!(found, Freshness::Stale(Stale::Output { path, change }));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        fs::read_to_string(&objects[0]).unwrap(),
        "1",
        "it is kept anew"
    );
}

/// Nothing is written through links that somebody put in the way.
#[test]
fn links_in_the_way_are_not_followed() {
    use std::os::unix::fs::symlink;
    let project = restoring();
    project.copies();
    project.write("victim/b", "precious");
    fs::remove_dir_all(project.at("out/a")).unwrap();
    symlink(project.at("victim"), project.at("out/a")).unwrap();
    let (found, _) = project.run_with(|| Err("not run"));
    assert!(
        matches!(found, Freshness::Stale(Stale::Output { .. })),
        "{found:?}"
    );
    assert_eq!(
        fs::read_to_string(project.at("victim/b")).unwrap(),
        "precious"
    );

    fs::remove_file(project.at("out/a")).unwrap();
    project.copies();
    fs::remove_file(project.at("out/a/b")).unwrap();
    symlink(project.at("victim/b"), project.at("out/a/b")).unwrap();
    assert_eq!(project.restores(), 1);
    assert_eq!(
        fs::read_to_string(project.at("victim/b")).unwrap(),
        "precious"
    );
    assert!(!project.at("out/a/b").is_symlink());
}

/// Links that a step made are put back as links.
#[test]
fn links_are_put_back_as_links() {
    let project = restoring();
    let make = || {
        fs::create_dir_all(project.at("out")).unwrap();
        std::os::unix::fs::symlink("x/y", project.at("out/link")).unwrap();
        Ok(())
    };
    project.run_with(make);
    fs::remove_dir_all(project.at("out")).unwrap();
    let (found, _) = project.run_with(|| Err("not run"));
    assert!(matches!(found, Freshness::Fresh(_)), "{found:?}");
    let target = fs::read_link(project.at("out/link")).unwrap();
    assert_eq!(target, Path::new("x/y"));
}

/// That nothing can be kept is a word, and no failure.
#[test]
fn where_nothing_can_be_kept_the_step_is_fresh_all_the_same() {
    let project = restoring();
    fs::write(project.home.state.objects(), "a file in the way").unwrap();
    let (_, warnings) = project.copies();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    project.is_fresh();
    fs::remove_dir_all(project.at("out")).unwrap();
    let found = project.look().0;
    assert!(
        matches!(found, Freshness::Stale(Stale::Output { .. })),
        "{found:?}"
    );
}

/// Long lists of files are kept once, and no longer than somebody has them.
#[test]
fn long_lists_are_kept_once_and_pruned() {
    let project = Project::new(inputs(&["in"]));
    for n in 0..100 {
        project.write(&format!("in/{n}"), "1");
    }
    let lists = || {
        let conn = rusqlite::Connection::open(project.home.state.database()).unwrap();
        let count = "SELECT count(*) FROM cache_list";
        conn.query_row(count, (), |row| row.get::<_, u32>(0))
            .unwrap()
    };
    let keep = crate::store::Keep {
        newest: 0,
        ended_since: 0,
    };
    project.run();
    project.is_fresh();
    assert_eq!(project.look().1, 0);
    project.write("in/7", "2");
    project.run();
    assert_eq!(lists(), 2);
    project.home.store().prune(keep).unwrap();
    assert_eq!(lists(), 1);
    project.is_fresh();
}

/// Contents that nobody remembers go, once they are old; the others stay.
#[test]
fn contents_that_nobody_remembers_are_pruned() {
    let project = restoring();
    project.copies();
    let stray = project.home.state.objects().join("ab");
    fs::create_dir_all(&stray).unwrap();
    let names = [stray.join("c".repeat(62)), stray.join("d".repeat(62))];
    names.iter().for_each(|path| fs::write(path, "x").unwrap());
    let long_ago = SystemTime::now() - Duration::from_secs(7_200);
    project
        .objects()
        .iter()
        .for_each(|path| set_mtime(path, long_ago));
    set_mtime(&names[1], SystemTime::now());
    let keep = crate::store::Keep {
        newest: 0,
        ended_since: 0,
    };
    let pruned = project.home.store().prune(keep).unwrap();
    assert_eq!(pruned.contents, 1);
    assert!(!names[0].exists() && names[1].exists());
    fs::remove_dir_all(project.at("out")).unwrap();
    assert_eq!(project.restores(), 1);
}

/// E26. What was exported and forgotten is fresh again once it is imported.
#[test]
fn e26_what_is_exported_can_be_imported() {
    let mut project = Project::new(Cache {
        inputs: list(&["in"]),
        env: list(&["A", "B"]),
        outputs: list(&["out"]),
        ..Cache::default()
    });
    project.env.insert("A".into(), "1".into());
    project.write("in", "1");
    project.write("out", "2");
    project.run();
    let name = project.plan.project.clone();
    let text = project.home.store().cache_export(&name).unwrap();
    assert_eq!(project.home.store().cache_clear(&name, &[]).unwrap(), 1);
    assert_eq!(project.look().0, Freshness::Stale(Stale::Unknown));
    let imported = project.home.store().cache_import(&name, &text).unwrap();
    assert_eq!((imported.steps, imported.refused), (1, 0));
    project.is_fresh();
    project.write("in", "2");
    let found = project.look().0;
    assert!(
        matches!(found, Freshness::Stale(Stale::Input { .. })),
        "{found:?}"
    );
}

mod random_edits {
    use super::*;
    use proptest::prelude::*;

    const PLACES: [&str; 9] = [
        "in/a",
        "in/d/b",
        "in/.hidden",
        "src/m.rs",
        "src/x/n.rs",
        "src/skip/o.rs",
        "src/t.txt",
        "one.txt",
        "other",
    ];

    #[derive(Clone, Debug)]
    enum Edit {
        Write(usize, u8),
        Remove(usize),
        Rename(usize, usize),
        Touch(usize),
        Executable(usize, bool),
        Run,
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let place = || 0..PLACES.len();
        prop_oneof![
            4 => (place(), 0..3_u8).prop_map(|(at, text)| Edit::Write(at, text)),
            2 => place().prop_map(Edit::Remove),
            2 => (place(), place()).prop_map(|(from, to)| Edit::Rename(from, to)),
            2 => place().prop_map(Edit::Touch),
            1 => (place(), any::<bool>()).prop_map(|(at, is)| Edit::Executable(at, is)),
            3 => Just(Edit::Run),
        ]
    }

    /// What the declared files are, found in the plainest way.
    fn declared(project: &Project) -> BTreeMap<&'static str, (Vec<u8>, bool)> {
        let is_declared = |name: &&&str| {
            name.starts_with("in/")
                || **name == "one.txt"
                || (name.starts_with("src/")
                    && name.ends_with(".rs")
                    && !name.starts_with("src/skip/"))
        };
        let read = |name: &&'static str| {
            let path = project.at(name);
            let mode = fs::metadata(&path).ok()?.permissions().mode();
            Some((*name, (fs::read(path).ok()?, mode & 0o100 != 0)))
        };
        PLACES.iter().filter(is_declared).filter_map(read).collect()
    }

    fn make(project: &Project, edit: &Edit, nth: u64, is_settled: bool) {
        let at = |place: &usize| project.at(PLACES[*place]);
        let set_apart = |path: &Path| {
            // In a settled tree no two states of a file look alike. In another
            // one all do, as far as that can be brought about.
            let second = if is_settled { nth } else { 0 };
            set_mtime(
                path,
                SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second),
            );
        };
        match edit {
            Edit::Write(place, text) => {
                project.write(PLACES[*place], &text.to_string());
                set_apart(&at(place));
            }
            Edit::Remove(place) => _ = fs::remove_file(at(place)),
            Edit::Rename(from, to) => {
                fs::create_dir_all(at(to).parent().unwrap()).unwrap();
                _ = fs::rename(at(from), at(to));
            }
            Edit::Touch(place) if at(place).exists() => set_apart(&at(place)),
            Edit::Executable(place, is) if at(place).exists() => {
                let mode = if *is { 0o755 } else { 0o644 };
                fs::set_permissions(at(place), fs::Permissions::from_mode(mode)).unwrap();
            }
            Edit::Touch(_) | Edit::Executable(..) | Edit::Run => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// E7. Whatever is done to a tree of files, a step is fresh if and only
        /// if nothing that it declares has changed since it succeeded.
        #[test]
        fn e07_fresh_means_that_nothing_declared_has_changed(
            edits in proptest::collection::vec(edit(), 1..24),
            is_settled in any::<bool>(),
        ) {
            let mut project = Project::new(inputs(&["in", "src/**/*.rs", "!src/skip", "one.txt"]));
            let mut succeeded = None;
            for (nth, edit) in edits.iter().enumerate() {
                if !is_settled {
                    project.now = clock();
                }
                make(&project, edit, nth as u64, is_settled);
                let now = declared(&project);
                let is_fresh = matches!(project.look().0, Freshness::Fresh(_));
                prop_assert_eq!(is_fresh, succeeded.as_ref() == Some(&now), "after {:?}", edit);
                if matches!(edit, Edit::Run) {
                    let ran = project.run();
                    prop_assert_eq!(matches!(ran, Freshness::Fresh(_)), is_fresh);
                    succeeded = Some(now);
                }
            }
        }
    }
}
