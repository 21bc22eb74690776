//! `holdfast secrets check [FOLDER...]`: whether the checkout keeps its secrets, without any key.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::input;
use crate::cli::settings::Settings;
use crate::report::{Exit, count};
use crate::run::check_secrets;
use crate::secrets::Finding;

/// Arguments of `secrets check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders whose files are looked at, or single files; this folder without one.
    folder: Vec<PathBuf>,
    /// Manifest whose host must be able to open its secrets; may be given again.
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
}

/// Runs `secrets check`.
pub(super) fn run(args: &Args, settings: &Settings) -> Exit {
    let here = [PathBuf::from(".")];
    let folders = if args.folder.is_empty() { &here[..] } else { &args.folder };
    let manifests: Vec<PathBuf> = args.manifest.iter().map(|path| input::manifest_file(path)).collect();
    let looked = check_secrets(folders, &manifests);
    let exit = if looked.findings.is_empty() { Exit::Ok } else { Exit::BadConfig };
    if settings.json {
        let text = json!({ "findings": looked.findings, "files": looked.files, "sops_files": looked.sealed });
        return Settings::print(&format!("{text:#}\n")).or(exit);
    }
    let summary = format!(
        "{}, {} of them sops files, {}",
        count(looked.files, "file"),
        looked.sealed,
        count(manifests.len(), "manifest")
    );
    if looked.findings.is_empty() {
        return Settings::print(&format!("ok: {summary}\n"));
    }
    let text: String = looked.findings.iter().map(told).collect();
    Settings::say(&format!("{}: {summary}\n", count(looked.findings.len(), "finding")));
    Settings::print(&text).or(exit)
}

/// One line.
fn told(found: &Finding) -> String {
    let place = if found.path.is_empty() { String::new() } else { format!(" `{}`", found.path) };
    format!("{}:{place} {}; next: {}\n", found.file, found.cause, found.next)
}
