//! A plan's `notify`: who is told of the run, of what, and how.
//!
//! All of it is known before anything runs but secrets, so no message waits for
//! an output of a step. What signs a message is never a text of the file: it is
//! named there, as a secret variable or as one of the environment.

mod fields;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::load::document::{Kind, Node, Path};
use crate::plan::build::quoted;
use crate::plan::name::nearest;
use crate::plan::notify::{Key, Occasion, Only, To, is_or_is_below};
use crate::plan::problem::{Problem, Problems, Span};
use crate::plan::{Command, Notify, Part, Plan, Program, Retry, Text};

use super::fields::RETRY;
use super::header::is;
use super::record::{self, Record};
use super::walk::{Env, Walk, count, seconds};
use fields::{OCCASIONS, ONLY};

pub use fields::NOTIFY;

const WINDOW: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// What a receiver gets that says nothing of it: 1, 2, 4 and 8 seconds apart, more or less.
const RETRIES: Retry = Retry {
    count: 4,
    delay: Duration::from_secs(1),
    factor_percent: 200,
    cap: Some(Duration::from_secs(60)),
    jitter_percent: 20,
};

/// What belongs to one kind of receiver and not to the other.
const OF_WEBHOOKS: [&str; 3] = ["secret", "secret_env", "headers"];
const OF_COMMANDS: [&str; 4] = ["args", "shell", "cwd", "env"];

/// A step's id or a tag that the list names, to be looked for once there are steps.
pub struct Named {
    what: What,
    name: Box<str>,
    at: Span,
    path: String,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Step,
    Tag,
}

/// Reads a list of receivers. Programs run in `cwd` where they do not say otherwise.
/// What the list names is for [`check`].
pub fn list(
    walk: &mut Walk<'_>,
    node: Option<Node<'_>>,
    cwd: &Arc<str>,
) -> (Vec<Notify>, Vec<Named>) {
    let path = Path::Field(&Path::Root, "notify");
    let mut named = Vec::new();
    let given = node.into_iter().flat_map(Node::items).enumerate();
    let read = |(i, node)| one(walk, node, i, cwd, &Path::Item(&path, i), &mut named);
    let list = given.filter_map(read).collect();
    (list, named)
}

/// Reports names that nothing in the plan has.
pub fn check(plan: &Plan, named: &[Named], problems: &mut Problems) {
    for Named {
        what,
        name,
        at,
        path,
    } in named
    {
        let steps = plan.steps.iter();
        let (found, known, kind): (bool, Vec<&str>, _) = match what {
            What::Step => (
                steps.clone().any(|step| is_or_is_below(&step.id, name)),
                steps.map(|step| &*step.id).collect(),
                "step",
            ),
            What::Tag => (
                steps.clone().any(|step| step.tags.contains(name)),
                steps
                    .flat_map(|step| &step.tags)
                    .map(|tag| &**tag)
                    .collect(),
                "tag",
            ),
        };
        if found {
            continue;
        }
        let message = format!("{path}: there is no {kind} {}", quoted(name));
        let problem = Problem::error(message).at(*at, "");
        problems.push(match nearest(name, known) {
            Some(near) => problem.help(format!("did you mean {}?", quoted(near))),
            None => problem,
        });
    }
}

fn one(
    walk: &mut Walk<'_>,
    node: Node<'_>,
    index: usize,
    cwd: &Arc<str>,
    path: &Path<'_>,
    named: &mut Vec<Named>,
) -> Option<Notify> {
    let record = walk.record(node, &NOTIFY, path);
    let name = record.named("name");
    let name = name.and_then(|node| walk.plain(node, &Path::Field(path, "name")));
    let on = occasions(walk, record.named("on")?, &Path::Field(path, "on"));
    let only = only(walk, &record, path, named);
    let to = to(walk, &record, cwd, path);
    Some(Notify {
        name: name.map_or_else(|| format!("notify {}", index + 1).into(), Box::from),
        on,
        only,
        to: to?,
        group_within: record.named("group_within_sec").map_or(WINDOW, seconds),
        timeout: record.named("timeout_sec").map_or(TIMEOUT, seconds),
        retry: retry(walk, &record, path),
    })
}

