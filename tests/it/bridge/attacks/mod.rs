//! Attacks, each on the bridge and on a naive twin: the twin makes the one mistake that the attack is about, and falls.

mod bodies;
mod crowd;
mod disk;
mod judged;
mod long;
mod real;
mod signed;
mod since;
mod slow;
mod trust;
mod twin;
mod wire;

use crate::bridge::service::{SECRET, hex};
use crate::support::attacks::page_names_every_test;

const SIGNATURE: &str = "x-gitea-signature";

/// A request as a handler sees it: header lines, and the body.
struct Seen<'a> {
    headers: &'a [String],
    body: &'a [u8],
}

impl Seen<'_> {
    fn all(&self, name: &str) -> Vec<&str> {
        let value = |line: &'_ String| line.strip_prefix(name)?.strip_prefix(": ").map(str::len);
        let lines = self.headers.iter();
        lines.filter_map(|line| value(line).map(|length| &line[line.len() - length..])).collect()
    }

    fn first(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    fn signature(&self) -> &str {
        self.first(SIGNATURE)
    }

    fn right(&self) -> String {
        hex(SECRET, self.body)
    }
}

/// The page names tests that exist and all that there are here; and each attack of the tables.
#[test]
fn the_page_of_attacks_names_every_test_and_every_row() {
    let page = page_names_every_test("docs/reference/bridge-attacks.md", "bridge::attacks", 23);
    let rows = [signed::names(), judged::names(), wire::names(), bodies::names(), since::names()];
    for name in rows.into_iter().flatten() {
        assert!(page.contains(name), "`{name}` is not on the page");
    }
}
