//! What a site has to say of how Slurm is used there. It is the same for all plans,
//! and so it is said in the environment and not in any of them.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// How Slurm is used at this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// A directory that all nodes share, below which each run has one of its own;
    /// without, it is within the state directory.
    pub dir: Option<PathBuf>,
    /// Between two questions to the controller while something changes. It becomes
    /// longer while nothing does.
    pub poll: Duration,
    /// A node says so often that an attempt goes on.
    pub heartbeat: Duration,
    /// At most so many attempts are with Slurm at once.
    pub jobs: NonZeroU32,
    /// This program on the nodes; what is there otherwise is a shell.
    pub program: PathBuf,
}

const JOBS: NonZeroU32 = NonZeroU32::new(1000).expect("not 0");

impl Site {
    /// The same of this process.
    ///
    /// # Errors
    /// See [`Site::of`].
    pub fn here() -> Result<Site, String> {
        let own =
            std::env::current_exe().map_err(|e| format!("this program cannot be found: {e}"))?;
        Site::of(
            |name| std::env::var(name).ok().filter(|text| !text.is_empty()),
            own,
        )
    }

    /// What the environment says: `QUINTET_SLURM_DIR`, `_POLL` and `_HEARTBEAT` (in
    /// seconds), `_JOBS`, `_BINARY`. `own` is this program's path.
    ///
    /// # Errors
    /// In words: which variable cannot be understood.
    pub fn of(say: impl Fn(&str) -> Option<String>, own: PathBuf) -> Result<Site, String> {
        let seconds = |name: &str, usual: u64| match say(name) {
            None => Ok(Duration::from_secs(usual)),
            Some(text) => text
                .parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|time| (Duration::from_millis(50)..=DAY).contains(time))
                .ok_or_else(|| format!("{name} is to be seconds, from 0.05 to 86400: {text:?}")),
        };
        let path = |name: &str| match say(name).map(PathBuf::from) {
            Some(path) if !path.is_absolute() => {
                Err(format!("{name} is to be an absolute path: {path:?}"))
            }
            path => Ok(path),
        };
        Ok(Site {
            dir: path("QUINTET_SLURM_DIR")?,
            poll: seconds("QUINTET_SLURM_POLL", 5)?,
            heartbeat: seconds("QUINTET_SLURM_HEARTBEAT", 10)?,
            jobs: match say("QUINTET_SLURM_JOBS") {
                None => JOBS,
                Some(text) => text.parse().map_err(|_| {
                    format!("QUINTET_SLURM_JOBS is to be a number from 1: {text:?}")
                })?,
            },
            program: path("QUINTET_SLURM_BINARY")?.unwrap_or(own),
        })
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn site(said: &[(&str, &str)]) -> Result<Site, String> {
        let say = |name: &str| {
            let found = said.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Site::of(say, "/bin/quintet".into())
    }

    #[test]
    fn a_site_that_says_nothing_is_asked_kindly() {
        let usual = site(&[]).expect("nothing is wrong");
        assert_eq!((usual.poll.as_secs(), usual.heartbeat.as_secs()), (5, 10));
        assert_eq!((usual.jobs.get(), usual.dir), (1000, None));
        assert_eq!(usual.program, PathBuf::from("/bin/quintet"));
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (name, value) in [
            ("QUINTET_SLURM_POLL", "soon"),
            ("QUINTET_SLURM_POLL", "0"),
            ("QUINTET_SLURM_HEARTBEAT", "-1"),
            ("QUINTET_SLURM_HEARTBEAT", "NaN"),
            ("QUINTET_SLURM_JOBS", "0"),
            ("QUINTET_SLURM_DIR", "here"),
        ] {
            let wrong = site(&[(name, value)]).expect_err(value);
            assert!(wrong.starts_with(name), "{wrong}");
        }
        let quick = site(&[("QUINTET_SLURM_POLL", "0.5")]).expect("half a second");
        assert_eq!(quick.poll, Duration::from_millis(500));
    }
}
