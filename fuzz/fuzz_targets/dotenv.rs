//! A dotenv file of any bytes, clear or encrypted: reading ends and does not panic; what is read can be written and read again,
//! and a sealed copy opens to the same values.

#![no_main]

use holdfast::manifest::SecretFormat;
use holdfast::secrets::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzed::store(SecretFormat::Dotenv, bytes));
