//! The page of the units: what systemd itself says of how much each of them may reach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::{Map, Value};

use super::{cases, libraries, value};

/// What only units that install secrets may be above.
const MOST: f64 = 2.5;

#[test]
fn systemd_scores_every_unit_as_the_page_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reference/units.md")).unwrap();
    let units = rendered();
    assert!(units.len() >= 9, "{:?}", units.keys());
    let said: BTreeSet<String> =
        table(&page, "# Units and what they may reach").into_iter().map(|[unit, ..]| unit).collect();
    assert_eq!(said, units.keys().map(|name| label(name)).collect(), "units of the page");
    let folder = tempfile::tempdir().unwrap();
    let score = Regex::new(r"exposure level for \S+: (\S+)").unwrap();
    for (name, text) in &units {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let text = analyze(&[], &file);
        let score =
            score.captures(&text).unwrap_or_else(|| panic!("no score of {name}: {text}"))[1].to_owned();
        let row = format!("| {} | {score} |", label(name));
        assert!(page.contains(&row), "the page does not say {score} of {name}");
        if score.parse::<f64>().unwrap() > MOST {
            let installs = ["holdfast-apply", "holdfast-secrets"];
            assert!(installs.iter().any(|kind| name.starts_with(kind)), "{name} is above {MOST}: {score}");
            assert_eq!(costs(&file), reasons(&page, name), "what costs {name}, and the reasons on the page");
        }
    }
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let units = rendered();
    for (name, text) in &units {
        std::fs::write(folder.path().join(name.replace("NAME", "app")), text).unwrap();
    }
    let files: Vec<_> = units.keys().map(|name| folder.path().join(name.replace("NAME", "app"))).collect();
    let output = Command::new("systemd-analyze").arg("verify").args(&files).output();
    let output = output.expect("`systemd-analyze` cannot be run; run `make setup`");
    let said = String::from_utf8_lossy(&output.stderr);
    // What units of other packages say, and units that this machine does not have, are not of interest.
    let ours: Vec<&str> =
        said.lines().filter(|line| line.contains("holdfast-") && !line.contains("not found")).collect();
    assert!(ours.is_empty(), "{}", ours.join("\n"));
}

/// The unit that applies where the manifest has forges; it is named as the other one, and reaches more.
const WITH_FORGE: &str = "holdfast-apply-forge.service";

/// A unit as the page names it.
fn label(name: &str) -> String {
    if name == WITH_FORGE {
        return "`holdfast-apply.service` with `forge`".to_owned();
    }
    format!("`{name}`")
}

/// The units that the cases render, by name, with a program that every machine has.
fn rendered() -> BTreeMap<String, String> {
    let (_, lib) = libraries().remove(0);
    let good: Map<String, Value> =
        serde_json::from_str(&value(&format!("({}).good", cases::cases(&lib)))).unwrap();
    let program = Regex::new("(?m)^ExecStart=.*$").unwrap();
    let mut units = BTreeMap::new();
    let rendered = good.iter().filter_map(|(case, one)| Some((case, one.as_object()?)));
    for (case, name, text) in
        rendered.flat_map(|(case, one)| one.iter().map(move |(name, text)| (case, name, text)))
    {
        let Some(text) =
            text.as_str().filter(|_| name.starts_with("holdfast-") && name.ends_with(".service"))
        else {
            continue;
        };
        let name = match (case.as_str(), name.as_str()) {
            (_, name) if name.starts_with("holdfast-stack-") => "holdfast-stack-NAME.service",
            ("units_with_a_forge", "holdfast-apply.service") => WITH_FORGE,
            (_, name) => name,
        };
        units.insert(name.to_owned(), program.replace_all(text, "ExecStart=/bin/true").into_owned());
    }
    units
}

fn analyze(more: &[&str], file: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager"]).args(more).arg(file);
    let output = command.output().expect("`systemd-analyze` cannot be run; run `make setup`");
    String::from_utf8(output.stdout).unwrap()
}

/// What costs a unit points: directive and points.
fn costs(file: &Path) -> BTreeSet<(String, String)> {
    let rows: Vec<Value> = serde_json::from_str(&analyze(&["--json=short"], file)).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rows = rows.iter().map(|row| (text(row, "name"), text(row, "exposure")));
    rows.filter(|(_, points)| !points.is_empty()).collect()
}

/// The same as the page has it; a reason has words.
fn reasons(page: &str, name: &str) -> BTreeSet<(String, String)> {
    let mut rows =
        if name == WITH_FORGE { table(page, "## holdfast-apply.service with a forge") } else { Vec::new() };
    let alone = if name == WITH_FORGE { "holdfast-apply.service" } else { name };
    rows.extend(table(page, &format!("## {alone}")));
    assert!(rows.iter().all(|[_, _, reason]| reason.len() > 10), "a directive of {name} has no reason");
    let plain = |name: &str| name.trim_matches('`').replace("\\|", "|");
    rows.into_iter().map(|[name, points, _]| (plain(&name), points)).collect()
}

/// The cells of the first table below a heading; it has three columns.
fn table(page: &str, heading: &str) -> Vec<[String; 3]> {
    let below = page.lines().skip_while(|line| *line != heading);
    let rows = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let line = line.replace("\\|", "\0");
        let cells = line.trim_matches('|').split('|');
        let cells: Vec<String> = cells.map(|cell| cell.trim().replace('\0', "\\|")).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("a row of another length: {cells:?}"))
    };
    rows.skip(2).map(cells).collect()
}
