//! Writes, one function for each kind of thing.

use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::converge::has_ended;
use super::images::{auth_header, login_of};
use super::transport::parse;
use super::{Engine, EngineError, Write};
use crate::observed::at;
use crate::plan::SwarmAction;
use crate::secrets::Unlocked;

/// How long something that was removed may linger: tasks stop first (10 s of grace by default), networks follow them.
const LINGER: Duration = Duration::from_secs(90);
/// How long beyond their grace, where tasks that are told to stop have a longer one.
const BEYOND: Duration = Duration::from_secs(80);
/// How long a new overlay network is given to get its addresses; it takes a few hundredths of a second.
const ADDRESSES: Duration = Duration::from_secs(5);
/// Between two looks at something that lingers.
const AGAIN: Duration = Duration::from_millis(150);

impl Engine {
    /// Does one write (or, for [`SwarmAction::Converge`], one wait) and returns when it has taken effect. Removing what
    /// is not there is a success.
    ///
    /// # Errors
    /// [`EngineError::OutOfSequence`] and [`EngineError::AlreadyExists`] when the world is not as it was observed:
    /// observe and plan again. [`EngineError::Lost`] when it is not known whether the write took effect. Else why the
    /// engine refused.
    pub async fn execute(&self, action: &SwarmAction, values: &Unlocked) -> Result<(), EngineError> {
        if let Some(write) = Write::of(action, values)? {
            return self.write(action, write, values).await;
        }
        match action {
            SwarmAction::RemoveNetwork(id) => self.remove_network(id).await,
            SwarmAction::RemoveConfig(id) => self.remove(&format!("/configs/{id}")).await,
            SwarmAction::RemoveSecret(id) => self.remove(&format!("/secrets/{id}")).await,
            SwarmAction::RemoveService(id) => self.remove_service(id).await,
            SwarmAction::RemoveVolume(name) => self.remove_volume(name).await,
            SwarmAction::Converge { services, deadline } => self
                .converge(services, *deadline, &mut |_| ())
                .await
                .map(drop)
                .map_err(|e| EngineError::NotConverged(Box::new(e))),
            // What has a request was sent above.
            SwarmAction::Init(_)
            | SwarmAction::UpdateSwarm { .. }
            | SwarmAction::UpdateNode { .. }
            | SwarmAction::CreateNetwork(_)
            | SwarmAction::CreateConfig(_)
            | SwarmAction::UpdateConfig { .. }
            | SwarmAction::CreateSecret(_)
            | SwarmAction::CreateService(_)
            | SwarmAction::UpdateService { .. } => Ok(()),
        }
    }

    /// Sends a request. A service goes with the login of its image's registry for every node that will pull it;
    /// without one, the engine keeps the login that it has.
    async fn write(&self, action: &SwarmAction, write: Write, values: &Unlocked) -> Result<(), EngineError> {
        let bytes = Bytes::from_owner(write.body);
        let login = match action {
            SwarmAction::CreateService(body) | SwarmAction::UpdateService { spec: body, .. } => {
                let image = at(body, "/TaskTemplate/ContainerSpec/Image").as_str().unwrap_or_default();
                login_of(image, &values.logins).map(|login| auth_header(login, image)).transpose()?
            }
            _ => None,
        };
        let answer = self.transport.call_as(Method::POST, &write.path, bytes, login).await?;
        if let SwarmAction::CreateNetwork(body) = action {
            return self.network_made(&answer, body).await;
        }
        Ok(())
    }

