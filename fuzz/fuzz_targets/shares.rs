//! Shamir shares of any bytes: they combine exactly when they may, and a secret that is split comes back.

#![no_main]

use holdfast::secrets::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzed::shares(bytes));
