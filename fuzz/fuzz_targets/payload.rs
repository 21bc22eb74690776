//! A delivery of any bytes, signed: it is judged or refused, quickly and without a panic, and a command that comes of it is
//! one that a shell, a query and a URL can be given.

#![no_main]

use holdfast::bridge::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzed::payload(bytes));
