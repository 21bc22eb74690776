//! Every field of every section, with every wrong type and with unknown keys beside it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use holdfast::source::{MOST_PROBLEMS, Node, ToldProblem, Value as Tree};
use proptest::prelude::*;
use serde_json::Value;

use super::{FULL, load, replaced, told, tree};

/// A place of the full manifest, with what the schema says of it.
struct Field {
    path: String,
    start: usize,
    end: usize,
    /// JSON Schema types that are right here.
    types: BTreeSet<String>,
    /// True for a map with fixed fields.
    is_struct: bool,
}

/// Follows `$ref`, and joins the sides of `anyOf` and `oneOf`.
fn resolve<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target =
            root.pointer(name.trim_start_matches('#')).expect("the schema refers to what it defines");
        return resolve(root, target);
    }
    for sides in ["anyOf", "oneOf"] {
        if let Some(list) = schema.get(sides).and_then(Value::as_array) {
            return list.iter().flat_map(|side| resolve(root, side)).collect();
        }
    }
    vec![schema]
}

fn types(schemas: &[&Value]) -> BTreeSet<String> {
    let list = schemas.iter().flat_map(|schema| match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|t| t.as_str().expect("types are words").to_owned()).collect(),
        other => panic!("the schema has no type: {other}"),
    });
    list.collect()
}

fn walk(root: &Value, schema: &Value, node: &Node, path: &str, into: &mut Vec<Field>) {
    let schemas = resolve(root, schema);
    let is_struct = schemas.iter().any(|schema| schema["additionalProperties"] == false);
    let (start, end) = (node.span.start, node.span.end);
    into.push(Field { path: path.to_owned(), start, end, types: types(&schemas), is_struct });
    let inside = |key: &str| {
        schemas.iter().find_map(|schema| {
            schema["properties"]
                .get(key)
                .or_else(|| schema.get(key))
                .or_else(|| schema.get("additionalProperties"))
        })
    };
    match &node.value {
        Tree::Scalar(_) => {}
        Tree::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let schema = schemas.iter().find_map(|schema| schema.get("items")).expect("lists have items");
                walk(root, schema, item, &format!("{path}/{index}"), into);
            }
        }
        Tree::Map(entries) => {
            for entry in entries {
                let schema = inside(&entry.key).expect("the schema knows every field of the full manifest");
                walk(root, schema, &entry.value, &format!("{path}/{}", entry.key), into);
            }
        }
    }
}

/// Every place of the full manifest.
static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let schema = holdfast::manifest::schema();
    let mut fields = Vec::new();
    walk(&schema, &schema, &tree(FULL), "", &mut fields);
    fields
});

