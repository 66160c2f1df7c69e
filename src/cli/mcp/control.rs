//! Starting what was previewed, and canceling runs: by the program's own verbs, each
//! in a process of its own.

use std::io;
use std::time::{Duration, Instant};

use rmcp::schemars;
use serde_json::{Value, json};

use super::registered::{self, Target};
use super::server::Server;
use crate::cli::error::{Failure, Kind};
use crate::cli::plan;
use crate::cli::previews::{LIFETIME, locked, redeem};
use crate::itself::{Call, Waited, run_id};
use crate::view::recorded::Recorded;
use crate::view::words;

/// So long a start waits for the run's id, and a cancel for its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who has asked, for the record.
const VERB: &str = "mcp";

/// What is to be started.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub kind: registered::Kind,
    /// Its name in the configuration
    pub name: String,
    /// What `preview` answered for it. An orchestration's goal and task are those that were previewed
    pub token: String,
}

/// Which run is to stop.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The run's whole id
    pub run: String,
    /// End running steps at once, without grace
    #[serde(default)]
    pub now: bool,
}

/// Shows what a run would do. Only who may start gets a token for it.
///
/// # Errors
/// Nothing of that name is registered, or the configuration is wrong.
pub fn preview(server: &Server, target: Target) -> Result<Value, Failure> {
    let plan = target.plan(&server.global)?;
    let mut shown = Vec::new();
    plan::preview(&plan, &server.global).text(&mut shown)?;
    let content_id = plan.content_id();
    let mut answer = json!({
        "kind": target.kind.word(),
        "name": target.name,
        "plan": content_id,
        "preview": super::answer::cut(&String::from_utf8_lossy(&shown)),
    });
    if server.control {
        let mut previews = locked(&server.previews);
        let token = previews.remember(target, content_id, Instant::now())?;
        answer["token"] = json!(token);
        answer["token_valid_sec"] = json!(LIFETIME.as_secs());
    }
    Ok(answer)
}

/// Starts what was previewed; gives the run's id.
///
/// # Errors
/// It was not previewed, would not be the same any more, or cannot begin.
pub fn start(server: &Server, asked: &Start) -> Result<Value, Failure> {
    let other = |target: &Target| match (target.kind, &target.name) == (asked.kind, &asked.name) {
        true => Ok(()),
        false => Err(Failure::new(
            Kind::Usage,
            format!(
                "preview first: the preview was of {} {:?}",
                target.kind.word(),
                target.name
            ),
        )),
    };
    let now = |target: &Target| Ok(target.plan(&server.global)?.content_id());
    let (target, content_id) = redeem(&server.previews, &asked.token, other, now)?;
    let call = Call::begin(target.words(&content_id), &server.global.caller(VERB));
    begun(call.map_err(not_begun)?)
}

/// The run's id, as soon as it is known.
fn begun(mut call: Call) -> Result<Value, Failure> {
    let pid = call.pid();
    let waited = call.wait(PATIENCE, run_id).map_err(not_begun)?;
    let said = call.said().map_err(not_begun)?;
    call.let_go();
    match waited {
        Waited::Said(run_id) => Ok(json!({ "run_id": run_id, "pid": pid })),
        Waited::Ended(status) => Err(Failure::new(
            Kind::Run,
            format!("it did not begin ({status}): {}", said.trim_end()),
        )),
        Waited::InVain => Err(Failure::new(
            Kind::Run,
            format!(
                "it has no run yet; process {pid} goes on trying: {}",
                said.trim_end()
            ),
        )
        .hint("`runs` shows whether it has begun")),
    }
}

/// Asks a run to stop.
///
/// # Errors
/// There is no such run, it is over, or it cannot be asked.
pub fn cancel(server: &Server, asked: &Cancel) -> Result<Value, Failure> {
    let found = server.global.store()?.find_run(&asked.run)?.run_id;
    if found != asked.run {
        // What `last` means may change between the looking and the asking.
        let message = format!("to cancel takes the run's whole id, not {:?}", asked.run);
        return Err(Failure::new(Kind::Usage, message).hint(format!("did you mean {found}?")));
    }
    let mut words = vec!["cancel".into()];
    words.extend(asked.now.then(|| "--now".into()));
    words.extend(["--".into(), found.as_str().into()]);
    let mut call = Call::begin(words, &server.global.caller(VERB)).map_err(not_begun)?;
    let waited = call.wait(PATIENCE, |_| None::<()>).map_err(not_begun)?;
    let said = call.said().map_err(not_begun)?;
    call.let_go();
    if let Waited::Ended(status) = waited
        // A run that nobody drove was taken over, and its end is the verb's.
        && !matches!(status.code(), Some(0 | 130))
    {
        let said = said.trim_end().trim_start_matches("error: ");
        return Err(Failure::new(Kind::Run, said));
    }
    let store = server.global.store()?;
    let run = Recorded::find(&store, &found)?;
    let state = words::run_word(&run.state);
    Ok(json!({ "run_id": found, "asked_to_stop": true, "state": state }))
}

fn not_begun(error: io::Error) -> Failure {
    Failure::new(Kind::Run, format!("the program cannot be called: {error}"))
}
