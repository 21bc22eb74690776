//! What lay on an engine before anything on it was ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Inventory, Stock};

/// Taken when the first apply of an instance begins. What came later is ours, or came to a host that ran ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Version of this format: 1.
    pub version: u32,
    /// When it was taken, RFC 3339.
    pub taken: String,
    /// Ids of what was there, by kind; images and volumes are those of this node.
    pub things: BTreeMap<Stock, BTreeSet<String>>,
}

impl Baseline {
    /// Everything that lies there now, but for containers, which come and go, and for networks that the engine makes
    /// for itself.
    #[must_use]
    pub fn of(inventory: &Inventory, taken: &str) -> Self {
        let mut things: BTreeMap<Stock, BTreeSet<String>> = BTreeMap::new();
        for (kind, id) in inventory.things.keys() {
            if *kind != Stock::Container && !inventory.predefined.contains(id) {
                things.entry(*kind).or_default().insert(id.clone());
            }
        }
        Self { version: 1, taken: taken.to_owned(), things }
    }

    /// True for what was there.
    #[must_use]
    pub fn has(&self, kind: Stock, id: &str) -> bool {
        self.things.get(&kind).is_some_and(|ids| ids.contains(id))
    }
}
