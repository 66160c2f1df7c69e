//! When a check runs at all: on which systems, and under which condition.

use crate::load::document::{Kind, Node, Path};
use crate::load::plan_file::record::{self, Record};
use crate::plan::condition::Condition;
use crate::plan::problem::Problem;

use super::Lowering;

impl Lowering<'_, '_, '_> {
    /// What `platform` and `when` ask for, both of them.
    pub(super) fn condition(
        &mut self,
        record: &Record<'_>,
        path: &Path<'_>,
    ) -> Option<Box<Condition>> {
        let platforms = record.named("platform").map(|node| {
            let path = Path::Field(path, "platform");
            self.platforms(node, &path)
        });
        let node = record.named("when");
        let written = node.and_then(|node| node.text());
        let text = match (platforms, written) {
            (None, None) => return None,
            (Some(platforms), None) => platforms,
            (None, Some(when)) => when.into_owned(),
            (Some(platforms), Some(when)) => format!("({platforms}) and ({when})"),
        };
        match Condition::parse(&text) {
            Ok(condition) => {
                self.walk.facts(&condition);
                Some(Box::new(condition))
            }
            Err(error) => {
                let field = if node.is_some() { "when" } else { "platform" };
                let at = node.map_or(record.span(), Node::span);
                let path = Path::Field(path, field);
                let mut problem = Problem::error(path.says(error.message)).at(at, "");
                problem.help = error.help;
                self.walk.problems.push(problem);
                None
            }
        }
    }

    fn platforms(&mut self, node: Node<'_>, path: &Path<'_>) -> String {
        const KNOWN: &[&str] = &["linux", "macos", "windows"];
        let items: Vec<Node<'_>> = match node.kind() {
            Kind::Array => node.items().collect(),
            _ => vec![node],
        };
        let mut names = Vec::new();
        for item in items {
            let text = item.text().unwrap_or_default();
            let problems = &mut self.walk.problems;
            match record::choice(&text, item.span(), KNOWN, path, problems) {
                Some("linux") => names.push("IsLinux"),
                Some("macos") => names.push("IsMacOS"),
                Some(_) => names.push("IsWindows"),
                None => {}
            }
        }
        match names.is_empty() {
            true => "false".into(),
            false => names.join(" or "),
        }
    }
}
