//! A growing text that leaves no copies behind.

use super::super::value::SecretBytes;

/// A text that is wiped when dropped: it is measured first, so that it never moves.
pub(super) struct Out {
    bytes: Vec<u8>,
    measuring: bool,
    length: usize,
}

impl Out {
    /// Appends.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if !self.measuring {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Appends `unit` so many times.
    pub(super) fn repeat(&mut self, times: usize, unit: &[u8]) {
        for _ in 0..times {
            self.put(unit);
        }
    }
}

/// The text that `write` puts together; it is run twice.
pub(super) fn written<E>(write: impl Fn(&mut Out) -> Result<(), E>) -> Result<SecretBytes, E> {
    let mut measure = Out { bytes: Vec::new(), measuring: true, length: 0 };
    write(&mut measure)?;
    let mut out = Out { bytes: Vec::with_capacity(measure.length), measuring: false, length: 0 };
    write(&mut out)?;
    Ok(SecretBytes::new(out.bytes))
}

/// A copy in which every `from` is `to`.
pub(super) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> SecretBytes {
    let mut text = Vec::with_capacity(bytes.len() * to.len().max(1));
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(from) {
            text.extend_from_slice(to);
            rest = behind;
        } else {
            text.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    SecretBytes::new(text)
}