    /// Removes what may not be there any more.
    async fn remove(&self, path: &str) -> Result<(), EngineError> {
        match self.transport.delete(path).await {
            Err(EngineError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// Removes a service and waits until none of its tasks is left, so that what they held can be removed next.
    async fn remove_service(&self, id: &str) -> Result<(), EngineError> {
        self.remove(&format!("/services/{id}")).await?;
        let began = Instant::now();
        loop {
            // Filtering by a service that is gone is an error, so all tasks are listed.
            let tasks = self.transport.get("/tasks").await?;
            let left =
                tasks.as_array().into_iter().flatten().filter(|task| at(task, "/ServiceID") == id).count();
            if left == 0 {
                return Ok(());
            }
            self.linger(began, format!("service `{id}`"), || format!("{left} of its tasks remain")).await?;
        }
    }

    /// Waits, for an overlay, until the swarm has given a new network its addresses: before, the engine tells it without
    /// the options and subnets that it was asked for. Where the swarm gives none, tasks will say why.
    async fn network_made(&self, answer: &Bytes, body: &Value) -> Result<(), EngineError> {
        let made = parse(answer, || "POST /networks/create".to_owned())?;
        let Some(id) = at(&made, "/Id").as_str().filter(|_| at(body, "/Driver") == "overlay") else {
            return Ok(());
        };
        let began = Instant::now();
        while began.elapsed() < ADDRESSES {
            let network = self.transport.get(&format!("/networks/{id}")).await?;
            if at(&network, "/IPAM/Config/0").is_object() && at(&network, "/Options").is_object() {
                break;
            }
            sleep(AGAIN / 5).await;
        }
        Ok(())
    }

    /// Removes a network once nothing uses it, and waits until its name is free.
    async fn remove_network(&self, id: &str) -> Result<(), EngineError> {
        let path = format!("/networks/{id}");
        let what = || format!("network `{id}`");
        self.remove_used(&path, what()).await?;
        let began = Instant::now();
        loop {
            match self.transport.get(&path).await {
                Err(EngineError::NotFound { .. }) => return Ok(()),
                Err(other) => return Err(other),
                Ok(_) => self.linger(began, what(), || "the engine still lists it".to_owned()).await?,
            }
        }
    }

    /// Removes a volume of this node; the containers that held it may still be going.
    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.remove_used(&format!("/volumes/{name}"), format!("volume `{name}`")).await
    }

    /// Removes something, again and again while the engine says that it is in use.
    async fn remove_used(&self, path: &str, what: String) -> Result<(), EngineError> {
        let began = Instant::now();
        loop {
            match self.remove(path).await {
                Err(EngineError::Refused { message, .. }) if is_in_use(&message) => {
                    self.linger(began, what.clone(), || message).await?;
                }
                other => return other,
            }
        }
    }

    async fn linger(
        &self,
        began: Instant,
        what: String,
        message: impl FnOnce() -> String,
    ) -> Result<(), EngineError> {
        let waited = began.elapsed();
        if waited > LINGER && waited > patience(&self.transport.get("/tasks").await?) {
            return Err(EngineError::Stuck { what, seconds: waited.as_secs(), message: message() });
        }
        sleep(AGAIN).await;
        Ok(())
    }
}

/// How long what these tasks hold may linger: the longest grace among those that are to go and are still there.
fn patience(tasks: &Value) -> Duration {
    let graces = tasks.as_array().into_iter().flatten().filter(|task| is_stopping(task)).map(|task| {
        let grace = at(task, "/Spec/ContainerSpec/StopGracePeriod").as_u64().unwrap_or_default();
        Duration::from_nanos(grace).saturating_add(BEYOND)
    });
    graces.max().unwrap_or_default().max(LINGER)
}

/// One that is to be removed may have ended, which the engine takes a while to notice; one that is shut down stays in its list.
fn is_stopping(task: &Value) -> bool {
    let state = at(task, "/Status/State").as_str().unwrap_or_default();
    match at(task, "/DesiredState").as_str() {
        Some("remove") => true,
        Some("shutdown") => !has_ended(state),
        _ => false,
    }
}

fn is_in_use(message: &str) -> bool {
    message.contains("in use") || message.contains("has active endpoints")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Tasks by what they are told to be, what they are, and their grace in seconds.
    fn patience_with(tasks: &[(&str, &str, Option<u64>)]) -> u64 {
        let tasks = tasks.iter().map(|(desired, state, grace)| {
            let grace = grace.map(|grace| grace * 1_000_000_000);
            json!({"DesiredState": desired, "Status": {"State": state}, "Spec": {"ContainerSpec": {"StopGracePeriod": grace}}})
        });
        patience(&tasks.collect()).as_secs()
    }

    #[test]
    fn what_lingers_is_waited_for_as_long_as_the_slowest_task_may_take_to_stop() {
        assert_eq!(patience_with(&[]), 90);
        assert_eq!(patience_with(&[("remove", "running", None)]), 90);
        assert_eq!(patience_with(&[("remove", "running", Some(1))]), 90);
        let slow = [
            ("remove", "running", Some(30)),
            ("remove", "running", Some(100)),
            ("shutdown", "running", None),
        ];
        assert_eq!(patience_with(&slow), 180);
        assert_eq!(patience_with(&[("shutdown", "running", Some(600))]), 680);
        assert_eq!(patience_with(&[("remove", "shutdown", Some(100))]), 180, "it has just ended");
        // These hold nothing, or are not going.
        for (desired, state) in [("running", "running"), ("shutdown", "shutdown"), ("shutdown", "failed")] {
            assert_eq!(patience_with(&[(desired, state, Some(600))]), 90, "{desired} {state}");
        }
        let endless = json!([{"DesiredState": "remove", "Status": {"State": "running"}, "Spec": {"ContainerSpec": {"StopGracePeriod": u64::MAX}}}]);
        assert!(patience(&endless) > LINGER);
    }
}
