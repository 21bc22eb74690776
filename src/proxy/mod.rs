//! The read-only engine socket that Traefik is given.
