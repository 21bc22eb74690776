//! Changes in the text of a YAML or JSON file: only the characters of what changes, all else stays as it is written.

mod text;

use std::ops::Range;

use super::lay::Laid;
use super::parts::{Id, Part, Parts, Place, Shape};
use super::tokens::{Scanner, Words};
use super::{letters, scalars};
use crate::secrets::path::Step;
use crate::secrets::tree::{Entry, Item, Node};

/// What a file shall become.
pub(in crate::secrets) struct Change<'c> {
    /// What is set or removed.
    pub(in crate::secrets) path: &'c [Step],
    /// The whole encrypted document as it shall be; nothing where the path is removed.
    pub(in crate::secrets) document: Option<&'c [Entry]>,
    /// The new MAC's token.
    pub(in crate::secrets) mac: &'c str,
    /// The new time.
    pub(in crate::secrets) lastmodified: &'c str,
}

/// The text with the change; nothing where it cannot be made by exchanging a part of the text.
pub(in crate::secrets::store) fn spliced(text: &str, is_json: bool, change: &Change<'_>) -> Option<Words> {
    with_edits(text, is_json, |splice, roots| {
        for root in roots {
            splice.metadata(*root, change)?;
        }
        splice.change(*roots.first()?, change)
    })
}

/// The text with another `sops` section in every document; nothing where it cannot be exchanged.
pub(in crate::secrets::store) fn resectioned(text: &str, is_json: bool, section: &Node) -> Option<Words> {
    with_edits(text, is_json, |splice, roots| {
        roots.iter().try_for_each(|root| splice.section(*root, section))
    })
}

/// The text with what `edit` exchanges in it, given the roots of its documents.
fn with_edits(
    text: &str,
    is_json: bool,
    edit: impl FnOnce(&mut Splice<'_>, &[Id]) -> Option<()>,
) -> Option<Words> {
    let letters = letters(text);
    let scalars = scalars(text, &letters).ok()?;
    let (tokens, remarks) = Scanner::scan(&letters, &scalars).ok()?;
    let mut parts = Parts::new(&tokens, remarks, &scalars);
    let mut roots = Vec::new();
    while let Ok(Some(document)) = parts.document() {
        roots.push(document.root);
    }
    let mut splice = Splice { letters: &letters, all: &parts.all, is_json, edits: Vec::new() };
    edit(&mut splice, &roots)?;
    splice.applied()
}

struct Splice<'t> {
    letters: &'t [char],
    all: &'t [Part],
    is_json: bool,
    edits: Vec<(Range<usize>, Words)>,
}