fn occasions(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> BTreeSet<Occasion> {
    let mut read = |node: Node<'_>, path: &Path<'_>| {
        let text = walk.plain(node, path)?;
        let word = record::choice(&text, node.span(), &OCCASIONS, path, &mut walk.problems)?;
        Occasion::ALL.into_iter().find(|on| on.word() == word)
    };
    if node.kind() != Kind::Array {
        return read(node, path).into_iter().collect();
    }
    let items = node.items().enumerate();
    let on = items
        .filter_map(|(i, item)| read(item, &Path::Item(path, i)))
        .collect();
    if node.item_count() == 0 {
        walk.report(path, "is empty, so nothing would be told", node.span());
    }
    on
}

fn only(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>, named: &mut Vec<Named>) -> Only {
    let Some(node) = record.named("only") else {
        return Only::default();
    };
    let path = &Path::Field(path, "only");
    let record = walk.record(node, &ONLY, path);
    let mut names = |field: &str, what| {
        let path = Path::Field(path, field);
        let items = record.named(field).into_iter().flat_map(Node::items);
        let read = |(i, node): (usize, Node<'_>)| {
            let path = Path::Item(&path, i);
            let name: Box<str> = walk.plain(node, &path)?.into();
            named.push(Named {
                what,
                name: name.clone(),
                at: node.span(),
                path: path.to_string(),
            });
            Some(name)
        };
        items.enumerate().filter_map(read).collect()
    };
    Only {
        steps: names("steps", What::Step),
        tags: names("tags", What::Tag),
    }
}

fn to(walk: &mut Walk<'_>, record: &Record<'_>, cwd: &Arc<str>, path: &Path<'_>) -> Option<To> {
    let (webhook, command) = (record.named("webhook"), record.named("command"));
    let foreign: &[&str] = match (webhook, command) {
        (Some(_), None) => &OF_COMMANDS,
        (None, Some(_)) => &OF_WEBHOOKS,
        (Some(_), Some(second)) => {
            let message = "\"webhook\" and \"command\" are two receivers";
            walk.report(path, message, second.span());
            return None;
        }
        (None, None) => {
            let problem = Problem::error(path.says("nobody is told")).at(record.span(), "");
            let help = "give it a \"webhook\", or a \"command\"";
            walk.problems.push(problem.help(help));
            return None;
        }
    };
    for name in foreign {
        if let Some(node) = record.named(name) {
            let message = "means nothing to this kind of receiver";
            walk.report(&Path::Field(path, name), message, node.span());
        }
    }
    match (webhook, command) {
        (Some(url), _) => {
            let place = Path::Field(path, "webhook");
            let text = known(walk, |walk| walk.text(url, &place), url, &place)?;
            check_url(walk, &text, url, &place);
            Some(To::Webhook {
                url: text,
                secret: key(walk, record, path),
                headers: headers(walk, record, path),
            })
        }
        (None, command) => Some(To::Command(Box::new(program(
            walk, command?, record, cwd, path,
        )?))),
    }
}

/// The text, unless an output of a step is part of it.
fn known<'r>(
    walk: &mut Walk<'r>,
    read: impl FnOnce(&mut Walk<'r>) -> Option<Text>,
    node: Node<'_>,
    path: &Path<'_>,
) -> Option<Text> {
    let text = read(walk)?;
    match has_output(&text) {
        false => Some(text),
        true => {
            walk.report(path, "cannot hold an output of a step", node.span());
            None
        }
    }
}

fn has_output(text: &Text) -> bool {
    let Text::Parts(parts) = text else {
        return false;
    };
    parts.iter().any(|part| matches!(part, Part::Output { .. }))
}

/// Of an address that begins with a secret, only the secret knows.
fn check_url(walk: &mut Walk<'_>, url: &Text, node: Node<'_>, path: &Path<'_>) {
    let literal = match url {
        Text::Plain(text) => text,
        Text::Parts(parts) => match parts.first() {
            Some(Part::Literal(text)) => text,
            _ => return,
        },
    };
    let lower = literal.to_ascii_lowercase();
    let rest = lower
        .strip_prefix("http://")
        .or(lower.strip_prefix("https://"));
    let has_host = rest.is_some_and(|rest| {
        let may_follow = rest.is_empty() && matches!(url, Text::Parts(_));
        may_follow || !(rest.is_empty() || rest.starts_with('/'))
    });
    if !has_host || literal.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let problem = Problem::error(path.says("is no address")).at(node.span(), "");
        let help = "an address begins with https:// or http://, and has a host";
        walk.problems.push(problem.help(help));
    }
}

