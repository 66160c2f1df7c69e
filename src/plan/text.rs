//! A string of the plan whose last holes are filled when its step starts.
//!
//! Variables are replaced while the plan is built; only what earlier steps put
//! out is not known then, and what is secret must not stand in a plan, which is
//! recorded. So most texts are plain, and the rest are a list of parts. Parts
//! are never joined and parsed again: a value stays a value.

use serde::{Deserialize, Serialize};

/// A string, or one with holes for outputs of earlier steps and for secrets.
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
    /// `${NAME}` of a secret variable. Its value never becomes part of the plan.
    Secret(Box<str>),
}

/// What a text asks for and nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No step has put this out.
    Output { step: Box<str>, key: Box<str> },
    /// The run was not given this secret (again, where it is resumed).
    Secret { name: Box<str> },
}

impl Text {
    /// The text with every hole filled, from `outputs(step, key)` and `secrets(name)`.
    ///
    /// # Errors
    /// The first hole that cannot be filled and has no default.
    pub fn fill<'a>(
        &'a self,
        outputs: &dyn Fn(&str, &str) -> Option<&'a str>,
        secrets: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<std::borrow::Cow<'a, str>, Missing> {
        let parts = match self {
            Text::Plain(s) => return Ok(s.as_ref().into()),
            Text::Parts(parts) => parts,
        };
        let mut filled = String::new();
        for part in parts {
            filled.push_str(part.fill(outputs, secrets)?);
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
                Part::Secret(name) => shown.push_str(&format!("${{{name}}}")),
            }
        }
        shown.into()
    }
}

impl Part {
    fn fill<'a>(
        &'a self,
        outputs: &dyn Fn(&str, &str) -> Option<&'a str>,
        secrets: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<&'a str, Missing> {
        match self {
            Part::Literal(s) => Ok(s),
            Part::Output { step, key, default } => outputs(step, key)
                .or(default.as_deref())
                .ok_or_else(|| Missing::Output {
                    step: step.clone(),
                    key: key.clone(),
                }),
            Part::Secret(name) => {
                secrets(name).ok_or_else(|| Missing::Secret { name: name.clone() })
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn holes() -> Text {
        Text::Parts(Box::new([
            Part::Literal("at ".into()),
            Part::Output {
                step: "a".into(),
                key: "K".into(),
                default: None,
            },
            Part::Secret("TOKEN".into()),
        ]))
    }

    #[test]
    fn holes_are_filled_with_values_that_are_not_read_again() {
        let filled = holes()
            .fill(&|_, _| Some("${TOKEN}"), &|_| Some("$$"))
            .map(std::borrow::Cow::into_owned);
        assert_eq!(filled.as_deref(), Ok("at ${TOKEN}$$"));
    }

    #[test]
    fn a_hole_that_cannot_be_filled_is_named() {
        let text = holes();
        assert_eq!(
            text.fill(&|_, _| None, &|_| Some("x")),
            Err(Missing::Output {
                step: "a".into(),
                key: "K".into()
            })
        );
        assert_eq!(
            text.fill(&|_, _| Some("v"), &|_| None),
            Err(Missing::Secret {
                name: "TOKEN".into()
            })
        );
    }

    #[test]
    fn a_secret_is_shown_by_its_name_and_survives_the_record() {
        assert_eq!(holes().shown(), "at ${steps.a.outputs.K}${TOKEN}");
        let json = serde_json::to_string(&holes()).unwrap();
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), holes());
    }
}
