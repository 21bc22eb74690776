//! Everything that lies on an engine, by id: what `destroy` compares before and after.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Object, Observed, at};

/// A kind of thing that can be left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// A service.
    Service,
    /// A container of this node.
    Container,
    /// A network.
    Network,
    /// A Swarm secret.
    Secret,
    /// A Swarm config.
    Config,
    /// A volume of this node.
    Volume,
    /// An image of this node.
    Image,
}

impl Stock {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Container => "container",
            Self::Network => "network",
            Self::Secret => "secret",
            Self::Config => "config",
            Self::Volume => "volume",
            Self::Image => "image",
        }
    }
}

/// A container of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Id of the service that it is a task of; empty where it is none.
    pub service: String,
    /// Volumes without a name of their own that it mounts: they go with it.
    pub volumes: Vec<String>,
    /// The image that it was made of, as it was named then.
    pub image: String,
    /// Id of that image.
    pub image_id: String,
}

/// Everything that lies on an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Names, by kind and id.
    pub things: BTreeMap<(Stock, String), String>,
    /// The stack whose label a thing carries, by kind and id.
    pub stacks: BTreeMap<(Stock, String), String>,
    /// Containers of this node.
    pub containers: Vec<Container>,
    /// Ids of images, by every name.
    pub images: BTreeMap<String, String>,
    /// Ids of networks that the engine makes for itself.
    pub predefined: BTreeSet<String>,
}

/// Networks that an engine makes for itself, besides the one of the routing mesh.
const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "docker_gwbridge"];

impl Inventory {
    /// Everything of one look; volumes with the stack whose label each carries.
    #[must_use]
    pub fn new(
        observed: &Observed,
        volumes: BTreeMap<String, Option<String>>,
        containers: Vec<Container>,
    ) -> Self {
        let mut inventory = Self { images: observed.image_ids.clone(), ..Self::default() };
        for (kind, objects) in [
            (Stock::Service, &observed.services),
            (Stock::Network, &observed.networks),
            (Stock::Secret, &observed.secrets),
            (Stock::Config, &observed.configs),
        ] {
            for object in objects.values() {
                inventory.object(kind, object);
            }
        }
        for (name, stack) in volumes {
            inventory.add(Stock::Volume, &name, &name, stack.as_deref());
        }
        for one in &containers {
            inventory.add(Stock::Container, &one.id, &one.name, None);
        }
        // The first of its names; one without any is called by its id.
        for id in observed.images.iter().filter(|name| name.starts_with("sha256:")) {
            inventory.add(Stock::Image, id, id, None);
        }
        for (name, id) in observed.image_ids.iter().rev() {
            inventory.add(Stock::Image, id, name, None);
        }
        inventory.containers = containers;
        inventory
    }

    fn object(&mut self, kind: Stock, object: &Object) {
        self.add(kind, &object.id, &object.name, object.stack());
        let own = PREDEFINED.contains(&object.name.as_str()) || at(&object.raw, "/Ingress") == true;
        if kind == Stock::Network && own {
            self.predefined.insert(object.id.clone());
        }
    }

    fn add(&mut self, kind: Stock, id: &str, name: &str, stack: Option<&str>) {
        let key = (kind, id.to_owned());
        if let Some(stack) = stack {
            self.stacks.insert(key.clone(), stack.to_owned());
        }
        self.things.insert(key, name.to_owned());
    }

    /// `network web_inner`.
    #[must_use]
    pub fn called(&self, kind: Stock, id: &str) -> String {
        let name = self.things.get(&(kind, id.to_owned())).map_or(id, String::as_str);
        format!("{} {name}", kind.word())
    }
}
