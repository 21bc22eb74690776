//! Flags → settings; one file per command; no logic.
