//! The record as JUnit XML: a case per gate, named by its address, and one for the run itself.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Exit, GateResult, Record, Verdict};

/// The record as JUnit XML. A gate that failed is a failure, one that could not be judged an error. The suite `run`
/// holds one case for the command, so that a run which failed without a gate is not green.
///
/// # Errors
/// When the XML cannot be written.
pub fn junit(record: &Record) -> Result<String, SerializeError> {
    let mut report = Report::new(format!("holdfast {}", record.command));
    report.set_time(Duration::from_millis(record.elapsed_ms));
    let mut gates = TestSuite::new("gates");
    gates.add_test_cases(record.gates.iter().map(gate_case));
    let mut run = TestSuite::new("run");
    run.add_test_case(run_case(record));
    report.add_test_suites([gates, run]);
    report.to_string()
}

fn gate_case(gate: &GateResult) -> TestCase {
    let status = match gate.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => failed(NonSuccessKind::Failure, "fail", &gate.summary),
        Verdict::Unknown => failed(NonSuccessKind::Error, "unknown", &gate.summary),
    };
    let mut case = TestCase::new(gate.address.to_string(), status);
    case.set_classname(format!("holdfast.{}", gate.kind)).set_time(Duration::from_millis(gate.elapsed_ms));
    case
}

fn run_case(record: &Record) -> TestCase {
    let status = match record.exit {
        Exit::Ok | Exit::Changes => TestCaseStatus::success(),
        exit => {
            let steps = record
                .steps
                .iter()
                .filter(|step| step.failed())
                .filter_map(|step| Some(format!("{}: {}", step.address, step.error.as_ref()?)));
            let secrets =
                record.secrets.iter().map(|failure| format!("{}: {}", failure.address, failure.reason));
            let all: Vec<_> = record.errors.iter().cloned().chain(steps).chain(secrets).collect();
            let why = if all.is_empty() { exit.name().to_owned() } else { all.join("\n") };
            failed(NonSuccessKind::Failure, exit.name(), &why)
        }
    };
    let mut case = TestCase::new(record.command.as_str(), status);
    case.set_classname("holdfast.run").set_time(Duration::from_millis(record.elapsed_ms));
    case
}

fn failed(kind: NonSuccessKind, name: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(message);
    status
}
