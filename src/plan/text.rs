//! A string of the plan whose last holes are filled when its step starts.
//!
//! Variables are replaced while the plan is built; only what earlier steps put
//! out is not known then. So most texts are plain, and the rest are a list of
//! parts. Parts are never joined and parsed again: a value stays a value.

use serde::{Deserialize, Serialize};

/// A string, or one with holes for outputs of earlier steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Plain(Box<str>),
    Parts(Box<[Part]>),
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Literal(Box<str>),
    /// `${steps.STEP.outputs.KEY}`
    Output {
        step: Box<str>,
        key: Box<str>,
        /// Stands in where the step put out no such key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<Box<str>>,
    },
}

/// An output that a text asks for and no step has put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingOutput {
    pub step: Box<str>,
    pub key: Box<str>,
}

impl Text {
    /// The text with every hole filled from `outputs(step, key)`.
    ///
    /// # Errors
    /// The first output that is missing and has no default.
    pub fn fill<'a>(
        &'a self,
        outputs: &dyn Fn(&str, &str) -> Option<&'a str>,
    ) -> Result<std::borrow::Cow<'a, str>, MissingOutput> {
        let parts = match self {
            Text::Plain(s) => return Ok(s.as_ref().into()),
            Text::Parts(parts) => parts,
        };
        let mut filled = String::new();
        for part in parts {
            match part {
                Part::Literal(s) => filled.push_str(s),
                Part::Output { step, key, default } => {
                    match outputs(step, key).or(default.as_deref()) {
                        Some(value) => filled.push_str(value),
                        None => {
                            return Err(MissingOutput {
                                step: step.clone(),
                                key: key.clone(),
                            });
                        }
                    }
                }
            }
        }
        Ok(filled.into())
    }

    /// The text as it is shown to people: holes in their written form.
    pub fn shown(&self) -> std::borrow::Cow<'_, str> {
        let parts = match self {
            Text::Plain(s) => return s.as_ref().into(),
            Text::Parts(parts) => parts,
        };
        let mut shown = String::new();
        for part in parts {
            match part {
                Part::Literal(s) => shown.push_str(s),
                Part::Output { step, key, .. } => {
                    shown.push_str(&format!("${{steps.{step}.outputs.{key}}}"));
                }
            }
        }
        shown.into()
    }
}

impl From<&str> for Text {
    fn from(s: &str) -> Self {
        Text::Plain(s.into())
    }
}

impl From<String> for Text {
    fn from(s: String) -> Self {
        Text::Plain(s.into())
    }
}
