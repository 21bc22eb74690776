//! The exposure report: which values somebody could read who is a reader no more.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::secrets::{Exposure, Fate};

/// What is printed for people; nothing where nobody was removed.
pub(super) fn text(file: &str, (exposures, gaps): &(Vec<Exposure>, Vec<String>)) -> String {
    let mut out = String::new();
    for exposure in exposures {
        let Exposure { reader, versions, values, .. } = exposure;
        let in_use = values.iter().filter(|(_, fate)| *fate == Fate::InUse).count();
        let company = if exposure.alone { "" } else { ", together with readers of other groups" };
        let versions = if *versions == 1 { "1 version".to_owned() } else { format!("{versions} versions") };
        let counted =
            if values.len() == 1 { "1 value".to_owned() } else { format!("{} values", values.len()) };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "`{reader}` could read {counted} in {versions} of `{file}`{company}; {in_use} in use:"
        );
        let width = values.iter().map(|(path, _)| path.chars().count()).max().unwrap_or_default().min(60);
        for (path, fate) in values {
            let _ = writeln!(out, "    {path:<width$}  {}", words(*fate));
        }
    }
    for gap in gaps {
        let _ = writeln!(out, "note: {gap}, so there may be more");
    }
    out
}

const fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::InUse => "in use: replace it",
        Fate::Replaced => "replaced since",
        Fate::Gone => "removed since",
        Fate::Unknown => "not comparable: nobody here opens those versions",
    }
}

/// The same as JSON.
pub(super) fn json((exposures, gaps): &(Vec<Exposure>, Vec<String>)) -> Value {
    let name = |fate: Fate| match fate {
        Fate::InUse => "in-use",
        Fate::Replaced => "replaced",
        Fate::Gone => "removed",
        Fate::Unknown => "unknown",
    };
    let readers: Vec<Value> = exposures
        .iter()
        .map(|exposure| {
            let values: Vec<Value> =
                exposure.values.iter().map(|(path, fate)| json!({ "path": path, "now": name(*fate) })).collect();
            json!({ "reader": exposure.reader, "versions": exposure.versions, "alone": exposure.alone, "values": values })
        })
        .collect();
    json!({ "readers": readers, "gaps": gaps })
}
