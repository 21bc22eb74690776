//! The Nix store: what Nix recorded of a path, and what really lies there.
//!
//! Nix is asked by its own program `nix-store`, as systemd is by `systemctl` (`docs/decisions/0018-nix-store.md`).

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix_nar::Encoder;
use sha2::{Digest, Sha256};

use super::{HostError, systemctl, words};
use crate::observed::StoreSeen;

/// The letters of Nix's base 32.
const LETTERS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
/// How many of them stand before the name of an entry of the store.
const HASH: usize = 32;
/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 16;

/// The path in a Nix store that `path` is, or lies in: a folder `store` with an entry that is named as Nix names them.
/// Links are followed first.
#[must_use]
pub fn store_path_of(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let is_entry = |path: &&Path| {
        let name = path.file_name().map(OsStr::as_encoded_bytes);
        let store = path.parent().and_then(Path::file_name);
        store.is_some_and(|store| store == "store") && name.is_some_and(is_entry_name)
    };
    path.ancestors().filter(is_entry).last().map(Path::to_owned)
}

/// What Nix recorded of a path of its store, and what lies there. Hashing ends at `until`.
///
/// # Errors
/// Nix cannot be asked, or the path cannot be read in time; one line.
pub async fn look_at_store(path: PathBuf, until: Instant) -> Result<StoreSeen, String> {
    let args = ["--query", "--hash", "--"].map(str::to_owned).into_iter();
    let args: Vec<String> = args.chain([path.display().to_string()]).collect();
    let recorded = match systemctl::run("nix-store", &args).await {
        Ok(text) => Some(text.trim().to_owned()),
        // It knows no such path: that is an answer.
        Err(HostError::Failed { said, .. }) if said.contains("is not valid") => None,
        Err(error) => return Err(words(&error)),
    };
    let hashed = tokio::task::spawn_blocking(move || nar_hash(&path, until)).await;
    let actual = hashed.map_err(|_| "hashing broke off".to_owned())??;
    Ok(StoreSeen { recorded, actual })
}

/// True for `HASH-NAME`.
fn is_entry_name(name: &[u8]) -> bool {
    let Some((hash, name)) = name.split_at_checked(HASH) else { return false };
    hash.iter().all(|letter| LETTERS.contains(letter)) && name.len() > 1 && name.starts_with(b"-")
}

/// Bytes in Nix's base 32: five bits a letter, the last ones first.
fn base32(bytes: &[u8]) -> String {
    let bits = bytes.len() * 8;
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (at % 8) & 1);
    let letter = |place: usize| {
        let index = (0..5).fold(0, |index, offset| index | usize::from(bit(place * 5 + offset)) << offset);
        LETTERS.get(index).copied().map_or('?', char::from)
    };
    (0..bits.div_ceil(5)).rev().map(letter).collect()
}

/// The SHA-256 of a path as a Nix archive, `sha256:` and base 32.
fn nar_hash(path: &Path, until: Instant) -> Result<String, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot read `{}`: {error}", path.display());
    let mut archive = Encoder::new(path).map_err(|error| cannot(&error))?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = archive.read(&mut piece).map_err(|error| cannot(&error))?;
        if read == 0 {
            return Ok(format!("sha256:{}", base32(&hasher.finalize())));
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        if Instant::now() > until {
            return Err(format!("`{}` could not be hashed in time", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_32_is_written_as_nix_writes_it() {
        // `nix-hash --to-base32 --type sha256` of the hash of nothing.
        assert_eq!(base32(&Sha256::digest(b"")), "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
    }

    #[test]
    fn a_path_knows_the_entry_of_the_store_that_it_lies_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let entry = root.join("store/0c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-holdfast-manifest");
        std::fs::create_dir_all(entry.join("specs")).unwrap();
        std::fs::write(entry.join("manifest.json"), "{}").unwrap();
        assert_eq!(store_path_of(&entry.join("manifest.json")), Some(entry.clone()));
        assert_eq!(store_path_of(&entry), Some(entry.clone()));
        std::os::unix::fs::symlink(&entry, root.join("link")).unwrap();
        assert_eq!(store_path_of(&root.join("link/manifest.json")), Some(entry));
        assert_eq!(store_path_of(&root), None);
        std::fs::create_dir_all(root.join("store/no-hash-at-all")).unwrap();
        assert_eq!(store_path_of(&root.join("store/no-hash-at-all")), None);
    }
}
