//! What `secrets set` and `secrets unset` share.

use std::path::Path;

use jiff::Timestamp;

use crate::cli::keys::Keys;
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::Exit;
use crate::secrets::{Edited, Opener, SecretError, Step, format_of, parse_path, rewrite};

/// Replaces the file by what `change` makes of it.
pub(super) fn run(
    file: &Path,
    path: &str,
    keys: &Keys,
    change: impl FnOnce((&[u8], SecretFormat), &Opener<'_>, &[Step], Timestamp) -> Result<Edited, SecretError>,
) -> Exit {
    let identities = keys.identities();
    let mut anew = false;
    let written = parse_path(path).and_then(|steps| {
        rewrite(file, |bytes| {
            let opener = Opener::Identities(&identities);
            let edited = change((bytes, format_of(file)), &opener, &steps, Timestamp::now())?;
            anew = edited.laid_out_anew;
            Ok(edited.bytes)
        })
    });
    if let Err(error) = written {
        return super::stop(error.exit(), &format!("`{}`: {}", file.display(), error.told()));
    }
    if anew {
        Settings::say(&format!("`{}` was laid out anew, as sops writes it\n", file.display()));
    }
    Exit::Ok
}
