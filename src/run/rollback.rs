//! `rollback`: a generation that was recorded is a manifest like any other, with secrets of its own.

use std::path::{Path, PathBuf};

use super::begin::Run;
use super::compile::Compilation;
use super::stop::Stop;
use crate::manifest::Paths;
use crate::report::{Exit, GenerationRow};
use crate::state::{Generation, Generations, Status};

/// The state folder: the command line's, or the named manifest's, or the default one.
pub(super) fn state(run: &mut Run<'_>) -> Result<PathBuf, Stop> {
    if let Some(state) = &run.order.state_dir {
        return Ok(state.clone());
    }
    if run.order.manifest.as_os_str().is_empty() {
        return Ok(Paths::default().state);
    }
    let manifest = run.order.manifest.clone();
    match run.open_at(&manifest) {
        Ok(opened) => Ok(opened.compiled.manifest.paths.state),
        Err(_) => Err(bad(format!(
            "`{}` cannot be read, and it would say where the generations are; say it with --state-dir \
             (`{}` where the manifest names no folder)",
            manifest.display(),
            Paths::default().state.display()
        ))),
    }
}

/// The generation to bring back.
pub(super) fn choose(state: &Path, to: Option<u64>) -> Result<Generation, Stop> {
    let all = Generations::new(state).list()?;
    let Some(current) = all.last() else {
        return Err(bad(format!("no generation is recorded in `{}`", state.display())));
    };
    let found = match to {
        Some(number) => all.iter().find(|one| one.number == number),
        None => default_of(&all, current),
    };
    let numbers: Vec<String> = all.iter().map(|one| one.number.to_string()).collect();
    found.cloned().ok_or_else(|| {
        let kept = format!("kept are {}; `holdfast rollback --list` says more", numbers.join(", "));
        bad(match to {
            Some(number) => format!("generation {number} is not kept: {kept}"),
            None => format!("no generation before the current one was proven; name one: {kept}"),
        })
    })
}

/// The last proven generation before the current one that differs from it. A rollback that did not end well goes to
/// the same one again; one that did counts as the place that it went back to.
fn default_of<'g>(all: &'g [Generation], current: &Generation) -> Option<&'g Generation> {
    let mut before = current.number;
    if let Some(of) = current.origin().rollback_of {
        before = of;
        let again = all.iter().find(|one| one.number == of);
        if again.is_some() && !matches!(current.status(), Some(Status::Applied | Status::Proven)) {
            return again;
        }
    }
    let proven = |one: &&Generation| {
        one.number < before && one.status() == Some(Status::Proven) && !one.is_same_as(current)
    };
    all.iter().rfind(proven)
}

/// The generation's own manifest; its state folder is the one that it was found in.
pub(super) fn open(run: &mut Run<'_>, from: &Generation, state: PathBuf) -> Result<Compilation, Stop> {
    let mut opened = run.open_at(&from.folder)?;
    opened.compiled.manifest.paths.state = state;
    Ok(opened)
}

/// Now that the lock is held nobody makes generations: it must be the choice still.
pub(super) fn still(opened: &Compilation, from: &Generation, to: Option<u64>) -> Result<(), Stop> {
    let now = choose(&opened.compiled.manifest.paths.state, to)?;
    if now.number == from.number {
        return Ok(());
    }
    let text = "another run made a generation meanwhile; look again with `holdfast rollback --list`";
    Err(Stop::Other(Exit::Locked, text.to_owned()))
}

/// Says what it is that runs now, and for how long.
pub(super) fn say(run: &mut Run<'_>) {
    if let Some((generation, of)) = run.record.generation.zip(run.record.rollback_of) {
        run.record.warnings.push(format!(
            "generation {generation} is a rollback of {of}; the next `holdfast apply`, also that of a boot or a \
             switch, goes forward to its manifest again"
        ));
    }
}

/// One row for each generation, oldest first.
pub(super) fn list(run: &mut Run<'_>, state: &Path) -> Result<(), Stop> {
    let all = Generations::new(state).list()?;
    let target = all.last().and_then(|current| default_of(&all, current)).map(|target| target.number);
    run.record.generations = all
        .iter()
        .map(|one| {
            let origin = one.origin();
            GenerationRow {
                number: one.number,
                created: origin.created,
                status: one.status().map_or("unknown", Status::name).to_owned(),
                manifest: origin.manifest,
                rollback_of: origin.rollback_of,
                target: Some(one.number) == target,
            }
        })
        .collect();
    if all.is_empty() {
        return Err(bad(format!("no generation is recorded in `{}`", state.display())));
    }
    Ok(())
}

fn bad(text: String) -> Stop {
    Stop::Other(Exit::BadConfig, text)
}
