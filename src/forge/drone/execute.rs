//! One step of a plan, as calls of a Drone.

use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::api::{Api, repo};
use super::observe::{administered, is_admin, refused};
use super::repos::{NewCron, NewSecret};
use super::sign_in::sign_in;
use crate::forge::error::ForgeError;
use crate::forge::http::{Client, path};
use crate::forge::{gitea, settings, text};
use crate::manifest::{Drone, Gitea};
use crate::plan::DroneAction;
use crate::secrets::Unlocked;

/// How often a Drone that does not answer is asked again.
const POLL: Duration = Duration::from_millis(500);

/// What steps are carried out with.
struct Tools<'a> {
    drone: &'a Drone,
    gitea: &'a Gitea,
    unlocked: &'a Unlocked,
    api: Api,
}

/// Does a step.
///
/// # Errors
/// What Drone or Gitea says; what Drone took and does not keep; why a sign-in ended.
pub async fn execute(
    (drone, gitea): (&Drone, &Gitea),
    action: &DroneAction,
    unlocked: &Unlocked,
) -> Result<(), ForgeError> {
    let tools = Tools { drone, gitea, unlocked, api: administered(drone, unlocked)? };
    let api = &tools.api;
    match action {
        DroneAction::Await { patience } => tools.reach(*patience).await,
        DroneAction::SignIn => tools.sign_in().await,
        DroneAction::Sync => api.sync().await.map(drop),
        DroneAction::CreateUser { name, fields, token, instead } => {
            if *instead {
                api.0.delete(&user(name)).await?;
            }
            let token = token.as_deref().map(|secret| tools.secret(secret)).transpose()?;
            let body = NewUser { login: name, fields, token };
            api.0.write(Method::POST, "/api/users", &body).await?.success().map(drop)
        }
        DroneAction::EditUser { name, fields } => {
            api.0.write(Method::PATCH, &user(name), fields).await?.success().map(drop)
        }
        DroneAction::DeleteUser(name) => api.0.delete(&user(name)).await.map(drop),
        DroneAction::Activate { repository, body, hooks } => tools.activate(repository, body, hooks).await,
        DroneAction::EditRepository { repository, body } => tools.edit(repository, body).await,
        DroneAction::Repair { repository, hooks } => {
            tools.only_one_hook(repository, hooks).await?;
            let (owner, name) = split(repository);
            api.repair(owner, name).await
        }
        DroneAction::Deactivate { repository, hooks } => {
            let (owner, name) = split(repository);
            api.disable(owner, name).await?;
            tools.delete_hooks(repository, hooks).await
        }
        DroneAction::PutSecret { repository, name, value, pull_request, is_new } => {
            let secret = NewSecret { name, data: tools.secret(value)?, pull_request: *pull_request };
            let (owner, repo) = split(repository);
            match is_new {
                true => api.create_secret(owner, repo, &secret).await,
                false => api.edit_secret(owner, repo, &secret).await,
            }
        }
        DroneAction::DeleteSecret { repository, name } => {
            let (owner, repo) = split(repository);
            api.delete_secret(owner, repo, name).await.map(drop)
        }
        DroneAction::PutCron { repository, name, cron, instead } => {
            let (owner, repo) = split(repository);
            if *instead {
                api.delete_cron(owner, repo, name).await?;
            }
            let cron = NewCron { name, expr: &cron.expr, branch: &cron.branch };
            api.create_cron(owner, repo, &cron).await.map(drop)
        }
        DroneAction::DeleteCron { repository, name } => {
            let (owner, repo) = split(repository);
            api.delete_cron(owner, repo, name).await.map(drop)
        }
    }
}

fn split(repository: &str) -> (&str, &str) {
    repository.split_once('/').unwrap_or_default()
}

fn user(name: &str) -> String {
    path(&["api", "users", name])
}

/// A user that is made.
#[derive(Serialize)]
struct NewUser<'a> {
    login: &'a str,
    #[serde(flatten)]
    fields: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl Tools<'_> {
    fn secret(&self, name: &str) -> Result<&str, ForgeError> {
        text(self.unlocked, name).map_err(|why| settings(&self.drone.url, why))
    }

    /// Waits until Drone answers, and has an answer of Gitea's; it then has to take its administrator's token.
    async fn reach(&self, patience: Duration) -> Result<(), ForgeError> {
        let until = Instant::now() + patience;
        loop {
            let asked = async {
                is_admin(self.drone, &self.api.me().await?)?;
                refused(&self.api).await
            };
            match asked.await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_not_there_yet() && Instant::now() < until => sleep(POLL).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Signs in, and has Drone read the repositories: that it can is the proof.
    async fn sign_in(&self) -> Result<(), ForgeError> {
        let password = self.secret(&self.drone.admin.password.secret)?;
        let gitea = Client::new(&self.gitea.url, self.gitea.connect.as_deref(), self.gitea.ca.as_deref())?;
        sign_in(self.api.client(), &gitea, &self.drone.admin.username, password).await?;
        self.api.sync().await.map(drop)
    }

    async fn activate(&self, full: &str, body: &Value, hooks: &[i64]) -> Result<(), ForgeError> {
        self.only_one_hook(full, hooks).await?;
        let (owner, name) = split(full);
        match self.api.enable(owner, name).await {
            Err(ForgeError::Refused { method, url, status: 404, .. }) => {
                let who = &self.drone.admin.username;
                let message =
                    format!("Drone does not know it: `{who}` has to see it in Gitea, as its administrator");
                return Err(ForgeError::Refused { method, url, status: 404, message });
            }
            other => other?,
        };
        if body.as_object().is_none_or(serde_json::Map::is_empty) {
            Ok(())
        } else {
            self.edit(full, body).await
        }
    }

    /// Writes settings, and looks whether Drone kept them: some it passes over without a word.
    async fn edit(&self, full: &str, body: &Value) -> Result<(), ForgeError> {
        let (owner, name) = split(full);
        let kept: Value = self.api.0.write(Method::PATCH, &repo(owner, name, &[]), body).await?.json()?;
        let fields = body.as_object().into_iter().flatten();
        let lost: Vec<String> = fields
            .filter(|(name, value)| kept.get(name.as_str()) != Some(value))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let why = format!(
            "it was taken without {}: this Drone does not know that, or keeps it for its administrators",
            lost.join(", ")
        );
        let url = format!("{}{}", self.api.client().base(), repo(owner, name, &[]));
        Err(ForgeError::Answer { method: "PATCH".to_owned(), url, why })
    }

    /// Drone deletes one hook that calls it, and makes one.
    async fn only_one_hook(&self, full: &str, hooks: &[i64]) -> Result<(), ForgeError> {
        self.delete_hooks(full, hooks.get(1..).unwrap_or_default()).await
    }

    async fn delete_hooks(&self, full: &str, hooks: &[i64]) -> Result<(), ForgeError> {
        if hooks.is_empty() {
            return Ok(());
        }
        let (api, (owner, name)) = (gitea::administered(self.gitea, self.unlocked)?, split(full));
        for hook in hooks {
            api.delete_hook(owner, name, *hook).await?;
        }
        Ok(())
    }
}
