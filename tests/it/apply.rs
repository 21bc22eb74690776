//! Proves: the whole line on a real engine: twice, killed, in parallel.
