//! Stanzas, the messages between age and its plugins: `-> TYPE ARGUMENTS...`, then base64 in lines of 64.

use std::io::{self, Read, Write};

use age_core::format::Stanza;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// A plugin that says more than this in one message says nothing that is understood.
const LONGEST: usize = 1 << 16;
/// Characters of a full line.
const COLUMNS: usize = 64;

/// Writes one message.
pub(super) fn send(to: &mut impl Write, kind: &str, arguments: &[&str], body: &[u8]) -> io::Result<()> {
    // Room for all of it at once: an argument may be an identity.
    let words: usize = arguments.iter().map(|word| word.len() + 1).sum();
    let mut text = Zeroizing::new(String::with_capacity(64 + kind.len() + words + body.len() * 2));
    text.push_str("-> ");
    text.push_str(kind);
    for word in arguments {
        text.push(' ');
        text.push_str(word);
    }
    let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(body));
    let mut rest = encoded.as_str();
    loop {
        text.push('\n');
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        rest = after;
        // The last line is a short one, and be it empty.
        if line.len() < COLUMNS {
            break;
        }
    }
    text.push('\n');
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// Reads one message. Bytes are read one by one, so that nothing behind it is taken: messages are few and short.
pub(super) fn receive(from: &mut impl Read) -> io::Result<Stanza> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "said what no plugin says");
    let mut left = LONGEST;
    let head = line(from, &mut left)?;
    let head = std::str::from_utf8(&head).map_err(|_| wrong())?;
    let mut words = head.strip_prefix("-> ").ok_or_else(wrong)?.split(' ').map(str::to_owned);
    let tag = words.next().filter(|tag| !tag.is_empty()).ok_or_else(wrong)?;
    let args = words.collect();
    // A file key is 16 bytes, and whoever takes it out wipes it: it must not have moved before.
    let mut body = Vec::with_capacity(COLUMNS);
    loop {
        let text = line(from, &mut left)?;
        let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(&*text).map_err(|_| wrong())?);
        if text.len() > COLUMNS {
            return Err(wrong());
        }
        body.extend_from_slice(&bytes);
        if text.len() < COLUMNS {
            return Ok(Stanza { tag, args, body });
        }
    }
}

fn line(from: &mut impl Read, left: &mut usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(128));
    let mut byte = Zeroizing::new([0_u8]);
    loop {
        from.read_exact(&mut *byte)?;
        match *byte {
            [b'\n'] => return Ok(line),
            [other] if *left > 0 => line.push(other),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "said too much")),
        }
        *left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_received_at_every_length() {
        for length in (0..200).chain([48 * 100]) {
            let body: Vec<u8> = (0..length).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
            let mut sent = Vec::new();
            send(&mut sent, "recipient-stanza", &["0", "X25519"], &body).unwrap();
            assert!(sent.split(|byte| *byte == b'\n').all(|line| line.len() <= 64));
            let mut rest = sent.as_slice();
            let got = receive(&mut rest).unwrap();
            let expected = ("recipient-stanza", ["0", "X25519"].map(str::to_owned).to_vec(), body);
            assert_eq!((got.tag.as_str(), got.args, got.body), expected);
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "",
            "-> ",
            "->ok\n\n",
            "hello\n",
            "-> ok\n!!\n",
            "-> ok\n",
            &format!("-> {}", "x".repeat(70_000)),
        ] {
            assert!(receive(&mut text.as_bytes()).is_err(), "{}", &text[..text.len().min(20)]);
        }
        let endless = format!("-> ok\n{}", format!("{}\n", "A".repeat(64)).repeat(2000));
        assert!(receive(&mut endless.as_bytes()).is_err());
    }
}
