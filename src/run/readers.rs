//! The proof before a deployment: what the host shall open is wrapped for it.

use super::pointer::pointer;
use crate::manifest::Loaded;
use crate::secrets::readers;
use crate::source::Problem;

/// A problem for each secret that the host's declared keys do not open. Without declared keys nothing is compared.
pub(super) fn closed_to_the_host(loaded: &Loaded) -> Vec<Problem> {
    let manifest = &loaded.manifest;
    let keys = &manifest.identities.public_keys;
    if keys.is_empty() {
        return Vec::new();
    }
    let judge = |(name, secret): (&String, &crate::manifest::Secret)| {
        let file = secret.file.display();
        let problem = |text: String| loaded.problem(&pointer(&["secrets", name, "file"]), text);
        match readers(secret) {
            Err(error) => Some(problem(format!("`{file}` {error}"))),
            Ok(readers) if readers.include(keys) => None,
            Ok(readers) => {
                let text = format!(
                    "the host `{}` cannot open `{file}`: none of `identities.public_keys` is among its recipients, {}",
                    manifest.host.name,
                    readers.told()
                );
                let key = keys.first().map_or("", String::as_str);
                let fix = format!(
                    "add `{key}` to the file's rule in `.sops.yaml` and run `sops updatekeys {file}`"
                );
                Some(problem(text).fix(fix))
            }
        }
    };
    manifest.secrets.iter().filter_map(judge).collect()
}
