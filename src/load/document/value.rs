//! Nodes as values that remember no place.

use serde_json::{Number, Value};

use super::{Kind, Node, Piece};

impl Node<'_> {
    /// The node and all in it. Documents are bounded in depth, and so is this.
    /// A text that needs the environment is [`template`](Node::template).
    pub fn to_value(self) -> Value {
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool => self.bool().into(),
            Kind::Number => number(self.number().unwrap_or_default()),
            Kind::Text => self.text().into(),
            Kind::Env => self.template().into(),
            Kind::Array => self.items().map(Node::to_value).collect(),
            Kind::Object => self
                .entries()
                .map(|entry| (entry.key.into_owned(), entry.value.to_value()))
                .collect(),
        }
    }

    /// A [`Kind::Env`] node with a hole `{{env.NAME}}` for each variable: what a
    /// playbook itself would write, and fills with a value like any other.
    pub fn template(self) -> String {
        let template = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Env(name) => format!("{{{{env.{name}}}}}").into(),
        };
        self.pieces().into_iter().map(template).collect()
    }
}

/// A number; its text, where JSON cannot say it (infinity).
fn number(written: &str) -> Value {
    if let Ok(number @ Value::Number(_)) = serde_json::from_str(written) {
        return number;
    }
    // YAML and TOML write numbers that JSON spells otherwise: `.5`, `+1`.
    let number = written.parse().ok().and_then(Number::from_f64);
    number.map_or_else(|| written.into(), Value::Number)
}
