//! Which of several names was meant.

/// Bytes beyond which a name is no slip of the keyboard.
const LONGEST: usize = 200;

/// The fix for a name that is not one of `known`: the nearest one, or the list of them.
pub fn fix<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("write `{near}`"),
        None if known.is_empty() => "nothing of the kind is declared".to_owned(),
        None => format!("one of {} is meant", list(&known)),
    }
}

/// The known name that a slip of the keyboard away from `name` lies, if there is one.
#[must_use]
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LONGEST {
        return None;
    }
    let most = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|known| (distance(&normal(name), &normal(known)), known))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// `a`, `b` and `c`, each in backticks; long lists are cut.
fn list(names: &[&str]) -> String {
    /// More names than these are not read.
    const MOST: usize = 24;
    let mut text: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST {
        text.push("...".to_owned());
    }
    text.join(", ")
}

/// Case and the kind of word joint are not what people mean to differ by.
fn normal(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (i, &c) in from.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &d) in to.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let swapped = j.checked_sub(1).filter(|&k| last == Some(d) && to.get(k) == Some(&c));
            let best = (at(&row, j) + usize::from(c != d)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            next.push(swapped.map_or(best, |k| best.min(at(&before, k) + 1)));
        }
        before = std::mem::replace(&mut row, next);
        last = Some(c);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_name_and_other_words_do_not() {
        let known = ["address", "labels", "compose", "env_files", "ca", "at"];
        for (slip, meant) in [
            ("adress", Some("address")),
            ("lables", Some("labels")),
            ("envFiles", Some("env_files")),
            ("COMPOSE", Some("compose")),
            ("cs", Some("ca")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, known), meant, "{slip}");
        }
        assert_eq!(fix("zebra", ["a", "b"]), "one of `a`, `b` is meant");
        assert_eq!(fix("zebra", []), "nothing of the kind is declared");
    }

    #[test]
    fn a_long_unknown_name_against_many_known_ones_is_quick() {
        let long = "x".repeat(10_000_000);
        assert_eq!(nearest(&long, ["address"]), None);
    }
}
