//! A Gitea and a Drone in one, which do what they are told: also what real ones do only on bad days.

mod world;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Value, json};

use super::gate::{Hold, held};
use super::service::{HEAD, Service, delivery};
use crate::support::relay::head;
pub(super) use world::World;

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing is done, and this is answered.
    Status(u16),
    /// It is done, and the connection is closed without an answer.
    Dropped,
    /// It is done, and this is answered in place of what should be.
    Said(&'static str),
    /// Nothing is done, and nothing is ever answered.
    Silent,
}

/// The server; it ends with the test.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl Scripted {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fresh = World { head: HEAD.to_owned(), permission: "write".to_owned(), ..World::default() };
        let world = Arc::new(Mutex::new(fresh));
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let world = Arc::clone(&shared);
                std::thread::spawn(move || serve(client, &world));
            }
        });
        Self { address, world }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The next calls that begin so go wrong.
    pub(super) fn fault(&self, call: &'static str, times: usize, fault: Fault) {
        self.world().faults.push((call, times, fault));
    }

    /// Holds a write by its number; what is returned hears of it.
    pub(super) fn hold(&self, number: usize, hold: Hold) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel();
        self.world().held = Some((number, hold, tell));
        told
    }

    /// A bridge between the two; `change` is done to its section.
    pub(super) fn bridge(&self, change: impl FnOnce(&mut Value)) -> Service {
        let url = format!("http://{}", self.address);
        Service::with(&[("bot", "bot-token-5b1e"), ("drone", "drone-token-5b1e")], |bridge| {
            bridge["forge"]["url"] = url.clone().into();
            bridge["drone"]["url"] = url.clone().into();
            change(bridge);
        })
    }

    /// Somebody writes a comment, which is not delivered.
    pub(super) fn write(&self, delivery: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let comment = &delivery["comment"];
        let number = comment["id"].as_u64().unwrap();
        let (said, who, when) = (&comment["body"], &comment["user"]["login"], &comment["created_at"]);
        self.world().comments.push((number, text(said), text(who), text(when)));
    }

    /// Somebody writes a comment, which is delivered.
    pub(super) fn comment(&self, service: &Service, number: u64, body: &str) {
        let mut sent = delivery(number);
        sent["comment"]["body"] = body.into();
        self.write(&sent);
        assert_eq!(service.deliver(&sent), 202);
    }

    /// A build goes on, and the stream tells of it.
    pub(super) fn build_is(&self, number: usize, status: &str) {
        let mut world = self.world();
        status.clone_into(&mut world.builds[number - 1].1);
        let told = json!({ "build": { "number": number, "status": status } });
        world.streams.retain_mut(|stream| stream.write_all(format!("data: {told}\n\n").as_bytes()).is_ok());
    }

    /// Every stream is cut.
    pub(super) fn cut(&self) {
        for stream in self.world().streams.drain(..) {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
    }

    /// Waits for a stream.
    pub(super) fn streamed(&self) {
        wait("a stream", || !self.world().streams.is_empty());
    }

    /// Builds that were made for a comment.
    pub(super) fn builds_of(&self, comment: u64) -> usize {
        let wanted = format!("TESTME_ID={comment}&");
        self.world().builds.iter().filter(|(query, _)| format!("{query}&").contains(&wanted)).count()
    }
}

/// Where a comment stands in the journal of a bridge: state and result.
pub(super) fn stand(service: &Service, comment: u64) -> Option<(String, Option<String>)> {
    let journal = Connection::open(service.file("state/bridge/journal.db")).unwrap();
    journal.busy_timeout(Duration::from_secs(5)).unwrap();
    let sql = "SELECT state, result FROM task WHERE comment = ?";
    journal.query_row(sql, [comment], |row| Ok((row.get(0)?, row.get(1)?))).optional().unwrap()
}

/// Waits until a comment stands there.
pub(super) fn until(service: &Service, comment: u64, state: &str) -> Option<String> {
    let mut last = None;
    wait(&format!("comment {comment} at {state}"), || {
        last = stand(service, comment);
        last.as_ref().is_some_and(|last| last.0 == state)
    });
    last.and_then(|last| last.1)
}

pub(super) fn wait(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_secs(90), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn serve(mut client: TcpStream, world: &Mutex<World>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let Ok(Some(head)) = head(&mut reader) else { return };
    let (line, headers) = head.split_once("\r\n").unwrap();
    let call = line.trim_end_matches(" HTTP/1.1").to_owned();
    let length = headers.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut world = world.lock().unwrap();
    world.calls.push(call.clone());
    world.writes += usize::from(!call.starts_with("GET "));
    let writes = world.writes;
    if let Some((_, hold, tell)) = world.held.take_if(|(number, ..)| *number == writes) {
        if hold == Hold::After {
            world.answer(&call, &body);
        }
        drop(world);
        return held(&tell);
    }
    let fault = world.faults.iter_mut().find(|(what, times, _)| {
        // One that ends so is the whole call.
        let is = what.strip_suffix('$').map_or_else(|| call.starts_with(what), |whole| call == whole);
        *times > 0 && is
    });
    let fault = fault.map(|(_, times, fault)| {
        *times -= 1;
        fault.clone()
    });
    let (status, answer) = match fault {
        Some(Fault::Status(status)) => (status, json!({ "message": "a bad day" }).to_string()),
        Some(Fault::Silent) => {
            drop(world);
            std::thread::sleep(Duration::from_secs(3600));
            return;
        }
        Some(Fault::Dropped) => {
            world.answer(&call, &body);
            return;
        }
        Some(Fault::Said(text)) => {
            world.answer(&call, &body);
            (200, text.to_owned())
        }
        None if call.contains("/api/stream/") && !world.no_stream => {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: ping\n\n";
            drop(client.write_all(head.as_bytes()));
            world.streams.push(client);
            return;
        }
        None => {
            let (status, answer) = world.answer(&call, &body);
            (status, answer.to_string())
        }
    };
    drop(world);
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    drop(client.write_all(text.as_bytes()));
}