fn key(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) -> Option<Key> {
    if let Some(node) = record.named("secret_env") {
        let path = Path::Field(path, "secret_env");
        let name = walk.plain(node, &path)?;
        if record.named("secret").is_some() {
            walk.report(&path, "says again what \"secret\" says", node.span());
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = "cannot be the name of an environment variable";
            walk.report(&path, message, node.span());
        }
        return Some(Key::Environment(name.into()));
    }
    let node = record.named("secret")?;
    let path = Path::Field(path, "secret");
    let text = walk.text(node, &path)?;
    if let Text::Parts(parts) = &text
        && let [Part::Secret(name)] = &parts[..]
    {
        return Some(Key::Variable(name.clone()));
    }
    let problem = Problem::error(path.says("a key that stands in a file is none"));
    walk.problems.push(problem.at(node.span(), "").help(
        "name a variable that is declared with \"secret\": true, as in \"${HOOK_KEY}\"; or one \
         of the environment, with \"secret_env\"",
    ));
    None
}

fn headers(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) -> Vec<(Box<str>, Text)> {
    let path = &Path::Field(path, "headers");
    let mut headers = Vec::new();
    for entry in record.named("headers").into_iter().flat_map(Node::entries) {
        let path = Path::Field(path, &entry.key);
        let in_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let lower = entry.key.to_ascii_lowercase();
        let ours = [
            "content-type",
            "content-length",
            "transfer-encoding",
            "host",
        ];
        if entry.key.is_empty() || !entry.key.chars().all(in_name) {
            walk.report(&path, "cannot be the name of a header", entry.key_span());
        } else if ours.contains(&&*lower) || lower.starts_with("x-quintet-") {
            walk.report(&path, "is not the plan's to say", entry.key_span());
        } else if let Some(text) = known(walk, |w| w.text(entry.value, &path), entry.value, &path) {
            match text.shown().contains(char::is_control) {
                true => walk.report(&path, "cannot be a header's value", entry.value.span()),
                false => headers.push((entry.key.as_ref().into(), text)),
            }
        }
    }
    headers
}

fn program(
    walk: &mut Walk<'_>,
    node: Node<'_>,
    record: &Record<'_>,
    cwd: &Arc<str>,
    path: &Path<'_>,
) -> Option<Command> {
    let place = Path::Field(path, "command");
    let args = arguments(walk, record, path);
    let mut env: Env = match record.named("env") {
        Some(node) => walk.env(node, &Path::Field(path, "env")),
        None => Vec::new(),
    };
    let program = if is(record.named("shell"), false) {
        let (script, given) = walk.script(node, &place)?;
        // What the receiver's own environment says comes last, and counts.
        env.splice(0..0, given);
        let args = args.into();
        Program::Shell { script, args }
    } else {
        let name = known(walk, |walk| walk.argument(node, &place), node, &place)?;
        if matches!(&name, Text::Plain(name) if name.is_empty()) {
            walk.report(&place, "is empty", node.span());
        }
        Program::Argv([name].into_iter().chain(args).collect())
    };
    if env.iter().any(|(_, text)| has_output(text)) {
        walk.report(path, "cannot hold an output of a step", record.span());
    }
    let own = record.named("cwd");
    let own = own.and_then(|node| walk.place(node, cwd, &Path::Field(path, "cwd")));
    Some(Command {
        program,
        cwd: own.unwrap_or_else(|| Arc::clone(cwd)),
        env: env.into(),
        stdin: None,
    })
}

fn arguments(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) -> Vec<Text> {
    let path = Path::Field(path, "args");
    let items = record.named("args").into_iter().flat_map(Node::items);
    let read = |(i, node)| {
        let path = Path::Item(&path, i);
        known(walk, |walk| walk.argument(node, &path), node, &path)
    };
    items.enumerate().filter_map(read).collect()
}

fn retry(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) -> Retry {
    let Some(node) = record.named("retry") else {
        return RETRIES;
    };
    let said = walk.record(node, &RETRY, &Path::Field(path, "retry"));
    let percent = |node: Node<'_>| (record::number(node) * 100.0).round() as u32;
    Retry {
        count: said.named("count").map_or(RETRIES.count, count),
        delay: said.named("delay_sec").map_or(RETRIES.delay, seconds),
        factor_percent: said.named("factor").map_or(RETRIES.factor_percent, percent),
        cap: said.named("cap_sec").map(seconds).or(RETRIES.cap),
        jitter_percent: said.named("jitter").map_or(RETRIES.jitter_percent, percent),
    }
}
