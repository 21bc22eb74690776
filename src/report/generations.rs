//! The print of `holdfast rollback --list`.

use std::fmt::Write as _;

use super::{GenerationRow, Record};

/// One line a generation, oldest first.
#[must_use]
pub fn generations_text(record: &Record, _color: bool) -> String {
    let mut text = String::new();
    for row in &record.generations {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line(row));
    }
    if !record.generations.iter().any(|row| row.target) {
        text.push_str("there is no proven generation to go back to; `holdfast rollback N` goes to any\n");
    }
    text
}

fn line(row: &GenerationRow) -> String {
    let GenerationRow { number, created, status, manifest, .. } = row;
    let short = manifest.get(..12).unwrap_or("-");
    let mut line = format!("{number:>5}  {created:<20}  {status:<8}  {short:<12}");
    if let Some(of) = row.rollback_of {
        let _ = write!(line, "  rollback of {of}");
    }
    if row.target {
        line.push_str("  <- `holdfast rollback` goes here");
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_a_rollback_would_do() {
        let row = |number, status: &str, rollback_of, target| GenerationRow {
            number,
            created: "2026-01-02T03:04:05Z".to_owned(),
            status: status.to_owned(),
            manifest: "0123456789abcdef".to_owned(),
            rollback_of,
            target,
        };
        let mut record = Record { generations: vec![row(4, "proven", None, true)], ..Record::default() };
        record.generations.push(row(7, "failed", Some(2), false));
        let expected = "    4  2026-01-02T03:04:05Z  proven    0123456789ab  <- `holdfast rollback` goes here
    7  2026-01-02T03:04:05Z  failed    0123456789ab  rollback of 2
";
        assert_eq!(generations_text(&record, false), expected);
        record.generations.remove(0);
        assert!(generations_text(&record, false).contains("holdfast rollback N"));
    }
}
