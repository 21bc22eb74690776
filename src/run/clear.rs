//! What a manifest would have told over a network without TLS: a warning, since the network may be one's own.

use std::net::IpAddr;

use super::pointer::pointer;
use crate::manifest::{Loaded, Manifest};
use crate::source::Problem;

/// A warning for each place by which a password or a token would leave this host unencrypted.
pub(super) fn told_in_the_clear(loaded: &Loaded) -> Vec<Problem> {
    let warning = |(place, host, fix): (String, String, &str)| {
        let message = format!("what is secret is told to `{host}` without TLS, to whoever is on the way");
        loaded.problem(&place, message).fix(fix).warning()
    };
    urls(&loaded.manifest).chain(registries(&loaded.manifest)).map(warning).collect()
}

type Told = (String, String, &'static str);

/// Logins and tokens go to these with each call.
fn urls(manifest: &Manifest) -> impl Iterator<Item = Told> {
    let mut all: Vec<(Vec<&str>, &str, Option<String>)> = Vec::new();
    if let Some(bridge) = &manifest.bridge {
        let dialled = [bridge.forge.connect, bridge.drone.connect].map(|at| at.map(|at| at.to_string()));
        let [forge, drone] = dialled;
        all.push((vec!["bridge", "forge", "url"], &bridge.forge.url, forge));
        all.push((vec!["bridge", "drone", "url"], &bridge.drone.url, drone));
    }
    if let Some(gitea) = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref()) {
        all.push((vec!["forge", "gitea", "url"], &gitea.url, gitea.connect.clone()));
        for (name, hook) in &gitea.webhooks {
            if let Some(attest) = hook.attest.as_ref().filter(|attest| attest.token.is_some()) {
                let place = vec!["forge", "gitea", "webhooks", name, "attest", "status"];
                all.push((place, &attest.status, None));
            }
        }
    }
    if let Some(drone) = manifest.forge.as_ref().and_then(|forge| forge.drone.as_ref()) {
        all.push((vec!["forge", "drone", "url"], &drone.url, drone.connect.clone()));
    }
    let told = all.into_iter().filter_map(|(place, url, dialled)| {
        let rest = url.strip_prefix("http://")?;
        let authority = dialled.as_deref().or_else(|| rest.split(['/', '?', '#']).next())?;
        let host = leaves(authority)?.to_owned();
        Some((pointer(&place), host, "write `https://`, or `connect` with an address of this host"))
    });
    told.collect::<Vec<_>>().into_iter()
}

fn registries(manifest: &Manifest) -> impl Iterator<Item = Told> {
    let plain = manifest.registries.iter().filter(|(_, one)| one.plain_http && one.password.is_some());
    plain.filter_map(|(name, _)| {
        let place = pointer(&["registries", name, "plain_http"]);
        Some((place, leaves(name)?.to_owned(), "give the registry a certificate, and name its root as `ca`"))
    })
}

/// The host of `HOST` or `HOST:PORT`, unless it is this one, or a name without a dot, as containers have on their networks.
fn leaves(authority: &str) -> Option<&str> {
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let near = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => !host.contains('.') || host.ends_with(".localhost"),
    };
    (!near).then_some(host)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::manifest::load;
    use crate::source::{Severity, Source};

    /// What is told in the clear by a bridge with this forge, and a registry of this name.
    fn warned(forge: &Value, registry: &str) -> Vec<String> {
        let secret = json!({ "secret": "s" });
        let text = json!({
            "version": 1, "host": { "name": "h.example.org" }, "secrets": { "s": { "file": "s.yaml" } },
            "registries": { registry: { "username": "u", "password": secret, "plain_http": true } },
            "bridge": {
                "forge": forge, "bot": { "login": "bot", "token": secret },
                "drone": { "url": "https://ci.example.org", "token": secret },
                "repositories": { "team/app": { "id": 7 } },
            },
        });
        let loaded = load(&Source::new("m.json", text.to_string()), Path::new("/")).unwrap();
        let found = told_in_the_clear(&loaded);
        assert!(found.iter().all(|problem| problem.severity == Severity::Warning && problem.fix.is_some()));
        found.iter().map(|problem| problem.message.split('`').nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn only_what_leaves_the_host_without_tls_is_told() {
        let forge = |url: &str, connect: Value| {
            let mut forge = json!({ "kind": "gitea", "url": url, "hook_secrets": [{ "secret": "s" }] });
            if connect.is_string() {
                forge["connect"] = connect;
            }
            warned(&forge, "localhost:5000")
        };
        for near in [
            "https://git.example.org",
            "http://127.0.0.1:3000",
            "http://[::1]:3000/git",
            "http://localhost",
            "http://git.localhost:80",
            "http://gitea:3000",
        ] {
            assert!(forge(near, Value::Null).is_empty(), "{near}");
        }
        assert!(forge("http://git.example.org", json!("127.0.0.1:80")).is_empty());
        for (far, host) in [
            ("http://git.example.org/x", "git.example.org"),
            ("http://192.0.2.7:3000", "192.0.2.7"),
            ("http://[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(forge(far, Value::Null), [host]);
        }
        assert_eq!(forge("http://127.0.0.1", json!("192.0.2.7:80")), ["192.0.2.7"]);
        let tls =
            json!({ "kind": "gitea", "url": "https://x.example.org", "hook_secrets": [{ "secret": "s" }] });
        assert_eq!(warned(&tls, "registry.example.org"), ["registry.example.org"]);
    }
}
