//! The JSON Schema of plan files, made of the tables that files are read by.
//!
//! Editors complete and check plans with it. It says all that can be said of a
//! field by itself; what needs the whole plan (ids that exist, circles, pools
//! that are declared) only loading tells.

use serde_json::{Map, Value, json};

use super::builtin::BUILTIN;
use super::fields::{PLAN, STEP};
use super::table::{Field, MOST_SECONDS, Shape};

/// The schema, as it is published in `schema/plan.schema.json`.
pub fn schema() -> Value {
    schema_of("A quintet plan", &PLAN)
}

/// The schema of files that are read by this table.
pub fn schema_of(title: &str, table: &'static [Field]) -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
    });
    merge(&mut schema, object(table));
    schema
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

fn object(table: &'static [Field]) -> Value {
    let mut properties = Map::new();
    let mut rules = Vec::new();
    for field in table {
        properties.insert(field.name.into(), property(field, field.doc.to_owned()));
        for alias in field.aliases {
            let doc = format!("The same as {}.", field.name);
            properties.insert((*alias).into(), property(field, doc));
            // Of null, which is no object, "required" alone would hold.
            let both = json!({ "type": "object", "required": [field.name, alias] });
            rules.push(json!({ "not": both }));
        }
    }
    if std::ptr::eq(table, &STEP) {
        rules.push(group_or_work());
    }
    if std::ptr::eq(table, &BUILTIN) {
        rules.push(one_of(table));
    }
    let mistaken = table.iter().flat_map(|field| field.mistaken);
    let mistaken: Vec<&str> = mistaken.copied().collect();
    let required = table.iter().filter(|field| field.required);
    let required: Vec<&str> = required.map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        merge(&mut schema, json!({ "required": required }));
    }
    if !mistaken.is_empty() {
        let names = json!({ "not": { "enum": mistaken } });
        merge(&mut schema, json!({ "propertyNames": names }));
    }
    if !rules.is_empty() {
        merge(&mut schema, json!({ "allOf": rules }));
    }
    schema
}

/// A group runs nothing, and everything else runs one thing.
fn group_or_work() -> Value {
    let either = |name: &str| json!({ "required": [name] });
    let (command, builtin) = (either("command"), either("builtin"));
    json!({
        "if": { "properties": { "type": { "const": "group" } }, "required": ["type"] },
        "then": { "not": { "anyOf": [command, builtin] } },
        "else": { "oneOf": [command, builtin] },
    })
}

/// Exactly one of the table's fields.
fn one_of(table: &'static [Field]) -> Value {
    let each = table
        .iter()
        .map(|field| json!({ "required": [field.name] }));
    json!({ "oneOf": each.collect::<Vec<_>>() })
}

fn property(field: &'static Field, doc: String) -> Value {
    let mut schema = shape(&field.shape);
    if !field.required {
        schema = or_null(schema);
    }
    merge(&mut schema, json!({ "description": doc }));
    schema
}

/// Null is the same as leaving the field out.
fn or_null(mut schema: Value) -> Value {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        let name = kind.take();
        *kind = json!([name, "null"]);
        return schema;
    }
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.push("null".into());
        return schema;
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.push(json!({ "type": "null" }));
        return schema;
    }
    schema
}

fn shape(shape: &'static Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Word => json!({ "type": ["string", "number"] }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Count { least, most } => {
            let mut schema = json!({ "type": "integer" });
            if *least > i64::MIN {
                merge(&mut schema, json!({ "minimum": least }));
            }
            if *most < i64::MAX {
                merge(&mut schema, json!({ "maximum": most }));
            }
            schema
        }
        Shape::Number { least, most } => {
            let mut schema = json!({ "type": "number" });
            if *least > f64::MIN {
                merge(&mut schema, json!({ "minimum": least }));
            }
            if *most < f64::MAX {
                merge(&mut schema, json!({ "maximum": most }));
            }
            schema
        }
        Shape::Seconds => json!({ "type": "number", "minimum": 0, "maximum": MOST_SECONDS }),
        // A choice may be left to a variable, whose value only loading knows.
        Shape::Choice(choices) => json!({
            "anyOf": [{ "enum": choices }, { "type": "string", "pattern": "\\$\\{" }],
        }),
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item) }),
        Shape::Map(item) => json!({ "type": "object", "additionalProperties": self::shape(item) }),
        Shape::Object(table) => object(table),
        Shape::Either(shapes) => {
            let all: Vec<Value> = shapes.iter().map(self::shape).collect();
            json!({ "anyOf": all })
        }
        Shape::Any => json!({}),
    }
}
