//! One look at the engine, in GETs only.

use std::collections::{BTreeMap, BTreeSet};

use hyper::body::Bytes;
use serde_json::Value;

use super::transport::parse;
use super::{Engine, EngineError};
use crate::observed::{EngineInfo, ManagerState, Object, Observed, SwarmState, Task, at};

/// What the engine answered to one GET.
pub(super) type Answered = Result<Bytes, EngineError>;

/// The services of one look.
#[derive(Default)]
pub(super) struct Services {
    by_name: BTreeMap<String, Object>,
    /// Ids of the networks that they are or were attached to.
    attached: BTreeSet<String>,
}

/// What the engine answered to one look, not read yet.
pub(super) struct Answers {
    pub(super) services: Answered,
    pub(super) swarm: Answered,
    pub(super) nodes: Answered,
    pub(super) tasks: Answered,
    pub(super) networks: Answered,
    pub(super) images: Answered,
    pub(super) secrets: Answered,
    pub(super) configs: Answered,
}

impl Engine {
    /// Everything that [`Observed`] holds: one request a kind; elsewhere than on a manager only what exists without a
    /// swarm.
    ///
    /// # Errors
    /// Any [`EngineError`] of a GET.
    pub async fn observe(&self) -> Result<Observed, EngineError> {
        let get = |path| self.transport.get_raw(path);
        // Three connections side by side: each further one would cost more than it saves.
        let of_node = async { (get("/tasks").await, get("/networks").await, get("/images/json").await) };
        let of_swarm = async {
            (get("/swarm").await, get("/nodes").await, get("/secrets").await, get("/configs").await)
        };
        let (services, (tasks, networks, images), (swarm, nodes, secrets, configs)) =
            tokio::join!(get("/services"), of_node, of_swarm);
        let read = services_in(&services)?;
        let answers = Answers { services, swarm, nodes, tasks, networks, images, secrets, configs };
        self.observed(read, answers).await
    }

    /// What these answers say, beside the services, which were read from theirs before.
    ///
    /// # Errors
    /// Those of the answers, and of what is asked for because of them.
    pub(super) async fn observed(
        &self,
        services: Services,
        answers: Answers,
    ) -> Result<Observed, EngineError> {
        let mut networks = named(&answers.networks?, "GET /networks")?;
        let images = list(&answers.images?, "GET /images/json")?;
        let image_ids = image_ids(&images);
        let images = image_names(&image_ids, &images);
        let swarm = match answers.swarm {
            Ok(body) => parse(&body, || "GET /swarm".to_owned())?,
            Err(EngineError::NotManager { .. }) => {
                let (engine, swarm) = self.outside().await?;
                return Ok(Observed { engine, swarm, networks, images, image_ids, ..Observed::default() });
            }
            Err(other) => return Err(other),
        };
        let nodes = list(&answers.nodes?, "GET /nodes")?;
        let nodes = objects(nodes, "GET /nodes", |node| at(node, "/ID").as_str())?;
        let manager = self.manager(swarm, &nodes).await?;
        answers.services?; // They were read; where they could not be, this says why.
        let predefined = self.predefined(&services.attached, &networks).await?;
        networks.extend(objects(predefined, "GET /networks/ID", name_of)?);
        Ok(Observed {
            engine: described(&self.info, nodes.get(&manager.node_id)),
            swarm: SwarmState::Manager(Box::new(manager)),
            nodes,
            services: services.by_name,
            tasks: tasks_by_service(&list(&answers.tasks?, "GET /tasks")?),
            networks,
            secrets: named(&answers.secrets?, "GET /secrets")?,
            configs: named(&answers.configs?, "GET /configs")?,
            images,
            image_ids,
            ..Observed::default()
        })
    }

