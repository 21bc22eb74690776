//! Where log events go: fields to the journal when stderr is connected to it, plain lines to stderr elsewhere.

use std::os::unix::ffi::OsStrExt;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::settings::Settings;

/// Starts logging. Without a journal to write to, and when the journal cannot be opened, events go to stderr.
pub(crate) fn init(settings: &Settings) {
    begin(settings.verbosity, settings.color.stderr);
}

/// The same, for who has no settings but these: how much is said, and whether in colour.
pub(crate) fn begin(verbosity: u8, color: bool) {
    let journal = stderr_is_journal().then(tracing_journald::layer).and_then(Result::ok);
    let filter = filter(verbosity, journal.is_some());
    let registry = tracing_subscriber::registry();
    match journal {
        Some(layer) => {
            registry.with(layer.with_syslog_identifier("holdfast".into()).with_filter(filter)).init();
        }
        None => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .without_time()
                    .with_target(false)
                    .with_ansi(color)
                    .with_writer(std::io::stderr)
                    .with_filter(filter),
            )
            .init(),
    }
}

/// What is logged. The journal keeps the start and end of every step; a person sees those as progress already.
/// Libraries speak from `-vv` on.
fn filter(verbosity: u8, journal: bool) -> Targets {
    let own = match verbosity {
        0 if journal => LevelFilter::INFO,
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let others = if verbosity >= 2 { LevelFilter::DEBUG } else { LevelFilter::WARN };
    Targets::new().with_target("holdfast", own).with_default(others)
}

/// True when the service manager says that stderr is the journal: `JOURNAL_STREAM` holds its device and inode.
pub(crate) fn stderr_is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(stat) = rustix::fs::fstat(std::io::stderr()) else { return false };
    stream.as_bytes() == format!("{}:{}", stat.st_dev, stat.st_ino).as_bytes()
}
