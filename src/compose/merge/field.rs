//! How single fields merge.

use std::collections::BTreeMap;

use super::super::model::Texts;
use super::super::place::{At, Log};
use super::super::rules::Rule;

/// Go's zero value, which docker cannot tell from a field that was not written.
pub(super) trait Zero {
    /// True for false, 0 and empty.
    fn is_zero(&self) -> bool;
}

impl Zero for bool {
    fn is_zero(&self) -> bool {
        !self
    }
}

impl Zero for String {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl Zero for i64 {
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Zero for u64 {
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Zero for f32 {
    fn is_zero(&self) -> bool {
        *self == 0.0
    }
}

impl<T> Zero for Vec<T> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

/// The later value wins unless it is zero; a zero over something else is refused.
pub(super) fn over<T: Zero>(base: &mut Option<At<T>>, later: Option<At<T>>, what: &str, log: &mut Log) {
    let Some(later) = later else { return };
    if later.value.is_zero() && base.as_ref().is_some_and(|at| !at.value.is_zero()) {
        let message =
            format!("docker keeps the earlier file's `{what}`: false, zero and empty do not override");
        log.rule(Rule::MergeZero, later.place, message, format!("remove `{what}` from the earlier file"));
        return;
    }
    *base = Some(later);
}

/// The later value wins, zero too.
pub(super) fn replace<T>(base: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *base = later;
    }
}

/// Two optional blocks: merged when both are there.
pub(super) fn block<T>(base: &mut Option<T>, later: Option<T>, merge: impl FnOnce(&mut T, T)) {
    match (base.as_mut(), later) {
        (Some(base), Some(later)) => merge(base, later),
        (None, Some(later)) => *base = Some(later),
        (_, None) => {}
    }
}

/// Key by key. With `empty_loses`, docker keeps the earlier value under an empty later one.
pub(super) fn texts(base: &mut Texts, later: Texts, what: &str, empty_loses: bool, log: &mut Log) {
    for (key, at) in later {
        let before = base.get(&key).is_some_and(|before| !before.value.is_empty());
        if empty_loses && at.value.is_empty() && before {
            let message =
                format!("docker keeps the earlier file's `{key}` of `{what}`: empty does not override");
            log.rule(Rule::MergeZero, at.place, message, format!("remove `{key}` from the earlier file"));
            continue;
        }
        base.insert(key, at);
    }
}

/// Lists whose items have a key: the later item wins, the result is sorted by key. Two items of one list under
/// one key would become one. Docker does this also when the later file has no such list.
pub(super) fn keyed<T: Clone + PartialEq, K: Ord + Clone>(
    base: &mut Vec<At<T>>,
    later: Vec<At<T>>,
    key: impl Fn(&T) -> K,
    lost: &str,
    log: &mut Log,
) {
    if base.is_empty() {
        *base = later;
        return;
    }
    let mut merged: BTreeMap<K, At<T>> = BTreeMap::new();
    for list in [std::mem::take(base), later] {
        let mut own: BTreeMap<K, At<T>> = BTreeMap::new();
        for at in list {
            let place = at.place;
            if own.insert(key(&at.value), at).is_some() {
                let message = format!("docker merges {lost} into one when a service stands in several files");
                log.rule(
                    Rule::MergeCollapse,
                    place,
                    message,
                    "write the service's list in a file that is not merged, or change it",
                );
            }
        }
        merged.extend(own);
    }
    *base = merged.into_values().collect();
}
