//! What conditions ask of the outside world, as it is when the plan is made.

use std::collections::BTreeMap;

use crate::plan::Condition;

/// Notes in `facts` what the condition asks for. Names that are `known`, as
/// variables mostly, are not the outside world's.
pub fn note(
    condition: &Condition,
    known: impl Fn(&str) -> bool,
    env: Option<&BTreeMap<String, String>>,
    facts: &mut BTreeMap<String, String>,
) {
    for name in condition.variables() {
        // Asked for each: whoever is asked may note what is used.
        let known = known(name);
        if let Some(is_so) = system(name).filter(|_| !known) {
            facts.insert(name.to_owned(), is_so.to_string());
        }
    }
    for name in condition.environment() {
        if let Some(value) = env.and_then(|env| env.get(name)) {
            facts.insert(format!("env.{name}"), value.clone());
        }
    }
}

/// Whether this is the system that a condition asks for.
fn system(name: &str) -> Option<bool> {
    match name {
        "IsLinux" => Some(cfg!(target_os = "linux")),
        "IsMacOS" => Some(cfg!(target_os = "macos")),
        "IsWindows" => Some(cfg!(windows)),
        _ => None,
    }
}
