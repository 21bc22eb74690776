//! Credentials for units of systemd, over the socket that `LoadCredential=NAME:SOCKET` names.
//!
//! systemd connects from an abstract address that says which unit starts and which credential it wants. What the manifest
//! gives to that unit is decrypted for this one answer; nothing is kept, and no file is written. There is no way to say no:
//! a refused request gets an empty credential, and a line in the journal says why.

use std::collections::{BTreeMap, BTreeSet};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::begin::Run;
use super::marks;
use super::order::Order;
use super::stop::Stop;
use super::unlock::{last_kept, naming_key};
use crate::manifest::template::secrets_in;
use crate::manifest::{Installed, Manifest};
use crate::report::{Exit, chain};
use crate::secrets::{self, Identities, SecretBytes, files};
use crate::state::{read_credentials, write_credentials};

/// How long systemd may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What systemd asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    unit: String,
    credential: String,
}

/// Reads `RANDOM/unit/UNIT/CREDENTIAL`, the peer's abstract name.
fn request(name: &[u8]) -> Option<Request> {
    let name = std::str::from_utf8(name).ok()?;
    let mut parts = name.split('/');
    let (random, kind) = (parts.next()?, parts.next()?);
    let (unit, credential) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let whole = !random.is_empty() && kind == "unit" && parts.next().is_none();
    (whole && !unit.is_empty() && !credential.is_empty()).then_some(Request { unit, credential })
}

/// Why a request gets nothing.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the peer is not systemd: its user is {0}, or its address names no unit")]
    Stranger(u32),
    #[error("the manifest does not give it to this unit")]
    NotGiven,
    #[error("it has no value: {0}")]
    NoValue(String),
}

/// Answers until nobody has asked for `idle`; systemd starts it again with the next request.
///
/// # Errors
/// The manifest cannot be read, or the socket fails.
pub async fn serve(order: &Order, socket: StdListener, idle: Duration) -> Result<(), Stop> {
    let failed = |error: std::io::Error| Stop::Other(Exit::Internal, format!("the socket failed: {error}"));
    socket.set_nonblocking(true).map_err(failed)?;
    let listener = UnixListener::from_std(socket).map_err(failed)?;
    let manifest = Run::begin("credentials serve", order).manifest()?;
    loop {
        let Ok(accepted) = timeout(idle, listener.accept()).await else { return Ok(()) };
        let (stream, _) = accepted.map_err(failed)?;
        answer(order, &manifest, stream).await;
    }
}

/// Answers one request. Whatever comes of it, the next one is heard.
async fn answer(order: &Order, manifest: &Manifest, stream: UnixStream) {
    let user = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
    let Ok((mut stream, asked)) = asked(stream) else {
        tracing::warn!("a credential was asked for by a peer that is gone");
        return;
    };
    let Some(Request { unit, credential }) = asked.filter(|_| user == 0) else {
        tracing::warn!("a credential was refused: {}", Refusal::Stranger(user));
        return;
    };
    match value(order, manifest, &unit, &credential) {
        Ok((value, id)) => {
            if let Ok(Ok(())) = timeout(PATIENCE, stream.write_all(value.expose())).await {
                tracing::info!(unit, credential, id, "`{credential}` given to `{unit}`");
                note(manifest, &unit, &credential, &id);
            } else {
                tracing::warn!(unit, credential, "`{unit}` did not read `{credential}` to its end");
            }
        }
        Err(refusal) => {
            tracing::warn!(unit, credential, "`{credential}` refused to `{unit}`: {refusal}");
        }
    }
    drop(stream.shutdown().await);
}

/// What the peer asks for. The address that tokio accepts from loses an abstract name, the standard library's does not.
fn asked(stream: UnixStream) -> std::io::Result<(UnixStream, Option<Request>)> {
    let stream = stream.into_std()?;
    let asked = stream.peer_addr()?.as_abstract_name().and_then(request);
    Ok((UnixStream::from_std(stream)?, asked))
}

