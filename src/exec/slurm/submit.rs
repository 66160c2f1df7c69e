//! From jobs to calls of sbatch: which go together, what Slurm is told of them, and
//! what their nodes are given.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::SlurmConfig;
use super::files::{Card, Plainly, Shared, key};
use crate::exec::Job;

/// A step's own timeout does not need Slurm's: this is only for nodes on which all
/// of us is dead.
const SPARE: Duration = Duration::from_secs(120);

/// What sbatch is told of a job, besides its name. Jobs of which it is told the same
/// can be submitted at once.
pub fn arguments(job: &Job) -> Vec<String> {
    let asked = job.slurm.clone().unwrap_or_default();
    let mut all = Vec::new();
    let mut say = |option: &str, value: Option<String>| {
        all.extend(value.map(|value| format!("--{option}={value}")));
    };
    say("cpus-per-task", asked.cpus.map(|n| n.to_string()));
    say("mem", asked.memory.map(|mib| format!("{mib}M")));
    say("gpus", asked.gpus.as_deref().map(str::to_owned));
    say("partition", asked.partition.as_deref().map(str::to_owned));
    say("account", asked.account.as_deref().map(str::to_owned));
    let whole = job
        .timeout
        .map(|timeout| minutes(timeout + job.grace + SPARE));
    say(
        "time",
        asked.time.map(u64::from).or(whole).map(|n| n.to_string()),
    );
    let labels = asked
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let labels: Vec<String> = labels.collect();
    say("comment", (!labels.is_empty()).then(|| labels.join(",")));
    all.extend(asked.options.iter().map(|option| option.to_string()));
    all
}

/// Up, since Slurm counts in whole ones.
fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60)
}

/// Lays out what the node of an attempt is given.
///
/// # Errors
/// It cannot be written.
pub fn lay_out(shared: &Shared, config: &SlurmConfig, job: &Job) -> std::io::Result<()> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let card = Card {
        attempt: job.attempt,
        run_id: config.run_id.clone(),
        nonce: config.nonce.clone(),
        argv: job.argv.clone(),
        builtin: job.builtin.clone(),
        cwd: job.cwd.to_string(),
        env: job.env.clone(),
        stdin: job.stdin.clone(),
        timeout_ms: job.timeout.map(millis),
        grace_ms: millis(job.grace),
        max_output: job.max_output,
        secrets: config.secrets.clone(),
        heartbeat_ms: millis(config.site.heartbeat),
    };
    shared.lay_out(&card, plainly(shared, config, job))
}

/// The same for a node where this program is not; or why that cannot be.
fn plainly(shared: &Shared, config: &SlurmConfig, job: &Job) -> Result<Plainly, &'static str> {
    if job.builtin.is_some() {
        return Err("only it can find this out");
    }
    if !config.secrets.is_empty() {
        return Err("only it keeps secrets out of what is put out");
    }
    if job.max_output.is_some() {
        return Err("only it leaves out what is too much output");
    }
    if job.argv.iter().any(|word| word.contains('\0')) {
        return Err("an argument holds a NUL byte");
    }
    let own = shared.job(&key(job.attempt));
    let file = |name: &str| quoted(&own.join(name).to_string_lossy());
    let mut script = format!("cd -- {} || exit 125\nexec env \\\n", quoted(&job.cwd));
    // What is no text cannot be said in a script, and is left out.
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let base = std::env::vars_os().filter_map(text);
    let base = base.filter(|(name, _)| !name.starts_with("SLURM_"));
    for (name, value) in base.chain(job.env.iter().cloned()) {
        script.push_str(&format!("  {} \\\n", quoted(&format!("{name}={value}"))));
    }
    script.push_str(&format!("  QUINTET_OUTPUT={} \\\n ", file("set")));
    for word in &job.argv {
        script.push(' ');
        script.push_str(&quoted(word));
    }
    script.push_str(&format!(" <{}\n", file("input")));
    let limit = job.timeout.unwrap_or_default();
    let limits = format!(
        "limit={}\nlimit_ms={}\ngrace={}\nbeat={}\n",
        limit.as_secs_f64(),
        limit.as_millis(),
        // Of no grace at all, timeout would make endless grace.
        job.grace.as_secs_f64().max(0.001),
        config.site.heartbeat.as_secs_f64(),
    );
    Ok(Plainly {
        script,
        limits,
        input: job.stdin.clone().unwrap_or_default(),
    })
}

