//! Reading maps with known keys: a key is known because a reader asked for it, every other one is refused.

use super::place::{At, Log, Place};
use super::refused;
use super::rules::Rule;
use super::tree::{Field, Kind, Tree};

/// The fields of one map while it is being read. [`Fields::finish`] refuses what nobody asked for.
pub(super) struct Fields<'t> {
    level: &'static str,
    entries: &'t [Field],
    known: Vec<&'static str>,
    /// Where the map stands.
    pub(super) place: Place,
}

impl<'t> Fields<'t> {
    /// Opens a map. `level` is the kind of map: it selects the fixes of [`refused`] and names it in problems.
    pub(super) fn open(tree: &'t Tree, level: &'static str, log: &mut Log) -> Option<Self> {
        let entries = map(tree, level, log)?;
        Some(Self { level, entries, known: Vec::new(), place: tree.place })
    }

    /// The field `key`, which thereby is known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'t Field> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|field| field.key == key)
    }

    /// The value of `key`.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'t Tree> {
        self.take(key).map(|field| &field.value)
    }

    /// The value of `key`, which docker stack does not know and which has a meaning in a swarm.
    pub(super) fn modern(&mut self, key: &'static str, log: &Log) -> Option<&'t Tree> {
        if log.translates() { self.value(key) } else { None }
    }

    /// The text of `key`.
    pub(super) fn text(&mut self, key: &'static str, log: &mut Log) -> Option<At<String>> {
        self.value(key).and_then(|tree| text(tree, key, log))
    }

    /// The boolean of `key`; docker lets a variable stand for it.
    pub(super) fn flag(&mut self, key: &'static str, log: &mut Log) -> Option<At<bool>> {
        self.value(key).and_then(|tree| flag(tree, key, log))
    }

    /// The whole number of `key`; docker lets a variable stand for it.
    pub(super) fn count(&mut self, key: &'static str, log: &mut Log) -> Option<At<u64>> {
        self.value(key).and_then(|tree| count(tree, key, log))
    }

    /// The list of texts of `key`; repeated items are refused, as docker does.
    pub(super) fn texts(&mut self, key: &'static str, log: &mut Log) -> Vec<At<String>> {
        self.value(key).map(|tree| texts(tree, key, log)).unwrap_or_default()
    }

    /// A text converted by `convert`, whose error says what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        log: &mut Log,
        convert: fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        converted(&self.text(key, log)?, key, log, convert)
    }

    /// A length of time in nanoseconds. Docker sends a negative one, and the engine takes none.
    pub(super) fn duration(&mut self, key: &'static str, log: &mut Log) -> Option<At<i64>> {
        let time = self.parsed(key, log, super::units::duration)?;
        if time.value < 0 {
            let message = format!("`{key}` must not be negative");
            log.rule(Rule::DurationNegative, time.place, message, super::units::fix(key));
        }
        Some(time)
    }

    /// Refuses every key that nobody asked for, and keys younger than the file's version.
    pub(super) fn finish(self, log: &mut Log) {
        for field in self.entries {
            if log.is_full() {
                return;
            }
            if let Some(known) = self.known.iter().find(|known| **known == field.key) {
                if let Some(minor) = refused::since(self.level, known).filter(|minor| *minor > log.minor) {
                    let message =
                        format!("`{known}` came with version 3.{minor}, the file says 3.{}", log.minor);
                    log.rule(Rule::KeyTooNew, field.key_place, message, "remove `version`, or raise it");
                }
            } else if !(field.key.starts_with("x-") && (log.translates() || refused::extensible(self.level)))
            {
                let (rule, message, fix) = refused::explain(self.level, &field.key, &self.known);
                log.rule(rule, field.key_place, message, fix);
                if rule.followed() && !refused::fits(self.level, &field.key, &field.value.kind, log.minor) {
                    let message = format!("`{}` has a value that docker refuses", field.key);
                    log.rule(Rule::ValueType, field.value.place, message, "remove the line");
                }
            }
        }
    }
}

/// What [`Fields::parsed`] does with a text that is there.
pub(super) fn converted<T>(
    text: &At<String>,
    key: &str,
    log: &mut Log,
    convert: fn(&str) -> Result<T, String>,
) -> Option<At<T>> {
    match convert(&text.value) {
        Ok(value) => Some(At::new(value, text.place)),
        Err(reason) => {
            let message = format!("`{key}: {}` {reason}", text.value);
            log.rule(super::units::rule(key), text.place, message, super::units::fix(key));
            None
        }
    }
}

/// The entries of a map.
pub(super) fn map<'t>(tree: &'t Tree, what: &str, log: &mut Log) -> Option<&'t [Field]> {
    if let Kind::Map(entries) = &tree.kind {
        return Some(entries);
    }
    wrong(tree, what, "a map", "write `key: value` lines below it", log);
    None
}

