//! Tree → type, with every problem at once.

use serde::de::DeserializeOwned;

use super::deserializer::{Pass, Reader};
use super::fault::{Fault, Id, Place};
use super::nearest;
use super::node::{Node, Value};
use super::problem::{Problem, Source};

/// Problems after which no more are looked for.
pub const MOST_PROBLEMS: usize = 100;

/// Tries after which decoding gives up: each problem costs at most three.
const MOST_PASSES: usize = 3 * MOST_PROBLEMS;

/// Reads a tree as a type and finds every problem: what is wrong is told, passed over, and the rest is tried again.
///
/// The value is there when everything else could be read; together with problems it lacks what they point at and
/// is only good for finding more of them.
#[must_use]
pub fn decode<T: DeserializeOwned>(source: &Source, node: &Node) -> (Option<T>, Vec<Problem>) {
    let mut search =
        Search { source, root: node, pass: Pass::default(), slips: Vec::new(), problems: Vec::new() };
    for _ in 0..MOST_PASSES {
        match T::deserialize(Reader { node, pass: &search.pass }) {
            Ok(value) => return (Some(value), search.finish()),
            Err(fault) => {
                if !search.step_over(fault) {
                    break;
                }
            }
        }
    }
    (None, search.finish())
}

struct Search<'n> {
    source: &'n Source,
    root: &'n Node,
    pass: Pass,
    /// Maps with an unknown key, and the field that the key was meant to be.
    slips: Vec<(Id, &'static str)>,
    problems: Vec<Problem>,
}

impl Search<'_> {
    /// Tells of a fault and has the next pass go round it. False when there is no way round.
    fn step_over(&mut self, fault: Fault) -> bool {
        let (place, fault) = match fault {
            Fault::At(place, fault) => (place, *fault),
            fault => (Place::node(self.root), fault),
        };
        match fault {
            Fault::Missing(field) if !place.made_up => self.fill(place, field),
            fault => {
                if let Fault::Field { name, known } = &fault
                    && let Some(meant) = nearest::nearest(name, known.iter().copied())
                    && let Some(map) = parent(self.root, place.id)
                {
                    self.slips.push((Id::of(map), meant));
                }
                self.tell(&fault, place);
                self.mask(place)
            }
        }
    }

    /// Makes a missing field up; tells of it unless its absence comes from a problem told already.
    fn fill(&mut self, place: Place, field: &'static str) -> bool {
        let map = find(self.root, place.id);
        let passed_over = map.is_some_and(|map| map.get(field).is_some());
        if !passed_over && !self.slips.contains(&(place.id, field)) {
            let span = map.map_or(place.span, Node::head);
            self.tell(&Fault::Missing(field), Place { span, ..place });
        }
        let filled = self.pass.filled.entry(place.id).or_default();
        if filled.contains(&field) {
            return self.mask(place);
        }
        filled.push(field);
        self.problems.len() < MOST_PROBLEMS
    }

    fn mask(&mut self, place: Place) -> bool {
        place.id != Id::of(self.root)
            && self.pass.masked.insert(place.id)
            && self.problems.len() < MOST_PROBLEMS
    }

    fn tell(&mut self, fault: &Fault, place: Place) {
        if !place.made_up {
            let mut problem = self.source.problem(place.span, fault.to_string());
            problem.fix = fault.fix();
            self.problems.push(problem);
        }
    }

    /// The problems in the order of the text.
    fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.span);
        self.problems
    }
}

/// The node with an identity.
fn find(root: &Node, id: Id) -> Option<&Node> {
    walk(root).find(|node| Id::of(node) == id)
}

/// The map that holds a value.
fn parent(root: &Node, id: Id) -> Option<&Node> {
    walk(root)
        .find(|node| node.as_map().is_some_and(|entries| entries.iter().any(|e| Id::of(&e.value) == id)))
}