/// A word as a shell reads it back: nothing in it means anything.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The words of a call of sbatch.
pub fn sbatch(shared: &Shared, program: &Path, batch: &str, many: usize) -> Vec<String> {
    let log = shared.at("log");
    let mut words = vec![
        "--parsable".to_owned(),
        "--no-requeue".to_owned(),
        // Of the little that sbatch has itself: see the clerk. What a step sees is
        // the same wherever it runs, and lies in `env`.
        "--export=ALL".to_owned(),
        "--nodes=1".to_owned(),
        "--ntasks=1".to_owned(),
        // A directory that is not there would silently be another one.
        "--chdir=/".to_owned(),
        "--input=/dev/null".to_owned(),
        "--open-mode=append".to_owned(),
        // `%` stands for something in the name of an output file.
        format!("--output={}", log.to_string_lossy().replace('%', "%%")),
        format!("--job-name={batch}"),
    ];
    if many > 1 {
        words.push(format!("--array=0-{}", many - 1));
    }
    let script = shared.at("script");
    words.push(script.to_string_lossy().into_owned());
    words.push(program.to_string_lossy().into_owned());
    words.push(shared.path().to_string_lossy().into_owned());
    words.push(batch.to_owned());
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::StepIx;
    use crate::run::{Attempt, Role};

    pub fn job() -> Job {
        Job {
            attempt: Attempt {
                step: StepIx::new(0),
                number: 1,
                role: Role::Main,
            },
            argv: vec!["true".into()],
            builtin: None,
            cwd: "/tmp".into(),
            env: Vec::new(),
            stdin: None,
            timeout: None,
            grace: Duration::from_secs(5),
            own_log: false,
            max_output: None,
            slurm: Some(Arc::default()),
            locks: Vec::new(),
            behind: None,
        }
    }

    #[test]
    fn slurm_is_asked_for_what_the_step_asks() {
        assert!(arguments(&job()).is_empty());
        let asked = crate::plan::Slurm {
            cpus: Some(4),
            memory: Some(2048),
            gpus: Some("a100:2".into()),
            time: Some(90),
            partition: Some("main".into()),
            account: Some("lab".into()),
            labels: [("team".into(), "x y".into())].into(),
            options: vec!["--exclusive".into()],
        };
        let job = Job {
            slurm: Some(Arc::new(asked)),
            timeout: Some(Duration::from_secs(1)),
            ..job()
        };
        let words = [
            "--cpus-per-task=4",
            "--mem=2048M",
            "--gpus=a100:2",
            "--partition=main",
            "--account=lab",
            "--time=90",
            "--comment=team=x y",
            "--exclusive",
        ];
        assert_eq!(arguments(&job), words);
    }

    /// Trap: Slurm's time limit counts minutes, and would end the step before our own.
    #[test]
    fn slurms_limit_is_never_the_first_to_end_a_step() {
        for seconds in [0, 1, 59, 60, 3600] {
            let job = Job {
                timeout: Some(Duration::from_secs(seconds)),
                ..job()
            };
            let words = arguments(&job);
            let minutes = words[0].strip_prefix("--time=").expect("a limit");
            let minutes: u64 = minutes.parse().expect("a number");
            assert!(minutes * 60 >= seconds + 5 + 120, "{words:?}");
        }
    }

    #[test]
    fn no_word_means_anything_to_a_shell() {
        for word in ["", "a b", "$(touch x)", "it's", "`x`;\n&", "'", "\\"] {
            let script = format!("printf %s {}", quoted(word));
            let put = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            assert_eq!(put.expect("a shell").stdout, word.as_bytes());
        }
    }
}
