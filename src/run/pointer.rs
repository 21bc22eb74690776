//! Where something stands in a manifest.

/// An RFC 6901 JSON pointer.
pub(super) fn pointer(steps: &[&str]) -> String {
    steps.iter().flat_map(|step| ["/".to_owned(), step.replace('~', "~0").replace('/', "~1")]).collect()
}
