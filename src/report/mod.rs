//! One record, many prints; and the exit code, decided in one place.

mod doctor;
mod effect;
mod exit;
mod generations;
mod junit;
mod paint;
mod plan;
mod record;
mod status;
mod text;
mod textfile;
mod watch;

pub use doctor::{Diagnosis, Finding, diagnosis_json, diagnosis_schema, diagnosis_text};
pub use exit::Exit;
pub use generations::generations_text;
pub use junit::junit;
pub(crate) use paint::{count, plain};
pub use plan::plan_text;
pub use record::{
    Applied, Attempt, CertificateStatus, Failure, GateResult, GenerationRow, Leaks, Outcome, Record,
    ServiceOutcome, ServiceState, ServiceStatus, Since, StepOutcome, Verdict, gates_exit,
};
pub use status::status_text;
pub use text::text;
pub use textfile::textfile;
pub use watch::{Seen, Sight, Watched, seen_json, seen_text};

/// Version of the record's format.
pub const SCHEMA: u32 = 1;

/// The record as JSON, indented, with a newline at the end.
///
/// # Errors
/// When a value cannot be written as JSON, which no record that a run makes leads to.
pub fn json(record: &Record) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(record).map(|text| text + "\n")
}

/// The JSON Schema of the record, as `docs/reference/report.schema.json` holds it.
#[must_use]
pub fn schema() -> schemars::Schema {
    schema_of::<Record>()
}

fn schema_of<T: schemars::JsonSchema>() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

/// An error and its causes on one line, joined by `: `.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
