//! What the client and the controller say.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::{Site, clerk};
use super::judge::{self, Place};
use super::{Check, Listener};
use crate::run::checkup::Grade;

/// What is called of Slurm's.
const CLIENT: [&str; 3] = ["sbatch", "squeue", "scancel"];

/// One that takes longer has too much to do.
const QUICK: Duration = Duration::from_secs(2);

/// The nodes, where all that comes before them is well enough to send them jobs.
pub fn look(site: &Site, listener: &mut dyn Listener) -> Option<Vec<Place>> {
    let client = client();
    let is_there = client.grade != Grade::Bad;
    listener.hears(client);
    if !is_there {
        return None;
    }
    let controller = controller();
    let answers = controller.grade != Grade::Bad;
    listener.hears(controller);
    if !answers {
        return None;
    }
    match clerk::run("scontrol", &words(&["show", "config"])) {
        Ok(text) => {
            let settings = judge::settings(&text, site.poll);
            settings.into_iter().for_each(|check| listener.hears(check));
        }
        Err(trouble) => listener.hears(judge::not_asked(&trouble.why, "")),
    }
    match clerk::run("sinfo", &words(&["-h", "-N", "-o", "%N|%P|%a|%T"])) {
        Ok(text) => {
            let places = judge::places(&text);
            listener.hears(judge::partitions(&places));
            (!judge::serving(&places).is_empty()).then_some(places)
        }
        Err(trouble) => {
            listener.hears(judge::not_asked(&trouble.why, ""));
            None
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether the commands are there; by themselves, since none of them says its version
/// without a configuration.
fn client() -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |program: &str| {
        let files = std::env::split_paths(&path).map(|dir| dir.join(program));
        files.into_iter().find(|file| file.is_file())
    };
    let lacking: Vec<&str> = CLIENT
        .into_iter()
        .filter(|name| find(name).is_none())
        .collect();
    if !lacking.is_empty() {
        let mend = "apt-get install slurm-client; or load the module that this site has for it";
        let found = format!("not on PATH: {}", lacking.join(", "));
        return Check::bad("client", found, mend);
    }
    let places: Vec<_> = CLIENT.into_iter().filter_map(find).collect();
    let dir = places[0].parent().unwrap_or(Path::new("/")).display();
    Check::ok("client", format!("{} are in {dir}", CLIENT.join(", ")))
}

/// Asks the controller what the executor will ask it all the time.
fn controller() -> Check {
    if let Some(file) = std::env::var_os("SLURM_CONF").filter(|file| !Path::new(file).is_file()) {
        // Slurm itself would wait a minute for it to appear.
        let file = Path::new(&file).display();
        return judge::without_configuration(&format!("SLURM_CONF names {file}, which is no file"));
    }
    let version = match clerk::run("sbatch", &words(&["--version"])) {
        Ok(version) => version.trim().to_owned(),
        Err(trouble) => return judge::not_asked(&trouble.why, ""),
    };
    let began = Instant::now();
    let asked = clerk::run("squeue", &words(&["--me", "--noheader"]));
    let took = began.elapsed();
    if let Err(trouble) = asked {
        return judge::not_asked(&trouble.why, &hosts());
    }
    let found = format!("{version} answers after {} ms", took.as_millis());
    match took > QUICK {
        true => {
            let mend = "set QUINTET_SLURM_POLL higher, so that it is asked less often; sdiag tells \
                        what it is busy with";
            Check::warning("controller", found, mend)
        }
        false => Check::ok("controller", found),
    }
}

/// The machines of the controllers, from lines like `Slurmctld(primary) at HOST is DOWN`.
fn hosts() -> String {
    let said = clerk::listen("scontrol", &words(&["ping"])).map(|said| said.out);
    let said = said.unwrap_or_default();
    let host = |line: &str| {
        let line = line.strip_prefix("Slurmctld")?;
        let (_, rest) = line.split_once(" at ")?;
        Some(rest.split(' ').next()?.to_owned())
    };
    said.lines()
        .filter_map(host)
        .collect::<Vec<_>>()
        .join(" and ")
}
