//! One look at a Drone: what is declared in it, and what is recorded as made from here. Reads only.

use std::collections::BTreeSet;

use hyper::Uri;
use serde_json::{Value, json};

use super::api::Api;
use super::model::Account;
use crate::address::{Address, Kind};
use crate::forge::error::ForgeError;
use crate::forge::gitea::{self, each};
use crate::forge::http::{Client, path};
use crate::forge::{settings, text};
use crate::manifest::{Drone, Gitea};
use crate::observed::{DroneRepositorySeen, DroneSeen, ForgeRecord};
use crate::secrets::{SecretBytes, Unlocked};

/// Fields of a repository that can be declared, in Drone's words.
const SETTINGS: [&str; 10] = [
    "trusted",
    "protected",
    "timeout",
    "visibility",
    "config_path",
    "ignore_forks",
    "ignore_pull_requests",
    "auto_cancel_pull_requests",
    "auto_cancel_pushes",
    "auto_cancel_running",
];

/// The Drone of a manifest, asked by its administrator.
///
/// # Errors
/// [`ForgeError::Settings`]: an address that cannot be used, or no token.
pub fn administered(drone: &Drone, unlocked: &Unlocked) -> Result<Api, ForgeError> {
    let token = text(unlocked, &drone.admin.token.secret).map_err(|why| settings(&drone.url, why))?;
    let client = Client::new(&drone.url, drone.connect.as_deref(), drone.ca.as_deref())?;
    Ok(Api::with_token(client, &SecretBytes::new(token.as_bytes().to_vec())))
}

/// Looks at a Drone and at its hooks in Gitea. Why it does not answer is part of what is seen.
pub async fn observe(
    (drone, gitea): (&Drone, &Gitea),
    record: &ForgeRecord,
    unlocked: &Unlocked,
) -> DroneSeen {
    look((drone, gitea), record, unlocked).await.unwrap_or_else(|error| {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        DroneSeen { away: format!("{error}{hint}"), ..DroneSeen::default() }
    })
}

/// Whether Gitea lets Drone in, in the name of the user whose token it is; its words where it does not.
///
/// `GET /api/user/remote/repos` reads the user's repositories from Gitea with the tokens that Drone holds, and renews
/// those that have run out; other than a sync it writes nothing. `GET /api/user` says nothing about them.
///
/// # Errors
/// Drone does not answer, or does not take the token.
pub async fn refused(api: &Api) -> Result<String, ForgeError> {
    match api.0.get::<Value>("/api/user/remote/repos").await {
        Ok(_) => Ok(String::new()),
        Err(ForgeError::Refused { method, url, status: 500, message }) if is_unreached(&message) => {
            Err(ForgeError::Unreachable {
                method,
                url,
                why: format!("Drone does not reach Gitea: {message}"),
            })
        }
        Err(ForgeError::Refused { status: 500, message, .. }) => Ok(message),
        Err(error) => Err(error),
    }
}

