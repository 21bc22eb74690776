//! Proves what becomes of a host at a switch: units as the modules render them, a real systemd, a real engine in a swarm.

mod boots;
mod ci;
mod cost;
mod decide;
mod host;
mod outside;
mod probe;
mod rules;
mod scenarios;
mod seen;
mod unit;