impl Splice<'_> {
    fn part(&self, id: Id) -> Option<&Part> {
        self.all.get(id).filter(|part| part.place.end > 0)
    }

    /// The key and value of a pair.
    fn pair(&self, map: Id, key: &str) -> Option<(usize, Id, Id)> {
        let Shape::Map(pairs) = &self.part(map)?.shape else { return None };
        let named = |id: Id| matches!(&self.all.get(id).map(|part| &part.shape), Some(Shape::Scalar { text, .. }) if text.as_str() == key);
        pairs
            .iter()
            .enumerate()
            .find(|(_, (name, _))| named(*name))
            .map(|(at, (name, value))| (at, *name, *value))
    }

    fn section(&mut self, root: Id, section: &Node) -> Option<()> {
        let (_, key, value) = self.pair(root, "sops")?;
        let (start, end) = (self.part(key)?.place.start, self.part(value)?.place.end);
        let text = if self.flows(root)? {
            Words::new(format!("\"sops\": {}", self.json(section, start)?.as_str()))
        } else {
            (self.column(start) == 0).then_some(())?;
            self.block(&Laid::pair("sops", section), 0, "")?
        };
        self.edits.push((start..end, text));
        Some(())
    }

    fn metadata(&mut self, root: Id, change: &Change<'_>) -> Option<()> {
        let (_, _, sops) = self.pair(root, "sops")?;
        for (key, text) in [("mac", change.mac), ("lastmodified", change.lastmodified)] {
            let (_, _, value) = self.pair(sops, key)?;
            let Place { start, end, .. } = self.part(value)?.place;
            let quote = match self.letters.get(start)? {
                sign @ ('"' | '\'') => sign.to_string(),
                '|' | '>' | '&' | '*' | '!' => return None,
                _ if key == "mac" && !self.is_json => String::new(),
                _ => "\"".to_owned(),
            };
            self.edits.push((start..end, Words::new(format!("{quote}{text}{quote}"))));
        }
        Some(())
    }

    /// Goes down the path as far as there is something, and changes what is there.
    fn change(&mut self, root: Id, change: &Change<'_>) -> Option<()> {
        let mut at = root;
        for (depth, step) in change.path.iter().enumerate() {
            let (here, last) = (change.path.get(..=depth)?, depth + 1 == change.path.len());
            let above = change.path.get(..depth)?;
            let (position, found) = match (&self.part(at)?.shape, step) {
                (Shape::Map(_), Step::Key(key)) => match self.pair(at, key) {
                    None => return self.add_pair(at, key, node_at(change.document?, here)?),
                    Some((position, _, value)) => (position, value),
                },
                (Shape::List(items), Step::Index(index)) => {
                    let values = items.iter().enumerate().filter(|(_, id)| !self.is_comment(**id));
                    match values.map(|(position, id)| (position, *id)).nth(*index) {
                        None => return self.add_item(at, last_item(node_at(change.document?, above)?)?),
                        Some(found) => found,
                    }
                }
                _ => return None,
            };
            let scalar = matches!(self.part(found)?.shape, Shape::Scalar { .. });
            match change.document {
                Some(document) if last || scalar => return self.replace(found, at, node_at(document, here)?),
                None if last => return self.remove(at, position),
                _ => at = found,
            }
        }
        None
    }

    /// An encrypted comment, which stands in a list like a value.
    fn is_comment(&self, id: Id) -> bool {
        matches!(&self.all.get(id).map(|part| &part.shape), Some(Shape::Scalar { text, .. })
            if text.starts_with("ENC[") && text.ends_with(",type:comment]"))
    }

    fn replace(&mut self, value: Id, parent: Id, node: &Node) -> Option<()> {
        let place = self.part(value)?.place;
        if self.flows(parent)? {
            let text = self.json(node, place.start)?;
            (place.end > place.start).then_some(())?;
            self.edits.push((place.start..place.end, text));
            return Some(());
        }
        // A comment between the key and a value further down would be lost.
        let between = self.letters.get(place.mark_end..place.start)?;
        if between.contains(&'#') {
            return None;
        }
        let text = match self.part(parent)?.shape {
            Shape::List(_) => self.block(&Laid::item(node), self.column(place.mark_start), "-"),
            _ => self.block(&Laid::pair("k", node), self.column_of_key(parent)?, "k:"),
        }?;
        self.edits.push((place.mark_end..place.end, text));
        Some(())
    }

    fn add_pair(&mut self, map: Id, key: &str, node: &Node) -> Option<()> {
        let Shape::Map(pairs) = &self.part(map)?.shape else { return None };
        let place = self.part(map)?.place;
        if self.flows(map)? {
            let name = self.json(&Node::text(key.as_bytes()), place.start)?;
            let last = pairs.last().map(|(key, value)| (*key, *value));
            let first = pairs.first().map(|(key, _)| *key);
            let sops = last.filter(|(key, _)| matches!(&self.all.get(*key).map(|part| &part.shape), Some(Shape::Scalar { text, .. }) if text.as_str() == "sops"));
            let from =
                first.map_or(place.start, |key| self.all.get(key).map_or(place.start, |key| key.place.start));
            let value = self.json(node, from)?;
            let pair = Words::new(format!("{}: {}", name.as_str(), value.as_str()));
            return match (sops, last) {
                (Some((key, _)), _) => {
                    let start = self.part(key)?.place.start;
                    let blank = self.blank_before(start);
                    self.insert(
                        start,
                        Words::new(format!(
                            "{},{}",
                            pair.as_str(),
                            if blank.is_empty() { " " } else { &blank }
                        )),
                    )
                }
                (None, Some((key, value))) => {
                    let end = self.part(value)?.place.end;
                    let blank = self.blank_before(self.part(key)?.place.start);
                    self.insert(
                        end,
                        Words::new(format!(
                            ",{}{}",
                            if blank.is_empty() { " " } else { &blank },
                            pair.as_str()
                        )),
                    )
                }
                (None, None) => self.insert(place.start + 1, pair),
            };
        }
        let (first, _) = pairs.first()?;
        let column = self.column(self.part(*first)?.place.start);
        let (last, value) = pairs.last()?;
        let is_sops =
            matches!(&self.part(*last)?.shape, Shape::Scalar { text, .. } if text.as_str() == "sops");
        let at = if is_sops && column == 0 {
            self.part(*last)?.place.start
        } else {
            self.after_line(self.part(*value)?.place.end)
        };
        let text = self.block(&Laid::pair(key, node), column, "")?;
        self.insert_lines(at, column, &text)
    }

    fn add_item(&mut self, into: Id, node: &Node) -> Option<()> {
        let Shape::List(items) = &self.part(into)?.shape else { return None };
        let place = self.part(into)?.place;
        let last = items.last().and_then(|id| self.part(*id)).map(|part| part.place);
        if self.flows(into)? {
            let text = self.json(node, last.map_or(place.start, |last| last.start))?;
            let Some(last) = last else { return self.insert(place.start + 1, text) };
            let blank = self.blank_before(last.start);
            let blank = if blank.is_empty() { " " } else { &blank };
            return self.insert(last.end, Words::new(format!(",{blank}{}", text.as_str())));
        }
        let last = last?;
        let column = self.column(last.mark_start);
        let text = self.block(&Laid::item(node), column, "")?;
        self.insert_lines(self.after_line(last.end), column, &text)
    }

    /// Removes a pair or item; the last one leaves empty brackets.
    fn remove(&mut self, parent: Id, position: usize) -> Option<()> {
        let place = self.part(parent)?.place;
        // Where each entry starts and ends.
        let (empty, ranges): (&str, Vec<Range<usize>>) = match &self.part(parent)?.shape {
            Shape::Map(pairs) => {
                let range = |(key, value): &(Id, Id)| {
                    Some(self.all.get(*key)?.place.start..self.all.get(*value)?.place.end)
                };
                ("{}", pairs.iter().map(range).collect::<Option<_>>()?)
            }
            Shape::List(items) => {
                let flows = self.flows(parent)?;
                let range = |id: &Id| {
                    let place = self.all.get(*id)?.place;
                    Some(if flows { place.start } else { place.mark_start }..place.end)
                };
                ("[]", items.iter().map(range).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        let own = ranges.get(position)?.clone();
        if self.flows(parent)? {
            let before = position.checked_sub(1).and_then(|before| ranges.get(before));
            let range = match (before, ranges.get(position + 1)) {
                (Some(before), _) => before.end..own.end,
                (None, Some(after)) => own.start..after.start,
                (None, None) => place.start + 1..place.end.checked_sub(1)?,
            };
            let gone = self.letters.get(range.clone())?;
            (!gone.contains(&'#') || self.is_json).then_some(())?;
            self.edits.push((range, Words::default()));
            return Some(());
        }
        if ranges.len() == 1 {
            // A comment in there has no place any more.
            let inside = self.letters.get(place.mark_end..own.start)?;
            let tail = self.letters.get(own.end..self.after_line(own.end))?;
            (!inside.contains(&'#') && !tail.contains(&'#')).then_some(())?;
            self.edits.push((place.mark_end..place.end, Words::new(format!(" {empty}"))));
            return Some(());
        }
        let start = own.start.checked_sub(self.column(own.start))?;
        let blank = self.letters.get(start..own.start)?.iter().all(|letter| *letter == ' ');
        blank.then_some(())?;
        self.edits.push((start..self.after_line(own.end), Words::default()));
        Some(())
    }

    fn flows(&self, id: Id) -> Option<bool> {
        Some(self.part(id)?.place.flow)
    }
}

/// The node at a path.
pub(in crate::secrets) fn node_at<'n>(entries: &'n [Entry], path: &[Step]) -> Option<&'n Node> {
    let (first, rest) = path.split_first()?;
    let Step::Key(key) = first else { return None };
    let found = entries.iter().find_map(|entry| match entry {
        Entry::Pair(name, node) if name == key => Some(node),
        _ => None,
    })?;
    rest.iter().try_fold(found, |node, step| match (node, step) {
        (Node::Map(entries), Step::Key(_)) => node_at(entries, std::slice::from_ref(step)),
        (Node::List(items), Step::Index(index)) => items.iter().filter_map(Item::node).nth(*index),
        _ => None,
    })
}

fn last_item(node: &Node) -> Option<&Node> {
    let Node::List(items) = node else { return None };
    items.iter().filter_map(Item::node).next_back()
}
