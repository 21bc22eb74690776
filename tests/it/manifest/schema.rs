//! The published schema.

#[test]
fn the_committed_schema_is_the_one_the_program_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/manifest.schema.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let printed = format!("{:#}\n", holdfast::manifest::schema());
    assert!(
        committed == printed,
        "docs/reference/manifest.schema.json is stale: run `make docs` and commit it"
    );
}
