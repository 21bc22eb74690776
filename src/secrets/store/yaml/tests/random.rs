//! Documents made by chance: comments and blank lines everywhere, at every indentation.

use std::fmt::Write as _;

/// Numbers from a seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % most as u64).expect("a small number")
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const SCALARS: [&str; 32] = [
    "1",
    "x",
    "\"q\"",
    "'s'",
    "a b",
    "true",
    "~",
    "1.5",
    "\"n\\nm\"",
    "2024-01-02",
    "\"tr \"",
    "\"#h\"",
    "\"a: b\"",
    "yes",
    "\"yes\"",
    "-1",
    "0x1f",
    "\"é😀\"",
    "'it''s'",
    "\"\\t\"",
    "x#y",
    "\"- a\"",
    "\"\"",
    "\"12\"",
    "!!str 5",
    "\"<<\"",
    "\"a\\n\\tb\\n\\n\"",
    "\"\\r\\n\"",
    "!!binary aGk=",
    "\"n\\nm \\nx\"",
    "1e3",
    "\"1:30\"",
];

/// A document on its way.
pub(super) struct Document<'c> {
    chance: &'c mut Chance,
    lines: Vec<String>,
    /// How many in a hundred places have a comment.
    remarks: usize,
    count: usize,
}

/// The text of one document.
pub(super) fn document(chance: &mut Chance) -> String {
    let remarks = chance.pick(&[0, 15, 30, 50]);
    let mut document = Document { chance, lines: Vec::new(), remarks, count: 0 };
    let step = document.chance.pick(&[1, 2, 2, 4]);
    for key in 0..=document.chance.below(4) {
        document.gap(0);
        let depth = document.chance.below(4);
        document.value(0, depth, &format!("r{key}:"), step);
    }
    document.gap(0);
    let end = document.chance.pick(&["\n", "\n", "\n", "\n\n"]);
    document.lines.join("\n") + end
}

impl Document<'_> {
    fn remark(&mut self) -> String {
        self.count += 1;
        let mark = self.chance.pick(&["#", "# ", "#  ", "##"]);
        format!("{mark}c{}", self.count)
    }

    /// Blank lines and comments before something at `indent`, some of them elsewhere.
    fn gap(&mut self, indent: usize) {
        while self.chance.percent(self.remarks) {
            let indent =
                if self.chance.percent(25) { self.chance.pick(&[0, 1, 2, 3, 4, 6, 8]) } else { indent };
            let remark = self.remark();
            let blank = self.chance.percent(35);
            self.lines.push(if blank { String::new() } else { format!("{:indent$}{remark}", "") });
        }
    }

    /// A comment at the end of a line.
    fn tail(&mut self) -> String {
        if self.chance.percent(self.remarks) { format!(" {}", self.remark()) } else { String::new() }
    }

    fn push(&mut self, indent: usize, text: &str) {
        let tail = self.tail();
        self.lines.push(format!("{:indent$}{text}{tail}", ""));
    }

    fn block(&mut self, indent: usize, depth: usize) {
        let step = self.chance.pick(&[1, 2, 2, 4]);
        let map = self.chance.percent(60);
        for key in 0..=self.chance.below(3) {
            self.gap(indent);
            if map {
                self.value(indent, depth, &format!("k{key}:"), step);
            } else {
                self.value(indent, depth, "-", 2);
            }
        }
    }

    /// What stands behind `before`, a key or a dash at `indent`.
    fn value(&mut self, indent: usize, depth: usize, before: &str, step: usize) {
        let in_map = before != "-";
        if depth == 0 || self.chance.percent(55) {
            return self.leaf(indent, before, step);
        }
        if in_map || self.chance.percent(40) {
            self.push(indent, before);
            if in_map && self.chance.percent(25) {
                for _ in 0..=self.chance.below(2) {
                    self.gap(indent);
                    self.value(indent, depth - 1, "-", 2);
                }
            } else {
                self.block(indent + step, depth - 1);
            }
            return;
        }
        // The first entry stands behind the dash.
        let from = self.lines.len();
        self.block(indent + 2, depth - 1);
        let empty = |line: &String| line.trim().is_empty() || line.trim().starts_with('#');
        while self.lines.get(from).is_some_and(empty) {
            self.lines.remove(from);
        }
        let first = self.lines[from].trim_start().to_owned();
        self.lines[from] = format!("{:indent$}{before} {first}", "");
    }

    fn leaf(&mut self, indent: usize, before: &str, step: usize) {
        match self.chance.below(100) {
            0..12 => {
                let head = self.chance.pick(&["|", "|-", "|+", ">", ">-"]);
                self.push(indent, &format!("{before} {head}"));
                for _ in 0..=self.chance.below(3) {
                    let text = self.chance.pick(&["text", "# not", "x: y", "- z"]);
                    self.lines.push(format!("{:1$}{text}", "", indent + step));
                }
                if self.chance.percent(30) {
                    self.lines.push(String::new());
                }
            }
            12..25 => {
                let flows = ["{}", "[]", "{a: 1, b: x}", "[1, \"z\"]", "[{a: b}]", "{a: [1,2]}"];
                let flow = self.chance.pick(&flows);
                self.push(indent, &format!("{before} {flow}"));
            }
            25..38 => {
                let (open, first, second, close) =
                    self.chance.pick(&[("[", "1", "2", "]"), ("{", "a: 1", "b: 2", "}")]);
                self.push(indent, &format!("{before} {open}{first},"));
                self.gap(indent + 2);
                let comma = self.chance.pick(&["", ","]);
                self.push(indent + 2, &format!("{second}{comma}"));
                self.gap(indent + 2);
                self.push(indent + 1, close);
            }
            38..42 => self.push(indent, before),
            42..45 => {
                self.lines.push(format!("{:indent$}{before} plain", ""));
                self.push(indent + step + 1, "more");
            }
            _ => {
                let scalar = self.chance.pick(&SCALARS);
                self.push(indent, &format!("{before} {scalar}"));
            }
        }
    }
}

/// Several documents in one text, half of them with comments behind their `---`.
pub(super) fn documents(chance: &mut Chance, count: usize) -> String {
    let mut text = document(chance);
    for index in 1..count {
        let remark = if chance.percent(20) { " # between" } else { "" };
        let document = document(chance);
        write!(text, "---{remark}\n{document}").expect("a text grows");
        if index % 7 == 0 {
            text = text.replace('\n', "\r\n").replace("\r\r", "\r");
        }
    }
    text
}
