//! A delivery sent as a web form: `payload=` and the JSON, percent-encoded.

/// The JSON of a form that has one field, `payload`, and nothing else.
#[must_use]
pub fn payload(body: &[u8]) -> Option<Vec<u8>> {
    let value = body.strip_prefix(b"payload=")?;
    let mut json = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        json.push(match byte {
            b'&' | b';' | b'=' => return None,
            b'+' => b' ',
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(json)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_is_decoded_and_everything_else_is_refused() {
        assert_eq!(
            payload(b"payload=%7B%22a%22%3A+%22%c3%A4%2B%22%7D").unwrap(),
            "{\"a\": \"ä+\"}".as_bytes()
        );
        assert_eq!(payload(b"payload=").unwrap(), b"");
        for wrong in [
            &b""[..],
            b"{}",
            b"a=1&payload=%7B%7D",
            b"payload=%7B%7D&payload=%7B%7D",
            b"payload=%7B%7D;a=1",
            b"payload=a=b",
            b"payload=%7",
            b"payload=%",
            b"payload=%zz",
            b"Payload=%7B%7D",
        ] {
            assert_eq!(payload(wrong), None, "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
