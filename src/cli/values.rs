//! Values for variables on a command line: texts by name, or whole objects.
//!
//! An object is JSON, or as PowerShell writes it: `@{ Environment = 'Lab' }`. It
//! is read as data, by the readers of documents, and never evaluated.

use std::path::Path;

use super::error::{Failure, Kind as Wrong};
use super::target;
use crate::load::document::{self, Format, Kind, Node};
use crate::plan::Scope;
use crate::plan::problem::{Problem, Severity, Sources};

#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Give a variable its value; may be repeated
    ///
    /// Without a value it is taken from the environment.
    #[arg(long = "var", value_name = "NAME[=VALUE]")]
    vars: Vec<String>,

    /// Give variables their values: a JSON object, or @{ Name = 'value' }
    #[arg(long, value_name = "OBJECT")]
    variables: Vec<String>,

    /// What conditions can ask for, beside the variables; scripts are not told of it
    #[arg(long, value_name = "OBJECT")]
    conditions: Vec<String>,
}

impl Args {
    /// The variables; of two values for one name the later counts, and one given
    /// with --var before all of them.
    ///
    /// # Errors
    /// One cannot be read, which has been said.
    pub fn variables(&self) -> Result<Scope, Failure> {
        let mut all = objects("--variables", &self.variables)?;
        for (name, value) in target::variables(&self.vars)? {
            all.insert(name.into(), value.into());
        }
        Ok(all)
    }

    /// What only conditions are told.
    ///
    /// # Errors
    /// One cannot be read, which has been said.
    pub fn conditions(&self) -> Result<Scope, Failure> {
        objects("--conditions", &self.conditions)
    }
}

fn objects(option: &str, given: &[String]) -> Result<Scope, Failure> {
    let mut all = Scope::new();
    for text in given {
        all.extend(object(option, text)?);
    }
    Ok(all)
}

fn object(option: &str, text: &str) -> Result<Scope, Failure> {
    // What PowerShell makes of a hash table that is not in quotes.
    if text == "System.Collections.Hashtable" {
        let message =
            format!("{option}: the shell gave the name of a hash table, and not what is in it");
        return Err(
            Failure::new(Wrong::Usage, message).hint("put it into quotes: '@{ Name = \"value\" }'")
        );
    }
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let file = sources.add(option, text);
    let text = sources.text(file);
    let document = document::parse(text, Format::of(Path::new(""), text), file, &mut problems);
    let root = document.as_ref().map(|document| document.root());
    if let Some(root) = root.filter(|root| root.kind() != Kind::Object) {
        let problem = Problem::error("expected an object: names and their values");
        problems.push(problem.at(root.span(), ""));
    }
    if let Some(env) = root.and_then(first_environment) {
        let problem =
            Problem::error("the environment is for the shell to fill in").at(env.span(), "");
        problems.push(
            problem.help("outside of single quotes it puts the value of $env:NAME, or $NAME, here"),
        );
    }
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        target::say(&problems, &sources, false);
        return Err(Failure::told(Wrong::Usage));
    }
    let entries = root.into_iter().flat_map(|root| root.entries());
    Ok(entries
        .map(|entry| (entry.key.as_ref().into(), entry.value.to_value()))
        .collect())
}

/// The first text that asks for the environment, as PowerShell's data may.
fn first_environment(node: Node<'_>) -> Option<Node<'_>> {
    match node.kind() {
        Kind::Env => Some(node),
        Kind::Array => node.items().find_map(first_environment),
        Kind::Object => node
            .entries()
            .find_map(|entry| first_environment(entry.value)),
        _ => None,
    }
}
