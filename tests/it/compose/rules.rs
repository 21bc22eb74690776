//! The table of rules: its page, and a fixture on either side of each rule.

use std::fmt::Write as _;

use holdfast::compose::{Class, Rule};

use crate::support::golden as page;

const CLASSES: [(Class, &str); 6] = [
    (Class::Refused, "An error in both modes."),
    (
        Class::Lossy,
        "An error in strict. In compat a warning, and what docker does is done; where the last column says so, an error too.",
    ),
    (
        Class::Engine,
        "An error in strict. In compat a warning, and the engine has the last word; where the last column says so, an error too.",
    ),
    (Class::House, "An error in both modes."),
    (
        Class::Modern,
        "Strict reads it and translates it to what a swarm knows. An error in compat, or a warning where docker reads it in another way.",
    ),
    (Class::Said, "A warning in both modes."),
];

#[test]
fn the_page_of_rules_is_the_table_docs() {
    let mut text = "# Rules for compose files\n\nWritten by `make docs` from the table of the loader. A problem names its \
                    rule by the id in the first column. A stack of the manifest says with `mode` how its files are \
                    read: `strict` (default) refuses what docker drops, changes or reads in a way nobody means; \
                    `compat` does what docker does and says so.\n"
        .to_owned();
    for (class, meaning) in CLASSES {
        write!(text, "\n## {}\n\n{meaning}\n\n| rule | broken by | docker | decided by | compat |\n|---|---|---|---|---|\n", class.title())
            .unwrap();
        for rule in Rule::ALL.iter().filter(|rule| rule.class() == class) {
            let compat = if rule.followed() { "warns" } else { "refuses" };
            let (id, says, docker) = (rule.id(), rule.says(), rule.docker());
            writeln!(text, "| `{id}` | {says} | {docker} | {} | {compat} |", rule.source()).unwrap();
        }
    }
    page::same_as("docs/reference/compose-rules.md", &text);
}
