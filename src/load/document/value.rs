//! Nodes as values that remember no place.

use serde_json::{Number, Value};

use super::{Kind, Node};

impl Node<'_> {
    /// The node and all in it. Documents are bounded in depth, and so is this.
    pub fn to_value(self) -> Value {
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool => self.bool().into(),
            Kind::Number => number(self.number().unwrap_or_default()),
            Kind::Text => self.text().into(),
            Kind::Array => self.items().map(Node::to_value).collect(),
            Kind::Object => self
                .entries()
                .map(|entry| (entry.key.into_owned(), entry.value.to_value()))
                .collect(),
        }
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
