//! Fields that are not there.

use holdfast::source::{Node, Value as Tree};

use super::{FULL, replaced, told, tree};

/// Fields that no default stands in for, as `struct field`; the schema says the same.
fn required() -> Vec<(String, String)> {
    let schema = holdfast::manifest::schema();
    let mut list = Vec::new();
    let named = schema["$defs"].as_object().expect("definitions").iter();
    for (name, definition) in named.chain([(&"Manifest".to_owned(), &schema)]) {
        for field in definition["required"].as_array().into_iter().flatten() {
            list.push((name.clone(), field.as_str().expect("a word").to_owned()));
        }
    }
    list
}

/// Every map entry of the tree, as (map, position).
fn entries<'n>(node: &'n Node, into: &mut Vec<(&'n Node, usize)>) {
    match &node.value {
        Tree::Scalar(_) => {}
        Tree::List(items) => items.iter().for_each(|item| entries(item, into)),
        Tree::Map(map) => {
            for (index, entry) in map.iter().enumerate() {
                into.push((node, index));
                entries(&entry.value, into);
            }
        }
    }
}

/// The edit that removes an entry and one comma.
fn without(map: &Node, index: usize) -> (usize, usize, String) {
    let list = map.as_map().expect("a map");
    let start = list[index].key_span.start;
    match (list.get(index + 1), index.checked_sub(1)) {
        (Some(next), _) => (start, next.key_span.start, String::new()),
        (None, Some(before)) => (list[before].value.span.end, list[index].value.span.end, String::new()),
        (None, None) => (start, list[index].value.span.end, String::new()),
    }
}

#[test]
fn each_missing_field_is_one_problem_at_its_map_and_each_optional_field_is_optional() {
    let required = required();
    let root = tree(FULL);
    let mut all = Vec::new();
    entries(&root, &mut all);
    let mut refused = 0;
    for (map, index) in all {
        let key = &map.as_map().expect("a map")[index].key;
        let (text, _) = replaced(FULL, &[without(map, index)]);
        let problems = told(&text);
        let start = map.span.start;
        let missing = format!("{start}-{}: the field `{key}` is missing", start + 1);
        if problems == [missing] {
            assert!(required.iter().any(|(_, field)| field == key), "`{key}` is not required by the schema");
            refused += 1;
        } else {
            // A rule beyond the types may miss it (a reference, one-of), but then it says so in its own words.
            assert!(
                !problems.iter().any(|told| told.contains("is missing")),
                "without `{key}`: {problems:?}"
            );
        }
    }
    assert!(refused >= required.len(), "{refused} of {} required fields were missed", required.len());
}

#[test]
fn nothing_at_all_misses_every_required_field_of_the_root() {
    assert_eq!(told("{}"), ["0-1: the field `version` is missing", "0-1: the field `host` is missing"]);
}
