//! Proves: the whole line on a real engine: from nothing to proven, twice, repaired, taken down, killed.

mod baseline;
mod certificate;
mod collect;
mod drift;
mod effect;
mod faults;
mod foreign;
mod held;
mod jobs;
mod killed;
mod line;
mod metrics;
mod order;
mod parts;
mod ports;
mod recreate;
mod restarted;
mod rollback;
mod spoilt;
mod taken;
mod told;
mod unseen;
mod watch;
mod waves;
