//! Between the bridge and its peers: calls can be held there for good, so that the bridge dies over them.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::support::relay::{head, header};

/// Where a call is held for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Before its server has heard of it.
    Before,
    /// After its server has answered, before the bridge hears of that.
    After,
}

/// A call that is held: the next one with all of these words in it.
struct Trap {
    words: Vec<String>,
    hold: Hold,
    tell: mpsc::Sender<()>,
}

/// What stands between the bridge and its peers.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<Vec<Trap>>>);

impl Gate {
    /// Where the bridge connects to reach the server of a URL.
    pub(super) fn to(&self, url: &str) -> SocketAddr {
        let server: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = self.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = gate.clone();
                std::thread::spawn(move || gate.pass(client, server));
            }
        });
        address
    }

    /// Holds the next call that has all of these words in it; what is returned hears of it.
    pub(super) fn hold(&self, hold: Hold, words: &[String]) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel();
        self.0.lock().unwrap().push(Trap { words: words.to_vec(), hold, tell });
        told
    }

    /// The trap that a call is in.
    fn trap(&self, call: &str) -> Option<Trap> {
        let mut traps = self.0.lock().unwrap();
        let place = traps.iter().position(|trap| trap.words.iter().all(|word| call.contains(word)))?;
        Some(traps.remove(place))
    }

    /// One connection, which the bridge uses for one call.
    fn pass(&self, mut client: TcpStream, server: SocketAddr) {
        let mut requests = BufReader::new(client.try_clone().unwrap());
        let Ok(Some(head)) = head(&mut requests) else { return };
        let mut body = vec![0; header(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        if requests.read_exact(&mut body).is_err() {
            return;
        }
        let call = head + &String::from_utf8_lossy(&body);
        let trap = self.trap(&call);
        if let Some(Trap { hold: Hold::Before, tell, .. }) = &trap {
            held(tell);
        }
        let Ok(mut server) = TcpStream::connect(server) else { return };
        drop(server.write_all(call.as_bytes()));
        if let Some(trap) = trap {
            drop(server.read(&mut [0; 1]));
            held(&trap.tell);
        }
        let mut to_server = server.try_clone().unwrap();
        std::thread::spawn(move || {
            drop(std::io::copy(&mut requests, &mut to_server));
            drop(to_server.shutdown(Shutdown::Both));
        });
        drop(std::io::copy(&mut server, &mut client));
        // A server that has died has ended the call.
        drop(client.shutdown(Shutdown::Both));
    }
}

/// Tells of it, and nothing more comes.
pub(super) fn held(tell: &mpsc::Sender<()>) {
    let _ = tell.send(());
    std::thread::sleep(Duration::from_secs(3600));
}
