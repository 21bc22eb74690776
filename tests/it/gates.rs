//! Proves: gates against real TLS and HTTP servers.
