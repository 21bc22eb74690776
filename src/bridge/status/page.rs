//! The page for people: one table, no script, nothing from elsewhere.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::run::Run;

/// Seconds until a browser asks again.
const AGAIN: u32 = 10;
/// Digits of a commit that are shown; the whole of it is in the title.
const DIGITS: usize = 12;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.45 system-ui,'DejaVu Sans',sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 1rem}\
h1{font-size:1.3rem;margin:0 0 .2rem}\
p{margin:.2rem 0 1rem;opacity:.8}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.45rem .6rem;border-bottom:1px solid #8884;vertical-align:top}\
th{font-weight:600}\
code{font:13px ui-monospace,'DejaVu Sans Mono',monospace}\
.state{font-weight:600}\
.when{white-space:nowrap}\
.good{color:#1a7f37}.bad{color:#c9302c}.busy{color:#9a6700}\
.line{font-size:13px}.line b{font-weight:600}\
@media(prefers-color-scheme:dark){.good{color:#4ac26b}.bad{color:#ff7b72}.busy{color:#d4a72c}}";

/// What a browser is told that the page may do: show the one style that is in it.
#[must_use]
pub(super) fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// What stands above the table.
pub(super) struct Head<'h> {
    /// The word that commands begin with.
    pub(super) trigger: &'h str,
    /// What is missing for the work, in words.
    pub(super) missing: &'h [&'static str],
    /// When the page is written.
    pub(super) now: Timestamp,
    /// So many runs are listed at most.
    pub(super) most: u32,
}

/// The whole page.
#[must_use]
pub(super) fn html(head: &Head<'_>, runs: &[Run]) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"{AGAIN}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Comment bridge</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<h1>Comment bridge</h1>\n"
    );
    let busy = runs.iter().filter(|run| !run.is_over()).count();
    let _ = writeln!(
        page,
        "<p>{busy} under way. The last {} commands with <code>{}</code>, as of {} UTC.</p>",
        head.most,
        escaped(head.trigger),
        seconds(head.now)
    );
    if !head.missing.is_empty() {
        let missing = escaped(&head.missing.join(", "));
        let _ = writeln!(page, "<p class=\"bad\">Missing: {missing}. Deliveries are kept, and wait.</p>");
    }
    if runs.is_empty() {
        page += "<p>Nobody has asked for anything yet.</p>\n";
    } else {
        page += "<table>\n<tr><th>When</th><th>Pull request</th><th>Asked</th><th>Commit</th><th>State</th><th>Build</th>\
                 <th>Latency</th></tr>\n";
        for run in runs {
            row(&mut page, run);
        }
        page += "</table>\n";
    }
    page + "</body>\n</html>\n"
}

fn row(page: &mut String, run: &Run) {
    let asked: Vec<String> = std::iter::once(run.asked.to_owned())
        .chain(run.parameters.iter().map(|(name, value)| format!("{name}={value}")))
        .collect();
    let commit = run.commit.as_ref().map_or_else(String::new, |commit| {
        let short: String = commit.chars().take(DIGITS).collect();
        format!("<code title=\"{}\">{}</code>", escaped(commit), escaped(&short))
    });
    let build = match (run.build, &run.build_url) {
        (Some(build), Some(url)) => link(url, &build.to_string()),
        _ => String::new(),
    };
    let (class, state) = state(run);
    let _ = writeln!(
        page,
        "<tr><td class=\"when\">{}</td><td>{}</td><td>{} by {}</td><td>{commit}</td><td class=\"state {class}\">{}</td><td>{build}</td>\
         <td class=\"line\">{}</td></tr>",
        seconds(run.commented),
        link(&run.comment_url, &format!("{}#{}", run.repository, run.pull)),
        escaped(&asked.join(" ")),
        escaped(&run.user),
        escaped(&state.replacen(':', ": ", 1)),
        latency(run)
    );
}

/// Comment → accepted → queued → picked up → done, with the time that each step took.
fn latency(run: &Run) -> String {
    let mut line = "comment".to_owned();
    for (name, took) in run.steps() {
        let _ = write!(line, " → {name} <b>{}</b>", duration(took));
    }
    line
}

/// Its colour and its word.
fn state(run: &Run) -> (&'static str, &str) {
    match run.result.as_deref() {
        Some("success") => ("good", "success"),
        Some(result) if result.starts_with("cancelled:") => ("", result),
        Some(result) => ("bad", result),
        None => ("busy", run.state),
    }
}

fn duration(took: SignedDuration) -> String {
    let millis = took.as_millis();
    match millis {
        ..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
        _ => format!("{} h {} min", millis / 3_600_000, millis / 60_000 % 60),
    }
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A link, if it leads to a web page; otherwise its text.
fn link(url: &str, text: &str) -> String {
    if url.starts_with("https://") || url.starts_with("http://") {
        format!("<a href=\"{}\">{}</a>", escaped(url), escaped(text))
    } else {
        escaped(text)
    }
}

/// Text that means nothing to a browser, between tags and within quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Among them what turns the direction of text around.
            c if c.is_control()
                || ('\u{200b}'..='\u{200f}').contains(&c)
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c) =>
            {
                safe.push('\u{fffd}');
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