/// One text for each JSON type.
const SAMPLES: [(&str, &str); 8] = [
    ("object", r#"{ "a": 1 }"#),
    ("array", "[7]"),
    ("string", r#""text""#),
    ("integer", "7"),
    ("negative", "-7"),
    ("number", "1.5"),
    ("boolean", "true"),
    ("null", "null"),
];

impl Field {
    /// Texts of types that are wrong here.
    fn wrong(&self) -> impl Iterator<Item = &'static str> {
        SAMPLES.iter().filter(|(kind, _)| !self.types.contains(*kind)).map(|(_, text)| *text)
    }
}

#[test]
fn the_full_manifest_is_right_and_uses_every_field_of_the_schema() {
    assert_eq!(told(FULL), Vec::<String>::new());
    let used: BTreeSet<String> = FIELDS.iter().map(|field| field.path.clone()).collect();
    let mut missing = Vec::new();
    let schema = holdfast::manifest::schema();
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        for field in definition["properties"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !used.iter().any(|path| path.ends_with(&format!("/{field}"))) {
                missing.push(format!("{name}.{field}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "add these to tests/golden/manifest/full.json");
}

#[test]
fn each_wrong_type_at_each_place_is_one_problem_under_that_value() {
    let mut tried = 0;
    for field in FIELDS.iter() {
        for text in field.wrong() {
            let (bad, places) = replaced(FULL, &[(field.start, field.end, text.to_owned())]);
            let problems = told(&bad);
            let (start, end) = places[0];
            assert!(
                problems.len() == 1 && problems[0].starts_with(&format!("{start}-{end}: ")),
                "`{text}` at `{}`, expected {start}-{end}: {problems:?}",
                field.path
            );
            tried += 1;
        }
    }
    assert!(tried > 800, "only {tried} cases: the walk over the schema lost its way");
}

/// An unknown key as the first entry of a struct.
fn unknown(field: &Field, key: &str) -> (usize, usize, String) {
    let comma = if FULL[field.start + 1..field.end - 1].trim().is_empty() { "" } else { "," };
    (field.start + 1, field.start + 1, format!("\"{key}\": [1]{comma}"))
}

#[test]
fn an_unknown_key_in_each_struct_is_one_problem_under_that_key() {
    let mut tried = 0;
    for field in FIELDS.iter().filter(|field| field.is_struct) {
        let edit = unknown(field, "zz_unknown");
        let (bad, places) = replaced(FULL, &[edit]);
        let start = places[0].0;
        let expected = format!("{start}-{}: unknown field `zz_unknown`", start + "\"zz_unknown\"".len());
        assert_eq!(told(&bad), [expected], "in `{}`", field.path);
        tried += 1;
    }
    assert!(tried > 30, "only {tried} structs: the walk over the schema lost its way");
}

#[test]
fn unknown_keys_in_all_structs_are_told_in_one_go() {
    let edits: Vec<_> =
        FIELDS.iter().filter(|field| field.is_struct).map(|field| unknown(field, "zz_unknown")).collect();
    let (bad, places) = replaced(FULL, &edits);
    let problems = load(&bad).expect_err("unknown keys are refused");
    let found: Vec<usize> = problems.iter().map(|problem| problem.span.start).collect();
    let expected: Vec<usize> = places.into_iter().map(|(start, _)| start).take(MOST_PROBLEMS).collect();
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Wrong types and unknown keys at places apart from each other: exactly these are told.
    #[test]
    fn several_mistakes_are_told_together(picks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 2..12)) {
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        for (index, choice) in picks {
            let field = index.get(&FIELDS);
            let wrong: Vec<_> = field.wrong().collect();
            let apart = |edit: &(usize, usize, String)| edit.1 < field.start || field.end < edit.0;
            if !edits.iter().all(apart) || field.path.is_empty() {
                continue;
            }
            if field.is_struct && choice % 2 == 0 {
                edits.push(unknown(field, "zz_unknown"));
            } else {
                edits.push((field.start, field.end, wrong[usize::from(choice) % wrong.len()].to_owned()));
            }
        }
        let (bad, places) = replaced(FULL, &edits);
        let problems = load(&bad).err().unwrap_or_default();
        let found: Vec<usize> = problems.iter().map(|problem| problem.span.start).collect();
        let expected: Vec<usize> = places.into_iter().map(|(start, _)| start).take(MOST_PROBLEMS).collect();
        prop_assert_eq!(found, expected, "{:?}", problems);
    }

    /// Any byte of the full manifest changed: read or refused, and every problem renders.
    #[test]
    fn a_damaged_manifest_is_read_or_refused_without_a_panic(at in 0..FULL.len(), with in "[{}\\[\\]:,\"\\\\ a0-]{0,3}", cut in 0..40_usize) {
        let end = (at + cut).min(FULL.len());
        if FULL.is_char_boundary(at) && FULL.is_char_boundary(end) {
            let (bad, _) = replaced(FULL, &[(at, end, with)]);
            for problem in load(&bad).err().unwrap_or_default() {
                prop_assert!(problem.render(false).contains("m.json:"));
                prop_assert!(ToldProblem::from(problem).line > 0);
            }
        }
    }
}
