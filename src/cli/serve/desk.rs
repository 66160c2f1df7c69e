//! What can be begun from the dashboard, by the verbs' own functions.
//!
//! A page says a kind and a name, or names a check that is in the record. Nothing else of
//! a request reaches a plan: no path, no command and no variable.

use std::ffi::OsString;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::cli::check;
use crate::cli::error::{self, Failure};
use crate::cli::global::Global;
use crate::cli::mcp::registered::{self, Target};
use crate::cli::plan;
use crate::cli::previews::{Previews, locked, redeem};
use crate::plan::Plan;
use crate::serve::desk::{Begin, Check, Desk, Named, Preview, Refusal, Subject};
use crate::view::escape::printable;

/// No preview is longer, in characters.
const LONGEST: usize = 64 * 1024;

/// See the module.
pub struct Registered {
    global: Global,
    previews: Mutex<Previews<Seen>>,
}

/// What was previewed.
#[derive(Clone, Debug)]
struct Seen {
    subject: Subject,
    plan_id: String,
}

impl Registered {
    pub fn new(global: &Global) -> Self {
        let mut global = global.clone();
        // It is said in an answer, and to nobody else.
        global.quiet = true;
        Registered {
            global,
            previews: Mutex::default(),
        }
    }

    fn plan(&self, subject: &Subject) -> Result<Plan, Failure> {
        match subject {
            Subject::Named(named) => target(named).plan(&self.global),
            Subject::Check(of) => check::one(&self.file(of)?, &of.step, &self.global),
        }
    }

    /// The file that a check was read from when it ran last.
    fn file(&self, check: &Check) -> Result<String, Failure> {
        let store = self.global.store()?;
        let run = store.last_run_in(&check.project, &check.plan)?;
        let plan = run.map(|run| store.plan(&run)).transpose()?;
        let origin = plan.and_then(|plan| plan.origins.into_iter().next());
        origin.map(|origin| origin.path.to_string()).ok_or_else(|| {
            let message = format!(
                "no check {:?} of {:?} is recorded",
                check.step, check.project
            );
            Failure::new(error::Kind::Usage, message)
        })
    }

    fn words(&self, subject: &Subject, content_id: &str) -> Result<Vec<OsString>, Failure> {
        Ok(match subject {
            Subject::Named(named) => target(named).words(content_id),
            Subject::Check(of) => {
                let file = self.file(of)?;
                let words = [
                    "check",
                    "--file",
                    &file,
                    "--only-plan",
                    content_id,
                    "--",
                    &of.step,
                ];
                words.map(OsString::from).to_vec()
            }
        })
    }
}

fn target(named: &Named) -> Target {
    Target {
        kind: named.kind,
        name: named.name.clone(),
        goal: named.goal.clone(),
        task: named.task.clone(),
    }
}

/// The same thing, whatever its goal: that was said when it was previewed.
fn is_same(seen: &Subject, asked: &Subject) -> bool {
    match (seen, asked) {
        (Subject::Named(a), Subject::Named(b)) => (a.kind, &a.name) == (b.kind, &b.name),
        (a, b) => a == b,
    }
}

impl Desk for Registered {
    fn registered(&self) -> Result<Value, Refusal> {
        registered::listed(&registered::Wanted::default(), &self.global).map_err(refusal)
    }

    fn preview(&self, subject: &Subject) -> Result<Preview, Refusal> {
        let plan = self.plan(subject).map_err(refusal)?;
        let mut shown = Vec::new();
        let written = plan::preview(&plan, &self.global).text(&mut shown);
        written.map_err(|error| refusal(error.into()))?;
        let seen = Seen {
            subject: subject.clone(),
            plan_id: plan.id.to_string(),
        };
        let content_id = plan.content_id();
        let mut previews = locked(&self.previews);
        let token = previews.remember(seen, content_id.clone(), Instant::now());
        let text = String::from_utf8_lossy(&shown);
        Ok(Preview {
            content_id,
            text: printable(&text).chars().take(LONGEST).collect(),
            token: token.map_err(refusal)?,
        })
    }

    fn begin(&self, subject: &Subject, token: &str) -> Result<Begin, Refusal> {
        let other = |seen: &Seen| match is_same(&seen.subject, subject) {
            true => Ok(()),
            false => {
                let message = "preview first: the preview was of something else";
                Err(Failure::new(error::Kind::Usage, message))
            }
        };
        let now = |seen: &Seen| Ok(self.plan(&seen.subject)?.content_id());
        let (seen, content_id) = redeem(&self.previews, token, other, now).map_err(refusal)?;
        Ok(Begin {
            words: self.words(&seen.subject, &content_id).map_err(refusal)?,
            found_by: matches!(seen.subject, Subject::Check(_)).then_some(seen.plan_id),
        })
    }
}

fn refusal(failure: Failure) -> Refusal {
    // What a definition's problems are was written to the server's stderr.
    let said = match failure.message.is_empty() {
        true => "it cannot run as it is defined: `quintet validate` says why".to_owned(),
        false => printable(&failure.message),
    };
    Refusal {
        message: said,
        hint: failure.hint.map(|hint| printable(&hint)),
    }
}
