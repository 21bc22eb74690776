//! Where lines start and end, and what new ones look like.

use super::{Shape, Splice};
use crate::secrets::store::out::written;
use crate::secrets::store::yaml::emit::Emitter;
use crate::secrets::store::yaml::lay::Laid;
use crate::secrets::store::yaml::parts::Id;
use crate::secrets::store::yaml::tokens::Words;
use crate::secrets::store::{Indent, json};
use crate::secrets::tree::Node;

impl Splice<'_> {
    pub(super) fn insert(&mut self, at: usize, text: Words) -> Option<()> {
        self.letters.get(..at)?;
        self.edits.push((at..at, text));
        Some(())
    }

    /// Whole lines; `at` is where a line starts, or the end of a text without a last line end.
    pub(super) fn insert_lines(&mut self, at: usize, column: usize, text: &str) -> Option<()> {
        let open = at > 0 && !matches!(self.letters.get(at - 1), Some('\n'));
        let lines = format!("{}{:column$}{text}\n", if open { "\n" } else { "" }, "");
        self.insert(at, Words::new(lines))
    }

    pub(super) fn column(&self, at: usize) -> usize {
        let before = self.letters.get(..at).unwrap_or_default();
        before.iter().rev().take_while(|letter| **letter != '\n').count()
    }

    pub(super) fn column_of_key(&self, map: Id) -> Option<usize> {
        let Shape::Map(pairs) = &self.part(map)?.shape else { return None };
        Some(self.column(self.part(pairs.first()?.0)?.place.start))
    }

    /// Behind the line end of the line.
    pub(super) fn after_line(&self, at: usize) -> usize {
        let rest = self.letters.get(at..).unwrap_or_default();
        at + rest.iter().position(|letter| *letter == '\n').map_or(rest.len(), |end| end + 1)
    }

    /// The line end and the blanks before what starts its line; nothing where other text does.
    pub(super) fn blank_before(&self, at: usize) -> String {
        let before = self.letters.get(..at).unwrap_or_default();
        let blanks = before.iter().rev().take_while(|letter| matches!(letter, ' ' | '\t')).count();
        let start = before.len() - blanks;
        if start == 0 || before.get(start - 1) != Some(&'\n') {
            return String::new();
        }
        before.get(start - 1..).unwrap_or_default().iter().collect()
    }

    /// A value as JSON; in a JSON file laid out below the line of `from`, else in one line.
    pub(super) fn json(&self, node: &Node, from: usize) -> Option<Words> {
        let bytes = json::write_value(node, Indent::Default).ok()?;
        let text = std::str::from_utf8(bytes.expose()).ok()?;
        let blank = self.blank_before(from);
        let (line_end, step) = if self.is_json && !blank.is_empty() {
            (blank.as_str(), self.json_step())
        } else {
            ("", String::new())
        };
        let mut out = Words::default();
        for (index, line) in text.split('\n').enumerate() {
            let words = line.trim_start_matches('\t');
            if index > 0 {
                out.push_str(line_end);
                out.push_str(&step.repeat(line.len() - words.len()));
            }
            out.push_str(words);
        }
        Some(out)
    }

    /// A value in the style of blocks, without `prefix` and the last line end.
    pub(super) fn block(&self, laid: &Laid<'_>, column: usize, prefix: &str) -> Option<Words> {
        let step = self.step();
        let bytes = written(|out| {
            Emitter::new(out, step, true).document(laid, true);
            Ok::<(), ()>(())
        });
        let bytes = bytes.ok()?;
        let text = std::str::from_utf8(bytes.expose()).ok()?.strip_prefix(prefix)?;
        let mut lines = Words::default();
        for (index, line) in text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate() {
            if index > 0 {
                lines.push('\n');
                lines.push_str(&" ".repeat(if line.is_empty() { 0 } else { column }));
            }
            lines.push_str(line);
        }
        Some(lines)
    }

    /// What stands before the first key of a JSON file.
    fn json_step(&self) -> String {
        let blanks = self.letters.iter().skip_while(|letter| **letter != '\n');
        let blanks: String = blanks
            .skip_while(|letter| matches!(letter, '\n' | '\r'))
            .take_while(|letter| matches!(letter, ' ' | '\t'))
            .collect();
        if blanks.is_empty() { "\t".to_owned() } else { blanks }
    }

    /// How far the first nested block of the file is indented.
    fn step(&self) -> u8 {
        let nested = self.all.iter().filter(|part| !part.place.flow && part.place.end > 0);
        let columns = nested.filter_map(|part| match &part.shape {
            Shape::Map(pairs) => Some(self.column(self.part(pairs.first()?.0)?.place.start)),
            _ => None,
        });
        columns
            .filter(|column| *column > 0)
            .min()
            .and_then(|column| u8::try_from(column).ok())
            .unwrap_or(4)
            .clamp(2, 9)
    }

    pub(super) fn applied(mut self) -> Option<Words> {
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut out = Words::default();
        let mut at = 0;
        for (range, text) in &self.edits {
            out.extend(self.letters.get(at..range.start)?);
            out.push_str(text);
            at = range.end;
        }
        out.extend(self.letters.get(at..)?);
        Some(out)
    }
}
