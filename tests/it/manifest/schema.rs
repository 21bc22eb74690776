//! The published schema, and the page that is made from it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::load;
use crate::support::golden;

#[test]
fn the_published_schema_is_the_one_the_program_prints() {
    let printed = format!("{:#}\n", holdfast::manifest::schema());
    golden::same_as("docs/reference/manifest.schema.json", &printed);
}

#[test]
fn the_manifest_page_is_made_from_the_schema() {
    let schema = holdfast::manifest::schema();
    let mut page = PREFACE.to_owned();
    let mut done = Vec::new();
    section(&schema, "Manifest", &mut page, &mut done);
    let mut at = 0;
    while let Some(name) = done.get(at).cloned() {
        let definition = &schema["$defs"][&name];
        if name != "Duration" {
            section(definition, &name, &mut page, &mut done);
        }
        at += 1;
    }
    for name in schema["$defs"].as_object().unwrap().keys() {
        assert!(done.contains(name), "`{name}` is reached from nowhere");
    }
    golden::same_as("docs/reference/manifest.md", &page);
}

#[test]
fn the_smallest_manifest_of_the_page_is_one_and_nothing_of_it_can_go() {
    let text = PREFACE.split('`').find(|text| text.starts_with("{ ")).expect("the smallest manifest");
    let problems = |text: &str| load(text).err().map_or(0, |problems| problems.len());
    assert_eq!(problems(text), 0);
    for part in ["\"version\": 1, ", ", \"host\": { \"name\": \"web\" }", "\"name\": \"web\""] {
        assert_eq!(problems(&text.replace(part, "")), 1, "{part}");
    }
}

const PREFACE: &str = r#"# Manifest

Written by `make docs` from the program's own schema ([manifest.schema.json](manifest.schema.json)). The smallest one is
`{ "version": 1, "host": { "name": "web" } }`; an example of everything is
[full.json](../../tests/golden/manifest/full.json). Unknown fields are refused, `holdfast check FILE` prints
every problem with its place. Relative paths start at the manifest's folder. The NixOS options under
`services.holdfast` have the same names. A duration is text such as `90s` or `1m 30s`, at most a day.
"#;

/// One type: its words, its fields or values. Types that it uses are noted for later.
fn section(definition: &Value, name: &str, page: &mut String, done: &mut Vec<String>) {
    write!(page, "\n## {name}\n\n{}\n\n", text(definition)).unwrap();
    if let Some(fields) = definition["properties"].as_object() {
        page.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
        let required: Vec<&str> =
            definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, schema) in fields {
            let default = match schema.get("default") {
                _ if required.contains(&field.as_str()) => "required".to_owned(),
                None | Some(Value::Null) => String::new(),
                Some(value) => format!("`{value}`"),
            };
            let kind = kind(schema, done);
            writeln!(page, "| `{field}` | {kind} | {default} | {} |", text(schema)).unwrap();
        }
    }
    for side in definition["oneOf"].as_array().into_iter().flatten() {
        writeln!(page, "- `{}`: {}", side["const"], text(side)).unwrap();
    }
}

/// A description on one line, fit for a table.
fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn kind(schema: &Value, done: &mut Vec<String>) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/").to_owned();
        if !done.contains(&name) {
            done.push(name.clone());
        }
        return if name == "Duration" {
            "duration".to_owned()
        } else {
            format!("[{name}](#{})", name.to_lowercase())
        };
    }
    if let Some(sides) = schema["anyOf"].as_array() {
        return sides.iter().find(|side| side["type"] != "null").map(|side| kind(side, done)).unwrap();
    }
    let one = match &schema["type"] {
        Value::Array(types) => types.iter().find(|kind| **kind != "null").and_then(Value::as_str).unwrap(),
        kind => kind.as_str().unwrap(),
    };
    match one {
        "array" => format!("list of {}", kind(&schema["items"], done)),
        "object" => {
            let values = schema.get("additionalProperties").filter(|values| values.is_object());
            values.map_or("map".to_owned(), |values| format!("map of name → {}", kind(values, done)))
        }
        "integer" => bounded(schema.as_object().unwrap()),
        other => other.to_owned(),
    }
}

fn bounded(schema: &Map<String, Value>) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!("integer, {least} to {most}"),
        _ => "integer".to_owned(),
    }
}
