//! What the interface says of itself: its description, read so that it can be held
//! against what it does, and so that requests can be made of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::server::{Answer, Server};

/// See the module.
pub struct Described {
    /// The document as it came.
    pub whole: Value,
    /// By schema: making one takes longer than asking it.
    validators: RefCell<BTreeMap<String, Rc<Validator>>>,
}

/// One thing that can be asked for.
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// Below the server's own: `/runs/{run}`.
    pub path: String,
    pub id: String,
    pub parameters: Vec<Parameter>,
    /// The schema of its body, if it takes one.
    pub body: Option<Value>,
    /// By status.
    pub responses: Map<String, Value>,
}

pub struct Parameter {
    pub name: String,
    /// `path`, `query` or `header`.
    pub place: String,
    pub required: bool,
    pub schema: Value,
}

impl Described {
    pub fn by(server: &Server) -> Described {
        let answer = server.get("/api/v1/openapi.json");
        assert_eq!(answer.status, 200, "{answer:?}");
        Described {
            whole: answer.json(),
            validators: RefCell::default(),
        }
    }

    /// What this answer is not that its description says, if anything.
    pub fn misfit(&self, operation: &Operation, answer: &Answer) -> Option<String> {
        let Some((kind, schema)) = operation.content(answer.status) else {
            return Some("it is not described".into());
        };
        let came = answer.header("content-type").unwrap_or_default();
        if !came.starts_with(kind) {
            return Some(format!("it should be {kind}"));
        }
        if kind != "application/json" {
            return None;
        }
        let Ok(told) = serde_json::from_str(&answer.body) else {
            return Some("it is not JSON".into());
        };
        let validated = self.validator(schema).validate(&told);
        validated.err().map(|error| error.to_string())
    }

    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.whole["paths"].as_object().expect("paths");
        let all = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("an item");
            methods
                .iter()
                .map(move |(method, told)| operation(method, path, told))
        });
        all.collect()
    }

    pub fn operation(&self, id: &str) -> Operation {
        let mut all = self.operations().into_iter();
        let found = all.find(|operation| operation.id == id);
        found.unwrap_or_else(|| panic!("{id} is not described"))
    }

    /// What a `$ref` stands for, or the schema itself.
    pub fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => self
                .whole
                .pointer(name.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{name} leads nowhere")),
            None => schema,
        }
    }

    /// Says whether a value is as a schema of this document has it. What an object's
    /// schema does not name must not be there, unless it says that more may.
    pub fn validator(&self, schema: &Value) -> Rc<Validator> {
        let mut kept = self.validators.borrow_mut();
        let made = || Rc::new(self.made(schema));
        kept.entry(schema.to_string()).or_insert_with(made).clone()
    }

    fn made(&self, schema: &Value) -> Validator {
        let mut components = self.whole["components"].clone();
        let schemas = components["schemas"].as_object_mut().expect("schemas");
        for one in schemas.values_mut() {
            let one = one.as_object_mut().expect("a schema");
            if one.contains_key("properties") {
                one.entry("additionalProperties").or_insert(json!(false));
            }
        }
        let mut whole = schema.clone();
        whole["components"] = components;
        jsonschema::draft202012::new(&whole).unwrap_or_else(|e| panic!("{e}: {schema}"))
    }
}

impl Operation {
    /// What is said of the answer with this status: its kind of content and its schema.
    pub fn content(&self, status: u16) -> Option<(&str, &Value)> {
        let by_status = self.responses.get(&status.to_string());
        let response = by_status.or(self.responses.get("default"))?;
        let content = response["content"].as_object()?;
        let (kind, media) = content.iter().next()?;
        Some((kind, &media["schema"]))
    }

    pub fn is_stream(&self) -> bool {
        self.content(200)
            .is_some_and(|(kind, _)| kind == "text/event-stream")
    }
}

fn operation(method: &str, path: &str, told: &Value) -> Operation {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parameters = told["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|told| Parameter {
        name: text(&told["name"]),
        place: text(&told["in"]),
        required: told["required"] == true,
        schema: told["schema"].clone(),
    });
    Operation {
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        id: text(&told["operationId"]),
        parameters: parameters.collect(),
        body: told
            .pointer("/requestBody/content/application~1json/schema")
            .cloned(),
        responses: told["responses"].as_object().cloned().unwrap_or_default(),
    }
}
