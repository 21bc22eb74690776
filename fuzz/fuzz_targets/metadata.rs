//! The flat `sops` section of dotenv and INI files from any lines: unfolding ends, and folds to what it was.

#![no_main]

use holdfast::secrets::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzed::flat_metadata(text));
