//! The manifest's JSON Schema.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Manifest;

/// The JSON Schema (draft 2020-12) of a manifest; committed as `docs/reference/manifest.schema.json`.
#[must_use]
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Manifest>().to_value()
}
