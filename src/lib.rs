//! Holdfast makes a Docker Swarm host equal to its manifest, and is green only when that is proven.
//!
//! One line runs through the house: `load → unlock → observe → plan → apply → verify → report`;
//! [`run`] is the page to read. Rooms, from the inside out:
//!
//! | room | kind | owns |
//! |---|---|---|
//! | [`address`] | pure | the name of each thing Holdfast owns, as plans, reports and `--only` spell it |
//! | [`source`] | pure | YAML and JSON text as trees that know where each value stands; problems that point there |
//! | [`manifest`] | pure | what Nix says: typed, versioned, unknown fields refused |
//! | [`pins`] | pure | image references, the lock file, the image policy |
//! | [`compose`] | pure | compose files as `docker stack` reads them |
//! | [`desired`] | pure | manifest + compose → complete objects with references |
//! | [`pipeline`] | pure | what a pipeline of Drone must not do where comments make its builds |
//! | [`traefik`] | pure | the manifest's [`traefik`] section → a stack and its configuration files |
//! | [`observed`] | pure | what the engine and the host said, as data |
//! | [`plan`] | pure | `plan(&Desired, &Observed) -> Plan`; diff, consequence, words for people |
//! | [`report`] | pure | one record → text, JSON, JUnit; the exit code |
//! | [`secrets`] | edge: files | sops documents, identities, templates, installed files |
//! | [`image`] | edge: files | any archive → one deterministic docker-archive |
//! | [`state`] | edge: files | lock, generations, ownership, naming key |
//! | [`swarm`] | edge: engine | the only room that names bollard: observe, execute, converge |
//! | [`web`] | edge: files | what rooms that speak HTTP share: trust in TLS servers, percent-encoding |
//! | [`registry`] | edge: net | what a tag stands for, asked of its registry |
//! | [`host`] | edge: systemd, /proc | units, ports, processes, disks: how they are; what is asked of units |
//! | [`gates`] | edge: net | proofs: https, certificate, swarm, tcp, file, absence |
//! | [`forge`] | edge: HTTP | Gitea and Drone as things to reconcile |
//! | [`proxy`] | service | the read-only engine socket that Traefik is given |
//! | [`bridge`] | service | a comment on a pull request → a durable journal → a build → the answer |
//! | [`apply`] | | walks the steps, stage by stage |
//! | [`run`] | | the pipeline |
//! | [`cli`] | edge | flags → settings; one file per command |

pub mod address;
pub mod apply;
pub mod bridge;
pub mod cli;
pub mod compose;
pub mod desired;
pub mod forge;
pub mod gates;
pub mod host;
pub mod image;
pub mod manifest;
pub mod observed;
pub mod pins;
pub mod pipeline;
pub mod plan;
pub mod proxy;
pub mod registry;
pub mod report;
pub mod run;
pub mod secrets;
pub mod source;
pub mod state;
pub mod swarm;
pub mod traefik;
pub mod web;
