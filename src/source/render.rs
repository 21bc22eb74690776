//! Problems as people and programs read them.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::node::Span;
use super::problem::{Problem, Severity};

/// How much of a line is shown on either side of the place, in bytes: a manifest on one line stays readable.
const CONTEXT: usize = 100;

impl Problem {
    /// The problem with its place, the text underlined, and the fix. Ends with a newline.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let (line, column) = self.source.line_column(self.span.start);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let (text, span, cut) = self.excerpt();
        // The renderer replaces the control characters of ASCII; these others steer some terminals. As long in bytes.
        let text = text.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{b7}");
        let mark = AnnotationKind::Primary.span(span.start..span.end);
        let snippet = Snippet::source(&text).line_start(line).fold(false).annotation(mark);
        let title = level.primary_title(&self.message);
        let title = if let Some(rule) = self.rule { title.id(rule) } else { title };
        let origin = Origin::path(&*self.source.name).line(line).char_column(column);
        let mut group = if text.trim().is_empty() {
            title.element(origin)
        } else if cut {
            title.element(origin).element(snippet)
        } else {
            title.element(snippet.path(&*self.source.name))
        };
        if let Some(fix) = &self.fix {
            group = group.element(Level::HELP.message(fix));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
        text.push('\n');
        text
    }

    /// The first line of the place (what is near it, where the line is long), the place inside that excerpt, and
    /// whether the excerpt lacks the start of the line.
    fn excerpt(&self) -> (&str, Span, bool) {
        let text = &*self.source.text;
        let start = floor(text, self.span.start);
        let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line_end =
            text.get(start..).and_then(|after| after.find('\n')).map_or(text.len(), |at| start + at);
        let end = floor(text, self.span.end.clamp(start, line_end.min(start + CONTEXT).max(start)));
        let from = floor(text, line_start.max(start.saturating_sub(CONTEXT)));
        let to = floor(text, line_end.min(end + CONTEXT));
        let excerpt = text.get(from..to).unwrap_or_default();
        (excerpt, Span { start: start - from, end: end - from }, from > line_start)
    }
}

/// The nearest character boundary at or before a byte offset.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::{Source, ToldProblem};
    use super::*;

    fn problem(text: &str, part: &str) -> Problem {
        let start = text.find(part).unwrap();
        Source::new("m.json", text).problem(Span { start, end: start + part.len() }, "unknown field `x`")
    }

    #[test]
    fn a_rendered_problem_names_the_place_underlines_the_text_and_says_the_fix() {
        let problem = problem("{\n  \"ä\": 1, \"x\": 2\n}\n", "\"x\"").fix("write `y`");
        let expected = "\
error: unknown field `x`
 --> m.json:2:11
  |
2 |   \"ä\": 1, \"x\": 2
  |           ^^^
  |
  = help: write `y`
";
        assert_eq!(problem.render(false), expected);
        let told = ToldProblem::from(problem);
        assert_eq!((told.line, told.end_column), (2, 14));
    }

    #[test]
    fn a_file_on_one_line_is_cut_to_what_is_near_and_keeps_its_column() {
        let text = format!("{{\"a\": \"{}\", \"x\": \"{}\"}}", "é".repeat(50_000), "é".repeat(50_000));
        let rendered = problem(&text, "\"x\"").render(false);
        assert!(rendered.contains("m.json:1:50011"), "{rendered}");
        assert!(rendered.len() < 1_000, "{rendered}");
    }

    #[test]
    fn a_span_over_many_lines_underlines_the_first() {
        let rendered = problem("{\n \"x\": {\n 1\n}}", "{\n 1\n}").render(false);
        assert!(rendered.contains('^') && !rendered.contains("3 |"), "{rendered}");
    }

    #[test]
    fn any_span_of_any_text_renders() {
        let text = "a\r\n\té\u{7}\u{1b}[31m\n";
        for start in 0..=text.len() + 1 {
            for end in start..=text.len() + 2 {
                let problem = Source::new("m", text).problem(Span { start, end }, "wrong");
                assert!(problem.render(true).contains("wrong"));
                assert!(!problem.render(false).contains('\u{1b}'));
            }
        }
    }
}