/// The items of a list.
pub(super) fn list<'t>(tree: &'t Tree, what: &str, log: &mut Log) -> &'t [Tree] {
    if let Kind::List(items) = &tree.kind {
        return items;
    }
    wrong(tree, what, "a list", "write `- item` lines below it", log);
    &[]
}

/// A text.
pub(super) fn text(tree: &Tree, what: &str, log: &mut Log) -> Option<At<String>> {
    if let Kind::Text { text, .. } = &tree.kind {
        return Some(At::new(text.clone(), tree.place));
    }
    let fix = match &tree.kind {
        Kind::Null => "write a value, or leave the key out",
        Kind::List(_) | Kind::Map(_) => "write one value",
        _ => "quote it",
    };
    wrong(tree, what, "text", fix, log);
    None
}

/// A boolean, or what a variable was replaced by.
pub(super) fn flag(tree: &Tree, what: &str, log: &mut Log) -> Option<At<bool>> {
    match &tree.kind {
        Kind::Bool(value) => return Some(At::new(*value, tree.place)),
        Kind::Text { text, cast: true } => match text.to_lowercase().as_str() {
            "y" | "yes" | "true" | "on" => return Some(At::new(true, tree.place)),
            "n" | "no" | "false" | "off" => return Some(At::new(false, tree.place)),
            _ => {}
        },
        _ => {}
    }
    wrong(tree, what, "true or false", "write `true` or `false`, without quotes", log);
    None
}

/// A boolean that docker lets no variable stand for.
pub(super) fn plain_flag(tree: &Tree, what: &str, log: &mut Log) -> Option<At<bool>> {
    if let Kind::Bool(value) = tree.kind {
        return Some(At::new(value, tree.place));
    }
    wrong(tree, what, "true or false", "write `true` or `false`; a variable cannot stand here", log);
    None
}

/// A whole number from zero, or what a variable was replaced by.
pub(super) fn count(tree: &Tree, what: &str, log: &mut Log) -> Option<At<u64>> {
    let number = whole(tree, true).and_then(|value| u64::try_from(value).ok());
    if number.is_none() {
        wrong(tree, what, "a whole number from 0", "write the number, without quotes", log);
    }
    number.map(|value| At::new(value, tree.place))
}

/// A whole number; `cast` when docker lets a variable stand for it.
pub(super) fn whole(tree: &Tree, cast: bool) -> Option<i128> {
    match &tree.kind {
        Kind::Int(value) => Some(*value),
        // `09` and `1e3` are floats to docker's reader, and whole numbers to its schema.
        Kind::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
            format!("{value:.0}").parse().ok()
        }
        Kind::Text { text, cast: true } if cast => text.parse::<i64>().ok().map(i128::from),
        _ => None,
    }
}

/// What docker keeps of a number that it puts into 32 bits.
pub(super) fn low_bits(value: u64) -> Option<u32> {
    u32::try_from(value & u64::from(u32::MAX)).ok()
}

/// A list of texts without repetitions.
pub(super) fn texts(tree: &Tree, what: &str, log: &mut Log) -> Vec<At<String>> {
    let items = list(tree, what, log);
    refuse_repeated(items, what, log);
    items.iter().filter_map(|item| text(item, what, log)).collect()
}

/// A text, or a list of texts without repetitions.
pub(super) fn text_or_texts(tree: &Tree, what: &str, log: &mut Log) -> Vec<At<String>> {
    if let Kind::Text { text, .. } = &tree.kind {
        return vec![At::new(text.clone(), tree.place)];
    }
    if !matches!(tree.kind, Kind::List(_)) {
        wrong(tree, what, "text or a list", "write one value, or `- item` lines below it", log);
        return Vec::new();
    }
    texts(tree, what, log)
}

/// Docker refuses a list that holds the same item twice.
pub(super) fn refuse_repeated(items: &[Tree], what: &str, log: &mut Log) {
    let mut seen = std::collections::HashSet::new();
    for item in items {
        // The debug form of the kind would hold places; texts are what lists repeat.
        let key = match &item.kind {
            Kind::Text { text, .. } => format!("text {text}"),
            Kind::Int(value) => format!("int {value}"),
            _ => continue,
        };
        if !seen.insert(key) {
            log.rule(
                Rule::ItemsRepeated,
                item.place,
                format!("`{what}` holds the same item twice"),
                "remove one of the two",
            );
        }
    }
}

/// Reports a value of the wrong type.
pub(super) fn wrong(tree: &Tree, what: &str, want: &str, fix: &str, log: &mut Log) {
    let found = match &tree.kind {
        Kind::Text { text, .. } if !want.contains("text") && text.len() < 40 => format!("the text `{text}`"),
        Kind::Int(value) => format!("the number {value}"),
        Kind::Float(value) => format!("the number {value}"),
        kind => kind.name().to_owned(),
    };
    log.rule(Rule::ValueType, tree.place, format!("`{what}` takes {want}, not {found}"), fix);
}
