//! What differs between two JSON values, field by field.

use serde_json::{Map, Value};

use super::Change;

/// The fields in which `after` differs from `before`, sorted by path. Lists of `KEY=VALUE` texts (environment) are told
/// by key, lists of other texts by what was added and removed, other lists by position.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk("", before, after, &mut changes);
    changes
}

fn walk(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => walk_objects(path, old, new, changes),
        // A whole object that comes or goes is told by its fields, unless it has none.
        (Value::Null, Value::Object(new)) if !new.is_empty() => walk_objects(path, &Map::new(), new, changes),
        (Value::Object(old), Value::Null) if !old.is_empty() => walk_objects(path, old, &Map::new(), changes),
        (Value::Array(old), Value::Array(new)) => walk_lists(path, old, new, changes),
        (Value::Null, Value::Array(new)) if !new.is_empty() => walk_lists(path, &[], new, changes),
        (Value::Array(old), Value::Null) if !old.is_empty() => walk_lists(path, old, &[], changes),
        _ => changes.push(Change { field: path.to_owned(), before: shown(before), after: shown(after) }),
    }
}

fn walk_objects(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, changes: &mut Vec<Change>) {
    let mut keys: Vec<&String> = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).collect();
    keys.sort();
    for key in keys {
        let at = field(path, key);
        walk(&at, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), changes);
    }
}

/// `path.key`; a key that holds a dot or a bracket stands quoted in brackets.
fn field(path: &str, key: &str) -> String {
    if key.contains(['.', '[', ']']) || key.is_empty() {
        return format!("{path}[{}]", Value::from(key));
    }
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn walk_lists(path: &str, old: &[Value], new: &[Value], changes: &mut Vec<Change>) {
    if let (Some(old), Some(new)) = (pairs(old), pairs(new)) {
        // Maps that are equal although the lists are not: only the order changed, which is told below.
        if old != new {
            return walk_objects(path, &old, &new, changes);
        }
    }
    if let (Some(old), Some(new)) = (texts(old), texts(new)) {
        return walk_texts(path, &old, &new, changes);
    }
    for at in 0..old.len().max(new.len()) {
        let (old, new) = (old.get(at).unwrap_or(&Value::Null), new.get(at).unwrap_or(&Value::Null));
        walk(&format!("{path}[{at}]"), old, new, changes);
    }
}

fn texts(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(Value::as_str).collect()
}

/// A list of `KEY=VALUE` as a map, where every entry is one and no key comes twice.
fn pairs(list: &[Value]) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for text in texts(list)? {
        let (key, value) = text.split_once('=')?;
        let is_name = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name || map.insert(key.to_owned(), value.into()).is_some() {
            return None;
        }
    }
    Some(map)
}

/// Texts that came and went; when only the order changed, both lists whole.
fn walk_texts(path: &str, old: &[&str], new: &[&str], changes: &mut Vec<Change>) {
    let mut left: Vec<&str> = new.to_vec();
    let mut gone = Vec::new();
    for text in old {
        match left.iter().position(|other| other == text) {
            Some(at) => {
                left.remove(at);
            }
            None => gone.push(*text),
        }
    }
    if gone.is_empty() && left.is_empty() {
        let whole = |list: &[&str]| Some(Value::from(list.to_vec()).to_string());
        changes.push(Change { field: path.to_owned(), before: whole(old), after: whole(new) });
        return;
    }
    for at in 0..gone.len().max(left.len()) {
        let text = |list: &[&str]| list.get(at).map(|text| shown_text(text));
        changes.push(Change { field: format!("{path}[]"), before: text(&gone), after: text(&left) });
    }
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(shown_text(text)),
        other => Some(other.to_string()),
    }
}

fn shown_text(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn told(before: &Value, after: &Value) -> Vec<String> {
        let words = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
        diff(before, after)
            .iter()
            .map(|c| format!("{}: {} -> {}", c.field, words(&c.before), words(&c.after)))
            .collect()
    }

    #[test]
    fn fields_are_told_by_their_path() {
        let before = json!({"A": {"B": 1, "C": "x"}, "Labels": {"a.b": "1"}});
        let after = json!({"A": {"B": 2, "D": true}, "Labels": {"a.b": "2"}});
        assert_eq!(
            told(&before, &after),
            ["A.B: 1 -> 2", "A.C: \"x\" -> -", "A.D: - -> true", "Labels[\"a.b\"]: \"1\" -> \"2\""]
        );
    }

    #[test]
    fn environment_is_told_by_key_and_other_texts_by_what_moved() {
        let before = json!({"Env": ["A=1", "B=2"], "Args": ["x", "y"]});
        let after = json!({"Env": ["A=1", "AA=0", "B=3"], "Args": ["y", "z"]});
        assert_eq!(
            told(&before, &after),
            ["Args[]: \"x\" -> \"z\"", "Env.AA: - -> \"0\"", "Env.B: \"2\" -> \"3\""]
        );
        assert_eq!(told(&json!(["a", "b"]), &json!(["b", "a"])), [": [\"a\",\"b\"] -> [\"b\",\"a\"]"]);
    }

    #[test]
    fn an_empty_object_that_appears_is_a_change() {
        assert_eq!(told(&json!({}), &json!({"Resources": {}})), ["Resources: - -> {}"]);
        assert_eq!(
            told(&json!({}), &json!({"Ports": [{"TargetPort": 80}]})),
            ["Ports[0].TargetPort: - -> 80"]
        );
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3_u8).prop_map(Value::from),
            "[ab=]{1,3}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_is_told_exactly_when_nothing_differs(before in tree(), after in tree()) {
            prop_assert_eq!(diff(&before, &after).is_empty(), before == after);
        }
    }
}
