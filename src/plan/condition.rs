use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition(pub String);
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
}
pub trait Facts {
    fn look_up(&self, path: &[&str]) -> Value;
}
pub struct Judgement {
    pub holds: bool,
    pub because: String,
}
pub struct TypeError {
    pub message: String,
}
impl Condition {
    pub fn text(&self) -> &str {
        &self.0
    }
    pub fn judge(&self, _facts: &dyn Facts) -> Result<Judgement, TypeError> {
        Ok(Judgement {
            holds: true,
            because: String::new(),
        })
    }
}
impl std::fmt::Display for TypeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