/// Every node, parents first.
fn walk(root: &Node) -> impl Iterator<Item = &Node> {
    let mut todo = vec![root];
    std::iter::from_fn(move || {
        let node = todo.pop()?;
        match &node.value {
            Value::Scalar(_) => {}
            Value::List(items) => todo.extend(items.iter().rev()),
            Value::Map(entries) => todo.extend(entries.iter().rev().map(|entry| &entry.value)),
        }
        Some(node)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use serde::Deserialize;

    use super::super::{Limits, parse};
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Top {
        name: String,
        #[serde(default)]
        kind: Option<Kind>,
        #[serde(default)]
        parts: BTreeMap<String, Part>,
        #[serde(default)]
        list: Vec<Part>,
        first: Part,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        port: u16,
        #[serde(default)]
        at: Vec<SocketAddr>,
        #[serde(default)]
        open: bool,
        #[serde(default)]
        share: Option<f64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Host,
        Ingress,
    }

    fn read(text: &str) -> (Option<Top>, Vec<String>) {
        let source = Source::new("m", text);
        let nodes = parse(&source, Limits::default()).unwrap();
        let (value, problems) = decode(&source, &nodes[0]);
        let told = problems.iter().map(|p| {
            let fix = p.fix.as_ref().map_or_else(String::new, |fix| format!(" => {fix}"));
            format!("{p}{fix}")
        });
        (value, told.collect())
    }

    #[test]
    fn a_right_text_becomes_its_value() {
        let (value, problems) = read(
            r#"{"name": "a", "kind": "host", "first": {"port": 1, "at": ["192.0.2.1:1"], "share": 0.5},
                "parts": {"x": {"port": 2, "open": true, "share": null}}, "list": [{"port": 65535}]}"#,
        );
        let part = |port| Part { port, at: vec![], open: false, share: None };
        let first = Part { at: vec!["192.0.2.1:1".parse().unwrap()], share: Some(0.5), ..part(1) };
        let parts = [("x".to_owned(), Part { open: true, ..part(2) })].into();
        let expected =
            Top { name: "a".into(), kind: Some(Kind::Host), parts, list: vec![part(65535)], first };
        assert_eq!((value, problems), (Some(expected), vec![]));
    }

    #[test]
    fn every_problem_is_told_once_at_its_place_in_the_order_of_the_text() {
        let (value, problems) = read(
            r#"{"nmae": "a",
 "kind": "hots",
 "first": {"port": 70000, "at": ["192.0.2.1"], "opne": 1},
 "parts": {"x": {}, "y": 5, "z": {"port": "1", "open": yes, "share": !!str 1}},
 "list": [{"port": 1}, [], {"port": -1, "open": null}],
 "zebra": {"deep": [1, 2]}}"#,
        );
        assert!(value.is_some());
        let expected = [
            "m:1:2: unknown field `nmae` => write `name`",
            "m:2:10: unknown value `hots` => write `host`",
            "m:3:20: expected a whole number from 0 to 65535, found the number `70000` => write a whole number from 0 to 65535",
            "m:3:34: this is not an address with a port => write it like `\"192.0.2.1:443\"` or `\"[2001:db8::1]:443\"`",
            "m:3:48: unknown field `opne` => write `open`",
            "m:4:17: the field `port` is missing => add `\"port\": ...` here",
            "m:4:26: expected a map, found the number `5` => write a map",
            "m:4:43: expected a whole number from 0 to 65535, found the string `\"1\"` => leave the quotes away: `1`",
            "m:4:56: `yes` stands without quotes and is no number, boolean or null => write `\"yes\"` if this is text",
            "m:4:70: the tag `tag:yaml.org,2002:str` has no meaning here => leave the tag away; quoted values are strings, plain ones are not",
            "m:5:24: expected a map, found a list => write a map",
            "m:5:37: expected a whole number from 0 to 65535, found the number `-1` => write a whole number from 0 to 65535",
            "m:5:49: expected `true` or `false`, found `null` => write `true` or `false`",
            "m:6:2: unknown field `zebra` => one of `name`, `kind`, `parts`, `list`, `first` is meant",
        ];
        assert_eq!(problems, expected);
    }

    #[test]
    fn all_missing_fields_are_told_and_a_wrong_value_is_not_a_missing_one() {
        let (_, problems) = read("{}");
        assert_eq!(problems.len(), 2, "{problems:?}");
        let (_, problems) = read(r#"{"name": 1, "first": 2}"#);
        assert_eq!(
            problems,
            [
                "m:1:10: expected a string, found the number `1` => add quotes: `\"1\"`",
                "m:1:22: expected a map, found the number `2` => write a map"
            ]
        );
    }

    #[test]
    fn a_root_of_another_type_is_one_problem() {
        for text in ["[]", "5", "\"x\"", "null"] {
            let (value, problems) = read(text);
            assert!(value.is_none());
            assert_eq!(problems.len(), 1, "{problems:?}");
        }
    }

    #[test]
    fn a_list_is_no_struct_even_with_the_right_fields_in_order() {
        let (_, problems) = read(r#"{"name": "a", "first": [1, [], true]}"#);
        assert_eq!(problems, ["m:1:24: expected a map, found a list => write a map"]);
    }

    #[test]
    fn problems_stop_at_a_hundred() {
        let items = vec!["5"; 1000].join(",");
        let (_, problems) = read(&format!(r#"{{"name": "a", "first": {{"port": 1}}, "list": [{items}]}}"#));
        assert_eq!(problems.len(), MOST_PROBLEMS);
    }

    #[test]
    fn each_use_of_an_alias_is_judged_on_its_own() {
        let (_, problems) = read("name: \"a\"\nfirst: &p {\"port\": x}\nlist: [*p, *p]\n");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