    /// The networks that services are attached to and that the engine does not list: the swarm has its own `host` and
    /// `bridge`. One that is gone is left out.
    async fn predefined(
        &self,
        attached: &BTreeSet<String>,
        networks: &BTreeMap<String, Object>,
    ) -> Result<Vec<Value>, EngineError> {
        let mut found = Vec::new();
        for id in attached.iter().filter(|id| !networks.values().any(|network| network.id == **id)) {
            match self.transport.get(&format!("/networks/{id}")).await {
                Ok(network) => found.push(network),
                Err(EngineError::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }

    /// What a node says of itself that manages no swarm.
    async fn outside(&self) -> Result<(EngineInfo, SwarmState), EngineError> {
        let info = &self.transport.get("/info").await?;
        let state = text(at(info, "/Swarm/LocalNodeState"));
        let swarm = if state == "inactive" {
            SwarmState::Inactive
        } else {
            SwarmState::NotManager(state_words(info))
        };
        let platform = format!("{}/{}", text(at(info, "/OSType")), go_arch(&text(at(info, "/Architecture"))));
        Ok((EngineInfo { name: text(at(info, "/Name")), platform, ..self.info.clone() }, swarm))
    }

    /// Which node this is. `/info` tells, but it makes the engine start runc; with one node there is no question.
    async fn manager(
        &self,
        mut swarm: Value,
        nodes: &BTreeMap<String, Object>,
    ) -> Result<ManagerState, EngineError> {
        if let Some(fields) = swarm.as_object_mut() {
            fields.remove("JoinTokens");
        }
        let Some(version) = at(&swarm, "/Version/Index").as_u64() else {
            let source = "it has no version".into();
            return Err(EngineError::Answer { call: "GET /swarm".to_owned(), source });
        };
        let (node_id, node_addr) = match nodes.values().next() {
            Some(only) if nodes.len() == 1 => {
                let address = text(at(&only.raw, "/ManagerStatus/Addr"));
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                (only.id.clone(), host.trim_matches(['[', ']']).to_owned())
            }
            _ => {
                let info = &self.transport.get("/info").await?;
                (text(at(info, "/Swarm/NodeID")), text(at(info, "/Swarm/NodeAddr")))
            }
        };
        Ok(ManagerState { swarm_id: text(at(&swarm, "/ID")), node_id, node_addr, version, raw: swarm })
    }
}

/// The services of an answer. None where there is no answer: [`Engine::observed`] says why, if that matters.
pub(super) fn services_in(answered: &Answered) -> Result<Services, EngineError> {
    let Ok(body) = answered else { return Ok(Services::default()) };
    let by_name = named(body, "GET /services")?;
    // Here and not later, while the engine still works on the other answers.
    let attached = attached(&by_name).into_iter().map(str::to_owned).collect();
    Ok(Services { by_name, attached })
}

fn named(body: &Bytes, call: &str) -> Result<BTreeMap<String, Object>, EngineError> {
    objects(list(body, call)?, call, name_of)
}

fn list(body: &Bytes, call: &str) -> Result<Vec<Value>, EngineError> {
    elements(parse(body, || call.to_owned())?, call)
}

/// Ids of networks that services are or were attached to.
fn attached(services: &BTreeMap<String, Object>) -> BTreeSet<&str> {
    const LISTS: [&str; 3] =
        ["/Spec/TaskTemplate/Networks", "/Spec/Networks", "/PreviousSpec/TaskTemplate/Networks"];
    let is_id = |text: &&str| text.len() == 25 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let lists = services.values().flat_map(|service| LISTS.map(|list| at(&service.raw, list).as_array()));
    let targets = lists.flatten().flatten().filter_map(|network| network.get("Target")?.as_str());
    targets.filter(is_id).collect()
}

/// The engine's word for its state, and its error where it has one. A manager that was none a moment ago, when it was
/// asked for the swarm, is as good as `pending`.
fn state_words(info: &Value) -> String {
    let state = text(at(info, "/Swarm/LocalNodeState"));
    let state = match state.as_str() {
        "active" if at(info, "/Swarm/ControlAvailable") == true => "pending".to_owned(),
        "active" => "worker".to_owned(),
        _ => state,
    };
    match text(at(info, "/Swarm/Error")) {
        error if error.is_empty() => state,
        error => format!("{state}: {error}"),
    }
}

fn described(known: &EngineInfo, node: Option<&Object>) -> EngineInfo {
    let Some(node) = node else { return known.clone() };
    let described = at(&node.raw, "/Description");
    let architecture = go_arch(&text(at(described, "/Platform/Architecture")));
    let platform = format!("{}/{architecture}", text(at(described, "/Platform/OS")));
    EngineInfo { name: text(at(described, "/Hostname")), platform, ..known.clone() }
}

/// The kernel's name of an architecture in Go's words, where the two differ.
fn go_arch(kernel: &str) -> String {
    let go = match kernel {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        "armv7l" | "armv6l" => "arm",
        other => other,
    };
    go.to_owned()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn name_of(object: &Value) -> Option<&str> {
    // Networks have `Name`, everything of the swarm has `Spec.Name`.
    at(object, "/Spec/Name").as_str().or_else(|| at(object, "/Name").as_str())
}

/// The elements of an answer that is a list. Anything else must not be taken for "there is none".
pub(crate) fn elements(answer: Value, call: &str) -> Result<Vec<Value>, EngineError> {
    match answer {
        Value::Array(list) => Ok(list),
        // Go writes an empty list so.
        Value::Null => Ok(Vec::new()),
        _ => Err(EngineError::Answer { call: call.to_owned(), source: "it is no list".into() }),
    }
}

fn objects(
    list: Vec<Value>,
    call: &str,
    key: impl Fn(&Value) -> Option<&str>,
) -> Result<BTreeMap<String, Object>, EngineError> {
    let mut found = BTreeMap::new();
    for raw in list {
        let Some(key) = key(&raw).filter(|key| !key.is_empty()).map(str::to_owned) else {
            let source = "something in its list has no name".into();
            return Err(EngineError::Answer { call: call.to_owned(), source });
        };
        let object = object(raw);
        // The engine allows several local networks of one name; one of the swarm goes before them.
        if at(&object.raw, "/Scope") == "local" && found.contains_key(&key) {
            continue;
        }
        found.insert(key, object);
    }
    Ok(found)
}

/// The typed view beside the raw object.
pub(crate) fn object(raw: Value) -> Object {
    let labels = if at(&raw, "/Spec").is_object() { at(&raw, "/Spec/Labels") } else { at(&raw, "/Labels") };
    let labels = labels.as_object().map(|labels| {
        labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    });
    Object {
        id: at(&raw, "/ID").as_str().or_else(|| at(&raw, "/Id").as_str()).unwrap_or_default().to_owned(),
        name: name_of(&raw).unwrap_or_default().to_owned(),
        version: at(&raw, "/Version/Index").as_u64().unwrap_or_default(),
        labels: labels.unwrap_or_default(),
        raw,
    }
}

fn tasks_by_service(list: &[Value]) -> BTreeMap<String, Vec<Task>> {
    let mut tasks: BTreeMap<String, Vec<Task>> = BTreeMap::new();
    for raw in list {
        tasks.entry(text(at(raw, "/ServiceID"))).or_default().push(task(raw));
    }
    tasks
}

/// The typed view of a task.
pub(crate) fn task(raw: &Value) -> Task {
    let status = at(raw, "/Status");
    let container = at(status, "/ContainerStatus");
    let state = text(at(status, "/State"));
    let ended = matches!(state.as_str(), "complete" | "failed" | "shutdown" | "orphaned");
    Task {
        id: text(at(raw, "/ID")),
        slot: at(raw, "/Slot").as_u64().unwrap_or_default(),
        node: text(at(raw, "/NodeID")),
        created: text(at(raw, "/CreatedAt")),
        desired: text(at(raw, "/DesiredState")),
        since: text(at(status, "/Timestamp")),
        message: text(at(status, "/Message")),
        error: text(at(status, "/Err")),
        // A running container says 0 as well.
        exit_code: at(container, "/ExitCode").as_i64().filter(|_| ended),
        container: text(at(container, "/ContainerID")),
        image: text(at(raw, "/Spec/ContainerSpec/Image")),
        iteration: at(raw, "/JobIteration/Index").as_u64(),
        state,
    }
}

fn image_names(ids: &BTreeMap<String, String>, list: &[Value]) -> BTreeSet<String> {
    let own = list.iter().map(|image| text(at(image, "/Id")));
    ids.keys().cloned().chain(own).collect()
}

/// Ids by every name that the engine has for an image.
fn image_ids(list: &[Value]) -> BTreeMap<String, String> {
    let names = |image: &Value| {
        let all = [at(image, "/RepoTags"), at(image, "/RepoDigests")];
        let texts = all.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        let names = texts.filter(|name| !name.contains("<none>"));
        names.map(|name| (name.to_owned(), text(at(image, "/Id")))).collect::<Vec<_>>()
    };
    list.iter().flat_map(names).collect()
}
