//! Between the bridge and Drone: a call can be held there for good, so that the bridge dies over it.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::support::relay::head;

/// Where a call that makes a build is held for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Before Drone has heard of it.
    Before,
    /// After Drone has answered, before the bridge hears of that.
    After,
}

/// What is held next, and who hears of it.
type Armed = Mutex<Option<(Hold, mpsc::Sender<()>)>>;

/// What stands between the bridge and Drone.
pub(super) struct Gate {
    /// Where the bridge connects.
    pub(super) address: SocketAddr,
    armed: Arc<Armed>,
}

impl Gate {
    /// In front of a Drone.
    pub(super) fn to(drone: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self { address: listener.local_addr().unwrap(), armed: Arc::default() };
        let armed = Arc::clone(&gate.armed);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let armed = Arc::clone(&armed);
                std::thread::spawn(move || pass(client, drone, &armed));
            }
        });
        gate
    }

    /// Holds the next call that makes a build; what is returned hears of it.
    pub(super) fn hold(&self, hold: Hold) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel();
        *self.armed.lock().unwrap() = Some((hold, tell));
        told
    }
}

/// One connection, which the bridge uses for one call.
fn pass(mut client: TcpStream, drone: SocketAddr, armed: &Armed) {
    let Ok(mut server) = TcpStream::connect(drone) else { return };
    let mut requests = BufReader::new(client.try_clone().unwrap());
    let Ok(Some(request)) = head(&mut requests) else { return };
    let makes = request.starts_with("POST ") && request.contains("/builds?");
    let held = makes.then(|| armed.lock().unwrap().take()).flatten();
    if let Some((Hold::Before, tell)) = &held {
        let _ = tell.send(());
        std::thread::sleep(Duration::from_secs(3600));
    }
    drop(server.write_all(request.as_bytes()));
    if let Some((_, tell)) = held {
        drop(server.read(&mut [0; 1]));
        let _ = tell.send(());
        std::thread::sleep(Duration::from_secs(3600));
    }
    let mut to_server = server.try_clone().unwrap();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut requests, &mut to_server));
        drop(to_server.shutdown(Shutdown::Both));
    });
    drop(std::io::copy(&mut server, &mut client));
}
