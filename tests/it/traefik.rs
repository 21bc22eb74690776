//! Proves: the socket proxy and the real Traefik.
