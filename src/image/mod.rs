//! Any archive → one deterministic docker-archive with both digests known offline.
