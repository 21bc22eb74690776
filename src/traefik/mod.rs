//! The manifest's `traefik` section → a stack and its configuration files.
