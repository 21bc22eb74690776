//! Proves: the swarm room against a real engine.
