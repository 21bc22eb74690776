//! Compose files as `docker stack` reads them → [`crate::desired::StackSpec`].