/// Decrypts one value, for a unit that it is given to; with its keyed id.
fn value(
    order: &Order,
    manifest: &Manifest,
    unit: &str,
    credential: &str,
) -> Result<(SecretBytes, String), Refusal> {
    let mut files = manifest.installed();
    let file = files.find(|file| file.name == credential && file.credentials.iter().any(|to| to == unit));
    let file = file.ok_or(Refusal::NotGiven)?;
    let part = only(manifest, &file);
    let identities = Identities::load(&part.identities, &order.identities);
    let kept = last_kept(&part.paths.state).ok().flatten();
    let mut unlocked = secrets::unlock(&part, &identities, kept.as_deref());
    marks::hold_back_answer(order, (&part, &identities), (&mut unlocked, kept.as_deref()))
        .map_err(|stop| Refusal::NoValue(stop.lines().join("; ")))?;
    files::fall_back(&part.paths.run, &part, &mut unlocked);
    secrets::render_templates(&part, &mut unlocked);
    let name = file.file();
    let Some(value) = unlocked.values.get(&name).cloned() else {
        let why = unlocked.failures.iter().map(|failure| format!("{}: {}", failure.address, failure.reason));
        return Err(Refusal::NoValue(why.collect::<Vec<_>>().join("; ")));
    };
    let id = naming_key(&part, &unlocked, false)
        .map(|key| secrets::digest(&key, &part.instance, "secret", &name, &value))
        .unwrap_or_default();
    Ok((value, id))
}

/// The part of a manifest that one value needs: nothing else is decrypted.
fn only(manifest: &Manifest, file: &Installed<'_>) -> Manifest {
    let mut part = manifest.clone();
    let mut needed: BTreeSet<String> = manifest.naming_key.iter().cloned().collect();
    part.templates.retain(|name, _| file.is_template() && name == file.name);
    match part.templates.get(file.name) {
        Some(template) => needed.extend(secrets_in(&template.content)),
        None => drop(needed.insert(file.name.to_owned())),
    }
    part.secrets.retain(|name, _| needed.contains(name));
    part
}

/// Writes down which version the unit has: `status` compares it with the one of today.
fn note(manifest: &Manifest, unit: &str, credential: &str, id: &str) {
    let run = &manifest.paths.run;
    let mut given = read_credentials(run);
    let of_unit: &mut BTreeMap<String, String> = given.entry(unit.to_owned()).or_default();
    of_unit.insert(credential.to_owned(), id.to_owned());
    if let Err(error) = write_credentials(run, &given) {
        tracing::warn!(unit, credential, "{}", chain(&error));
    }
}

/// What is to be said of units that were given another version than that of today; no value is needed for it.
pub(super) fn stale(manifest: &Manifest, digests: &BTreeMap<String, String>) -> Vec<String> {
    let given = read_credentials(&manifest.paths.run);
    let mut said = Vec::new();
    for file in manifest.installed() {
        for unit in file.credentials {
            let had = given.get(unit).and_then(|of_unit| of_unit.get(file.name));
            let (Some(had), Some(now)) = (had, digests.get(&file.file())) else { continue };
            if had != now {
                let address = file.address();
                said.push(format!(
                    "`{unit}` was given {address} as id {had}, and it is now id {now}: restart the unit"
                ));
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_systemd_uses_is_a_request() {
        let asked = request(b"adf9d86b6eda275e/unit/foo@a.service/token").expect("a request");
        assert_eq!((asked.unit.as_str(), asked.credential.as_str()), ("foo@a.service", "token"));
        for wrong in [
            "",
            "x",
            "x/unit/a.service",
            "x/unit/a.service/",
            "/unit/a.service/t",
            "x/unit//t",
            "x/user/a.service/t",
            "x/unit/a.service/t/u",
            "unit/a.service/t",
        ] {
            assert_eq!(request(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(request(b"x/unit/a.service/\xff"), None);
    }

    #[test]
    fn one_answer_decrypts_what_it_needs_and_nothing_else() {
        let manifest: Manifest = serde_json::from_str(
            r#"{"version": 1, "host": {"name": "h"}, "naming_key": "key",
                "secrets": {"a": {"file": "/a"}, "b": {"file": "/b"}, "c": {"file": "/c"}, "key": {"file": "/k"}},
                "templates": {"t": {"content": "{{ b }} {{ c | json }}"}, "u": {"content": "{{ a }}"}}}"#,
        )
        .expect("a manifest");
        let of = |name: &str| {
            let file = manifest.installed().find(|file| file.name == name).expect("declared");
            let part = only(&manifest, &file);
            (part.secrets.into_keys().collect::<Vec<_>>(), part.templates.into_keys().collect::<Vec<_>>())
        };
        assert_eq!(of("a"), (vec!["a".to_owned(), "key".to_owned()], vec![]));
        assert_eq!(of("t"), (vec!["b".to_owned(), "c".to_owned(), "key".to_owned()], vec!["t".to_owned()]));
    }
}
