//! What the root of a tree says of the whole: its name, its paths, its log.

use std::path::Path;

use serde_json::{Map, Value};

use crate::load::Request;
use crate::plan::problem::{Problem, Span};
use crate::plan::{LogFile, Order, Plan};

use super::tree::{Level, Tree, text_of};
use super::{Reading, paths};

/// What holds for the whole tree.
pub fn header(tree: &Tree, root: &Level, request: &Request, reading: &mut Reading) -> Plan {
    let index = &root.index;
    let dir = std::fs::canonicalize(&*root.dir).ok();
    let name = dir.as_deref().and_then(Path::file_name);
    let name = name.map_or("phases".into(), |name| name.to_string_lossy());
    let mut plan = Plan::new(name);
    if let Some(name) = &index.name {
        plan.name = name.clone();
    }
    plan.description = index.description.clone().unwrap_or_default();
    plan.metadata = index.metadata.clone();
    plan.variables = request.vars.iter().cloned().collect();
    plan.origins = tree.origins.clone();
    plan.order = Order::Written;
    let paths = expanded(&index.paths, request, reading);
    plan.log_file = log_file(&paths, &root.dir, request);
    if !paths.is_empty() {
        let text = Value::Object(paths.clone()).to_string();
        plan.env.push(("QUINTET_PATHS".into(), text.into()));
        plan.metadata.insert("paths".into(), Value::Object(paths));
    }
    plan
}

/// The file that the root's `log_file` names; where that cannot be written, one
/// of its name that is the user's own.
fn log_file(paths: &Map<String, Value>, root: &str, request: &Request) -> Option<LogFile> {
    let path = paths
        .get("log_file")?
        .as_str()
        .filter(|path| !path.is_empty())?;
    let path = Path::new(root).join(path);
    let env = |name: &str| {
        let value = request.env.as_ref()?.get(name)?;
        (!value.is_empty()).then(|| Path::new(value))
    };
    let home = || Some(env("HOME")?.join(".local/state"));
    let state = env("XDG_STATE_HOME").map(Path::to_owned).or_else(home);
    let own = state
        .filter(|state| state.is_absolute())
        .zip(path.file_name());
    let own = own.map(|(state, name)| text_of(&state.join("quintet/logs").join(name)).into());
    Some(LogFile {
        path: text_of(&path).into(),
        fallbacks: own.into_iter().collect(),
    })
}

fn expanded(
    paths: &[(String, String, Span)],
    request: &Request,
    reading: &mut Reading,
) -> Map<String, Value> {
    let known = |name: &str| request.env.as_ref()?.get(name).map(String::as_str);
    let one = |(name, path, at): &(String, String, Span)| {
        let mut unknown = Vec::new();
        let path = paths::expand(path, known, &mut unknown);
        for variable in unknown {
            let message = format!("the environment has no {variable}");
            let help = format!("it stays as it is; ${{{variable}:-DEFAULT}} would stand in");
            reading.report(Problem::warning(message).at(*at, "").help(help));
        }
        (name.clone(), Value::from(path))
    };
    paths.iter().map(one).collect()
}
