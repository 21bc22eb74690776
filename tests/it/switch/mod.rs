//! Proves what becomes of a host at a switch: units as the modules render them, a real systemd, a real engine in a swarm.

mod decide;
mod host;
mod scenarios;
mod unit;