/// True for the words of a Drone that has no answer of Gitea's: no sign-in cures that, time may.
fn is_unreached(message: &str) -> bool {
    const WORDS: [&str; 9] = [
        "dial tcp",
        "connection re",
        "no such host",
        "timeout",
        "deadline exceeded",
        "EOF",
        "Bad Gateway",
        "Service Unavailable",
        "Gateway Timeout",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

/// That the token is the administrator's.
pub(super) fn is_admin(drone: &Drone, me: &Account) -> Result<(), ForgeError> {
    let wanted = &drone.admin.username;
    if !me.login.eq_ignore_ascii_case(wanted) {
        return Err(settings(&drone.url, format!("the token is that of `{}`, not of `{wanted}`", me.login)));
    }
    if me.admin {
        Ok(())
    } else {
        Err(settings(&drone.url, format!("its user `{wanted}` is no administrator")))
    }
}

/// What was made from here in a Drone, by kind.
fn ours(record: &ForgeRecord, kind: Kind) -> impl Iterator<Item = &Address> {
    record.made.iter().filter(move |address| address.outer.name == "drone" && address.leaf().kind == kind)
}

async fn look(
    (drone, gitea): (&Drone, &Gitea),
    record: &ForgeRecord,
    unlocked: &Unlocked,
) -> Result<DroneSeen, ForgeError> {
    let (api, forge) = (&administered(drone, unlocked)?, &gitea::administered(gitea, unlocked)?);
    is_admin(drone, &api.me().await?)?;
    let refused = refused(api).await?;
    let made = ours(record, Kind::User).map(|address| address.leaf().name.as_str());
    let users: BTreeSet<&str> = drone.users.keys().map(String::as_str).chain(made).collect();
    let made = ours(record, Kind::Repository).map(|address| address.leaf().name.as_str());
    let inside = ours(record, Kind::Secret).chain(ours(record, Kind::Cron));
    let inside = inside.filter_map(|address| Some(address.leaf().name.rsplit_once('/')?.0));
    let repositories: BTreeSet<&str> =
        drone.repositories.keys().map(String::as_str).chain(made).chain(inside).collect();
    Ok(DroneSeen {
        away: String::new(),
        refused,
        due: String::new(),
        users: each(users, async |name| {
            let found: Option<Value> = api.0.find(&path(&["api", "users", name])).await?;
            Ok(found.map(|user| (name.to_owned(), fields(&user, &["admin", "machine", "active"]))))
        })
        .await?,
        repositories: each(repositories, async |name| {
            let hooks = drone.hooks.as_deref().unwrap_or(&drone.url);
            Ok(repository((api, forge), name, hooks).await?.map(|seen| (name.to_owned(), seen)))
        })
        .await?,
    })
}

async fn repository(
    (api, forge): (&Api, &gitea::Api),
    full: &str,
    hooks: &str,
) -> Result<Option<DroneRepositorySeen>, ForgeError> {
    let (owner, name) = full.split_once('/').unwrap_or_default();
    let Some(seen) = api.0.find::<Value>(&path(&["api", "repos", owner, name])).await? else {
        return Ok(None);
    };
    let secrets = api.secrets(owner, name).await?.unwrap_or_default();
    let crons = api.crons(owner, name).await?.unwrap_or_default();
    let all = forge.hooks(owner, name).await?.unwrap_or_default();
    let mut calling: Vec<(i64, bool)> =
        all.iter().filter(|hook| calls(&hook.config.url, hooks)).map(|hook| (hook.id, hook.active)).collect();
    calling.sort_unstable();
    let cron =
        |cron: &super::Cron| json!({ "expr": cron.expr, "branch": cron.branch, "disabled": cron.disabled });
    Ok(Some(DroneRepositorySeen {
        active: seen.get("active").and_then(Value::as_bool).unwrap_or_default(),
        settings: fields(&seen, &SETTINGS),
        secrets: secrets.into_iter().map(|secret| (secret.name, secret.pull_request)).collect(),
        crons: crons.iter().map(|one| (one.name.clone(), cron(one))).collect(),
        is_called: matches!(calling.as_slice(), [(_, true)]),
        hooks: calling.into_iter().map(|(id, _)| id).collect(),
    }))
}

/// True where a hook calls this Drone: its host and port, and the path that it has for hooks.
fn calls(hook: &str, drone: &str) -> bool {
    let place = |url: &str| {
        let uri: Uri = url.parse().ok()?;
        let port = uri.port_u16().or_else(|| Some(if uri.scheme_str()? == "https" { 443 } else { 80 }))?;
        let path = uri.path().trim_end_matches('/').to_owned();
        Some((uri.host()?.to_ascii_lowercase(), port, path))
    };
    let (Some((host, port, path)), Some((own, own_port, prefix))) = (place(hook), place(drone)) else {
        return false;
    };
    host == own && port == own_port && path == format!("{prefix}/hook")
}

fn fields(object: &Value, names: &[&str]) -> Value {
    let field = |name: &&str| Some(((*name).to_owned(), object.get(*name)?.clone()));
    names.iter().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::{calls, is_unreached};

    #[test]
    fn a_gitea_that_drone_does_not_reach_is_not_one_that_refuses_it() {
        for message in [
            "Get http://git.example.org/api: dial tcp 127.0.0.1:3000: connect: connection refused",
            "Bad Gateway",
        ] {
            assert!(is_unreached(message), "{message}");
        }
        for message in ["Unauthorized", "unable to parse refresh token", "Forbidden"] {
            assert!(!is_unreached(message), "{message}");
        }
    }

    #[test]
    fn a_hook_is_known_by_host_port_and_path_whatever_its_query_and_spelling() {
        for hook in ["https://ci.example.org/hook?secret=x", "https://CI.example.org:443/hook"] {
            assert!(calls(hook, "https://ci.example.org"), "{hook}");
        }
        for hook in ["https://ci.example.org:8443/hook", "https://ci.example.org/other", "https://x/hook", ""]
        {
            assert!(!calls(hook, "https://ci.example.org/"), "{hook}");
        }
        assert!(calls("http://127.0.0.1:8080/hook?secret=y", "http://127.0.0.1:8080"));
    }
}
