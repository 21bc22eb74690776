//! Everything that lies on an engine, by id: what `destroy` compares before and after.

use std::collections::BTreeMap;

use super::Observed;

/// A kind of thing that can be left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Containers of this node.
    pub containers: Vec<Container>,
}

impl Inventory {
    /// Everything of one look.
    #[must_use]
    pub fn new(
        observed: &Observed,
        volumes: impl Iterator<Item = String>,
        containers: Vec<Container>,
    ) -> Self {
        let kinds = [
            (Stock::Service, &observed.services),
            (Stock::Network, &observed.networks),
            (Stock::Secret, &observed.secrets),
            (Stock::Config, &observed.configs),
        ];
        let objects = kinds.into_iter().flat_map(|(kind, objects)| {
            objects.values().map(move |object| ((kind, object.id.clone()), object.name.clone()))
        });
        let volumes = volumes.map(|name| ((Stock::Volume, name.clone()), name));
        let of_node = containers.iter().map(|one| ((Stock::Container, one.id.clone()), one.name.clone()));
        let things = objects.chain(volumes).chain(of_node).collect();
        Self { things, containers }
    }
}
