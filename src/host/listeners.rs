//! Sockets that listen, as the kernel's tables `/proc/net/{tcp,udp}{,6}` have them.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::observed::Protocol;

/// The tables, with the state of a socket in them that others can reach: `LISTEN` of TCP, and of UDP `CLOSE`, which is one
/// that is bound and speaks with nobody in particular.
const TABLES: [(&str, Protocol, &str); 4] = [
    ("tcp", Protocol::Tcp, "0A"),
    ("tcp6", Protocol::Tcp, "0A"),
    ("udp", Protocol::Udp, "07"),
    ("udp6", Protocol::Udp, "07"),
];

/// A socket that others can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) protocol: Protocol,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// By this the processes that hold it are found.
    pub(super) inode: u64,
}

/// What listens in the network namespace of this process. A kernel without IPv6 has no tables of it.
pub(super) fn sockets(proc: &Path) -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    for (table, protocol, state) in TABLES {
        match std::fs::read_to_string(proc.join("net").join(table)) {
            Ok(text) => found.extend(parse(&text, protocol, state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by_key(|socket| (socket.protocol, socket.port, socket.address));
    Ok(found)
}

fn parse<'t>(text: &'t str, protocol: Protocol, state: &'t str) -> impl Iterator<Item = Socket> + 't {
    text.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, is, _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
        let (address, port) = local_address(local).filter(|_| *is == state)?;
        Some(Socket { protocol, address, port, inode: inode.parse().ok()? })
    })
}

/// `0100007F:1F90` is 127.0.0.1:8080 where the machine is little-endian: an address is written as numbers of 32 bits, each
/// with the bytes of the network in the machine's own order.
fn local_address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| {
        let digits = address.get(at * 8..(at + 1) * 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            IpAddr::from(bytes)
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the kernel writes an address.
    fn written(address: IpAddr, port: u16) -> String {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let word = |four: &[u8]| format!("{:08X}", u32::from_ne_bytes(four.try_into().unwrap()));
        format!("{}:{port:04X}", bytes.chunks(4).map(word).collect::<String>())
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn what_listens_is_told_from_what_is_connected() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1222 1 00 100 0\n   \
                   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1223 1 00 20 4\n";
        let found: Vec<Socket> = parse(tcp, Protocol::Tcp, "0A").collect();
        let address = "127.0.0.1".parse().unwrap();
        assert_eq!(found, [Socket { protocol: Protocol::Tcp, address, port: 8080, inode: 1222 }]);
        let udp6 = "  sl  local_address                         remote_address                        st tx_queue\n  \
                    7: B80D0120000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 \
                    00:00000000 00000000   101        0 77 2 00 0\n";
        let found: Vec<Socket> = parse(udp6, Protocol::Udp, "07").collect();
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(found, [Socket { protocol: Protocol::Udp, address, port: 53, inode: 77 }]);
    }

    proptest! {
        #[test]
        fn every_address_is_read_as_it_was_written(
            four in any::<[u8; 4]>(), sixteen in any::<[u8; 16]>(), port in any::<u16>()
        ) {
            for address in [IpAddr::from(four), IpAddr::from(sixteen)] {
                prop_assert_eq!(local_address(&written(address, port)), Some((address, port)));
            }
        }

        #[test]
        fn no_text_stops_the_reader(text in "\\PC{0,40}", hex in "[0-9A-Fa-fé+:]{0,40}") {
            local_address(&text);
            local_address(&hex);
            let table = format!("head\n{text}\n0: {hex} x 0A a b c d e {text}\n");
            prop_assert!(parse(&table, Protocol::Tcp, "0A").count() <= 2);
        }
    }
}
