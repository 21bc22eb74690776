//! Which image a service runs.

use super::super::Input;
use super::super::model::Service;
use super::super::place::Log;
use super::super::refused::nearest;
use super::Scope;

/// The image of a service.
#[derive(Default)]
pub(super) struct Image {
    /// What docker would send: the familiar form.
    pub(super) reference: String,
    /// As it is written: the value of the label `com.docker.stack.image`.
    pub(super) written: String,
    /// The manifest image, when one is named.
    pub(super) name: Option<String>,
}

/// Every service and image that the manifest's stack names must be there.
pub(super) fn check_names(scope: &Scope<'_>, input: &Input<'_>, log: &mut Log) {
    for service in input.stack.images.keys() {
        if !scope.file.services.contains_key(service) {
            let known: Vec<&str> = scope.file.services.keys().map(String::as_str).collect();
            let fix = match nearest(service, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it, or write one of: {}", known.join(", ")),
            };
            let message = format!("`images` of the stack names the service `{service}`, which no file has");
            log.error(log.home, message, fix);
        }
    }
}

/// The image of the service `key`, or `None` after a problem: that of the manifest if one is named there, else the file's, which must be
/// pinned.
pub(super) fn of(key: &str, service: &Service, input: &Input<'_>, log: &mut Log) -> Option<Image> {
    if let Some(name) = input.stack.images.get(key) {
        let Some(image) = input.images.get(name) else {
            let message = format!("`images` of the stack names `{name}`, which is no image of the manifest");
            log.error(service.place, message, format!("declare `{name}` in `images` of the manifest"));
            return None;
        };
        let reference = familiar(&image.reference);
        return Some(Image { reference, written: image.reference.clone(), name: Some(name.clone()) });
    }
    let Some(image) = service.image.as_ref() else {
        if service.broken {
            return None;
        }
        let message = format!("the service `{key}` has no image");
        log.error(service.place, message, "add `image`, or name one in `images` of the stack");
        return None;
    };
    let text = image.value.as_str();
    if !is_reference(text) {
        let fix = "write `name:tag@sha256:DIGEST`";
        log.error(image.place, format!("`{text}` is not an image"), fix);
        return None;
    }
    if !text.contains('@') && !text.starts_with("holdfast.invalid/") {
        let fix =
            format!("write `{text}@sha256:DIGEST`, or name an image for `{key}` in `images` of the stack");
        log.error(image.place, format!("the image `{text}` is not pinned by digest"), fix);
        return None;
    }
    let name = input.images.iter().find(|(_, spec)| spec.reference == text).map(|(name, _)| name.clone());
    Some(Image { reference: familiar(text), written: text.to_owned(), name })
}

/// `docker.io/library/NAME` is called `NAME`.
fn familiar(reference: &str) -> String {
    let short = reference.strip_prefix("docker.io/").or_else(|| reference.strip_prefix("index.docker.io/"));
    let Some(short) = short else {
        return reference.strip_prefix("library/").unwrap_or(reference).to_owned();
    };
    short.strip_prefix("library/").unwrap_or(short).to_owned()
}

/// True for `[HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]`.
fn is_reference(text: &str) -> bool {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let hex = |text: &str| {
        text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if !digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(hex)) {
        return false;
    }
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let word = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    let tag = tag.is_none_or(|tag| {
        !tag.is_empty() && tag.len() <= 128 && tag.bytes().all(word) && !tag.starts_with(['.', '-'])
    });
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let host =
        first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase());
    let first = if host && !rest.is_empty() { is_host(first) } else { is_component(first) };
    tag && first && rest.into_iter().all(is_component) && path.len() <= 255
}

fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    !name.is_empty() && name.bytes().all(word) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Lower-case words joined by `.`, `_`, `__` or dashes.
fn is_component(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let joined = ["..", "___", "._", "_.", ".-", "-."];
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(word)
        && joined.iter().all(|pair| !text.contains(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_references() {
        let digest = "a".repeat(64);
        for good in [
            "nginx",
            "a/b:1.2",
            "localhost/x",
            "example.org:5000/a/b:v1",
            "a__b/c-d",
            "holdfast.invalid/x:0f",
        ] {
            assert!(is_reference(good), "{good}");
            assert!(is_reference(&format!("{good}@sha256:{digest}")), "{good}");
        }
        for bad in ["", "A", "a:", "a//b", "/a", "a@sha256:12", "a b", "-a", "a..b", "a:b:c", "a/"] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn names_images_as_docker_does() {
        assert_eq!(familiar("docker.io/library/nginx:1"), "nginx:1");
        assert_eq!(familiar("docker.io/a/b:1"), "a/b:1");
        assert_eq!(familiar("example.org/library/b:1"), "example.org/library/b:1");
    }
}
