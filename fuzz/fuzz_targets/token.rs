//! A value token of any text, and any bytes as a value of any type: one spelling, one place, one text.

#![no_main]

use holdfast::secrets::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzed::token(bytes));
