//! A look at the host as a whole.

use std::path::{Path, PathBuf};

use super::begin::Run;
use super::order::Order;
use super::stop::Stop;
use crate::host;
use crate::manifest::Paths;
use crate::report::Diagnosis;

/// Folders that are looked at where they are there, whatever the manifest says.
const FOLDERS: [&str; 3] = ["/var/lib/docker", "/nix/store", "/"];

/// Looks at the host as a whole; the order's manifest only says which folders matter, and may be left empty.
///
/// # Errors
/// The manifest is wrong.
pub async fn doctor(order: &Order) -> Result<Diagnosis, Stop> {
    let paths = if order.manifest.as_os_str().is_empty() {
        let own = Paths::default();
        Paths {
            run: order.run_dir.clone().unwrap_or(own.run),
            state: order.state_dir.clone().unwrap_or(own.state),
        }
    } else {
        Run::begin("doctor", order).manifest()?.paths
    };
    let more = FOLDERS.into_iter().map(Path::new).filter(|path| path.is_dir()).map(Path::to_owned);
    let folders: Vec<PathBuf> = [paths.run, paths.state].into_iter().chain(more).collect();
    Ok(Diagnosis::of(host::examine(&folders).await))
}
