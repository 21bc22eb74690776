//! What must come back of a request, and what is wrong with what does.

use std::collections::BTreeMap;

use regex::Regex;

use super::http::{Answer, BodyEnd};
use super::words::{excerpt, pattern};
use crate::manifest::{HttpsGate, Redirect};
use crate::report::Verdict;

/// What must come back.
#[derive(Debug, Default)]
pub(super) struct Expect {
    status: Vec<Status>,
    status_not: Vec<Status>,
    headers: BTreeMap<String, Regex>,
    headers_not: Vec<String>,
    body: Option<Regex>,
    body_not: Option<Regex>,
    redirect: Option<Redirect>,
}

/// A status or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Exact(u16),
    Class(u16),
}

impl Status {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a status; write `200` or `2xx`");
        let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let number: u16 = class.unwrap_or(text).parse().map_err(|_| wrong())?;
        match class {
            Some(_) if (1..=5).contains(&number) => Ok(Self::Class(number)),
            None if (100..=599).contains(&number) => Ok(Self::Exact(number)),
            _ => Err(wrong()),
        }
    }

    const fn holds(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => status == exact,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl Expect {
    pub(super) fn of(gate: &HttpsGate) -> Result<Self, String> {
        let statuses =
            |list: &[String]| list.iter().map(|text| Status::parse(text)).collect::<Result<Vec<_>, _>>();
        let headers = gate.headers.iter();
        let expect = Self {
            status: statuses(&gate.status)?,
            status_not: statuses(&gate.status_not)?,
            headers: headers
                .map(|(name, text)| Ok((name.to_lowercase(), pattern(text)?)))
                .collect::<Result<_, String>>()?,
            headers_not: gate.headers_not.iter().map(|name| name.to_lowercase()).collect(),
            body: gate.body.as_deref().map(pattern).transpose()?,
            body_not: gate.body_not.as_deref().map(pattern).transpose()?,
            redirect: gate.redirect.clone(),
        };
        if expect.is_empty() { Err("it expects nothing".to_owned()) } else { Ok(expect) }
    }

    fn is_empty(&self) -> bool {
        self.status.is_empty()
            && self.status_not.is_empty()
            && self.headers.is_empty()
            && self.headers_not.is_empty()
            && !self.wants_body()
            && self.redirect.is_none()
    }

    pub(super) const fn wants_body(&self) -> bool {
        self.body.is_some() || self.body_not.is_some()
    }
}

/// What is wrong with an answer, and whether it could be found out at all.
pub(super) fn judge_https(expect: &Expect, answer: &Answer) -> (Verdict, Vec<String>) {
    let mut problems = status_problems(expect, answer.status);
    problems.extend(header_problems(expect, answer));
    problems.extend(redirect_problem(expect.redirect.as_ref(), answer));
    if expect.wants_body() {
        problems.extend(body_problems(expect, answer));
    }
    if !problems.is_empty() {
        return (Verdict::Fail, problems);
    }
    if expect.body_not.is_some() && answer.end == BodyEnd::Cut {
        let problem = format!("the body is longer than the {} bytes that are read", answer.body.len());
        return (Verdict::Unknown, vec![problem]);
    }
    (Verdict::Pass, problems)
}

fn status_problems(expect: &Expect, status: u16) -> Vec<String> {
    let mut problems = Vec::new();
    if !expect.status.is_empty() && !expect.status.iter().any(|have| have.holds(status)) {
        problems.push(format!("status {status}, expected {}", list(&expect.status)));
    }
    if expect.status_not.iter().any(|have| have.holds(status)) {
        problems.push(format!("status {status}, expected anything but {}", list(&expect.status_not)));
    }
    problems
}

fn list(statuses: &[Status]) -> String {
    let words = statuses.iter().map(|status| match status {
        Status::Exact(number) => number.to_string(),
        Status::Class(number) => format!("{number}xx"),
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn header_problems(expect: &Expect, answer: &Answer) -> Vec<String> {
    let values = |name: &str| -> Vec<&str> {
        let of_name = answer.headers.iter().filter(|(have, _)| have == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    };
    let mut problems = Vec::new();
    for (name, pattern) in &expect.headers {
        let values = values(name);
        if values.is_empty() {
            problems.push(format!("header `{name}` is missing, expected it to match `{pattern}`"));
        } else if !values.iter().any(|value| pattern.is_match(value)) {
            let values = if is_secret_header(name) {
                "its value".to_owned()
            } else {
                format!("`{}`", values.join("`, `"))
            };
            problems.push(format!("header `{name}`: {values} does not match `{pattern}`"));
        }
    }
    for name in &expect.headers_not {
        if !values(name).is_empty() {
            problems.push(format!("header `{name}` is there and must not be"));
        }
    }
    problems
}

fn redirect_problem(expected: Option<&Redirect>, answer: &Answer) -> Option<String> {
    let expected = expected?;
    let status = answer.status;
    if status / 100 != 3 {
        return Some(format!("status {status}, expected a redirect to `{}`", expected.to));
    }
    if expected.status.is_some_and(|want| want != status) {
        return Some(format!(
            "redirect with status {status}, expected {}",
            expected.status.unwrap_or_default()
        ));
    }
    let location = location(answer).unwrap_or_default();
    (location != expected.to).then(|| format!("redirect to `{location}`, expected `{}`", expected.to))
}

pub(super) fn location(answer: &Answer) -> Option<&str> {
    answer.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str())
}

fn body_problems(expect: &Expect, answer: &Answer) -> Vec<String> {
    let encoding =
        answer.headers.iter().find(|(name, value)| name == "content-encoding" && value != "identity");
    if let Some((_, encoding)) = encoding {
        return vec![format!("the body comes `{encoding}`-encoded although that was not asked for")];
    }
    match &answer.end {
        BodyEnd::Late => {
            return vec![format!("the body did not end in time ({} bytes came)", answer.body.len())];
        }
        BodyEnd::Broken(why) => {
            return vec![format!("the body broke off after {} bytes: {why}", answer.body.len())];
        }
        BodyEnd::Unread | BodyEnd::Whole | BodyEnd::Cut => {}
    }
    let text = String::from_utf8_lossy(&answer.body);
    let mut problems = Vec::new();
    if let Some(pattern) = expect.body.as_ref().filter(|pattern| !pattern.is_match(&text)) {
        problems.push(format!("the body does not match `{pattern}`; it begins with {}", excerpt(&text)));
    }
    if let Some(pattern) = expect.body_not.as_ref().filter(|pattern| pattern.is_match(&text)) {
        problems
            .push(format!("the body matches `{pattern}` and must not; it begins with {}", excerpt(&text)));
    }
    problems
}

/// True for a header whose value is for nobody else to read.
pub(super) fn is_secret_header(name: &str) -> bool {
    matches!(name, "set-cookie" | "authorization" | "proxy-authorization" | "authentication-info")
}
