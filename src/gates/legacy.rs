//! Asks whether a server still speaks TLS 1.1, which the TLS library here cannot do at all: a hand-made
//! `ClientHello` goes out, and the first record that comes back tells.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::net::Budget;

/// Record types.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// Handshake message types.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// TLS 1.1 on the wire.
const TLS_1_1: [u8; 2] = [3, 2];
/// What such servers choose from: ECDHE and RSA key exchange with AES-CBC, and 3DES.
const CIPHERS: [u16; 10] = [0xc014, 0xc00a, 0xc013, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0x000a, 0x00ff];
/// secp256r1, secp384r1.
const GROUPS: [u16; 2] = [23, 24];

/// What a server answered to an old version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// With an alert, or by closing: it refuses.
    Refused,
    /// With a `ServerHello` of that version.
    Accepted,
    /// With nothing in time, or with something else.
    Unclear,
}

/// Sends the hello and reads the first record.
pub(super) async fn ask(mut stream: TcpStream, name: &str, budget: Budget) -> Old {
    let talk = async {
        stream.write_all(&client_hello(name)).await?;
        let mut head = [0; 11];
        let mut have = 0;
        while have < head.len() {
            let count = stream.read(head.get_mut(have..).unwrap_or_default()).await?;
            have += count;
            // An alert is shorter than what is waited for, and the server may keep the connection after it.
            if count == 0 || head.first() == Some(&ALERT) {
                break;
            }
        }
        Ok::<_, std::io::Error>(judge_record(head.get(..have).unwrap_or_default()))
    };
    match timeout_at(budget.until, talk).await {
        Ok(Ok(old)) => old,
        // A reset is a refusal too.
        Ok(Err(_)) => Old::Refused,
        Err(_) => Old::Unclear,
    }
}

/// Judges the first bytes of an answer: type, version, length of the record; type, length, version of the message.
fn judge_record(bytes: &[u8]) -> Old {
    match *bytes {
        [HANDSHAKE, _, _, _, _, SERVER_HELLO, _, _, _, major, minor] if [major, minor] <= TLS_1_1 => {
            Old::Accepted
        }
        // A server that answers with a version above the one that was offered does not speak the old one.
        [] | [ALERT, ..] | [HANDSHAKE, _, _, _, _, SERVER_HELLO, ..] => Old::Refused,
        _ => Old::Unclear,
    }
}

fn client_hello(name: &str) -> Vec<u8> {
    let mut body = TLS_1_1.to_vec();
    // Nothing is encrypted with it: any bytes do as the client's random.
    body.extend((0_u8..32).map(|byte| byte.wrapping_mul(37).wrapping_add(11)));
    body.push(0);
    push_block(&mut body, 2, &words(&CIPHERS));
    push_block(&mut body, 1, &[0]);
    let mut extensions = Vec::new();
    if name.parse::<std::net::IpAddr>().is_err() {
        let mut entry = vec![0];
        push_block(&mut entry, 2, name.as_bytes());
        let mut list = Vec::new();
        push_block(&mut list, 2, &entry);
        push_extension(&mut extensions, 0, &list);
    }
    let mut groups = Vec::new();
    push_block(&mut groups, 2, &words(&GROUPS));
    push_extension(&mut extensions, 10, &groups);
    push_extension(&mut extensions, 11, &[1, 0]);
    push_block(&mut body, 2, &extensions);

    let mut message = vec![CLIENT_HELLO];
    push_block(&mut message, 3, &body);
    let mut record = vec![HANDSHAKE, 3, 1];
    push_block(&mut record, 2, &message);
    record
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Appends a length of `width` bytes and the block itself.
fn push_block(to: &mut Vec<u8>, width: usize, block: &[u8]) {
    let length = block.len().to_be_bytes();
    to.extend_from_slice(length.get(length.len() - width..).unwrap_or_default());
    to.extend_from_slice(block);
}

fn push_extension(to: &mut Vec<u8>, kind: u16, data: &[u8]) {
    to.extend_from_slice(&kind.to_be_bytes());
    push_block(to, 2, data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_tells() {
        let hello = |minor| [22, 3, 2, 0, 60, 2, 0, 0, 56, 3, minor];
        assert_eq!(judge_record(&hello(2)), Old::Accepted);
        assert_eq!(judge_record(&hello(1)), Old::Accepted);
        assert_eq!(judge_record(&hello(3)), Old::Refused);
        assert_eq!(judge_record(&[21, 3, 2, 0, 2, 2, 70]), Old::Refused);
        assert_eq!(judge_record(&[]), Old::Refused);
        assert_eq!(judge_record(b"HTTP/1.1 400"), Old::Unclear);
    }

    #[test]
    fn the_hello_says_its_own_lengths() {
        let hello = client_hello("a.example.org");
        let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        assert_eq!(hello.len(), 5 + length(3));
        assert_eq!(hello.len(), 9 + length(7));
        assert!(hello.windows(13).any(|part| part == b"a.example.org"));
    }
}
