//! Who is slow, and who sends much.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::twin::Twin;
use crate::bridge::scripted::wait;
use crate::bridge::service::{Service, ask, body, delivery, request, signed};

const STRANGERS: usize = 10_000;
/// Handlers of the twin.
const HANDLERS: usize = 24;
/// Bytes of a body that is sent and not finished.
const LARGE: usize = 8_000_000;

/// This process may hold a connection for each of them, whatever it was started with.
fn let_in(connections: u64) {
    let limit = getrlimit(Resource::Nofile);
    let enough = |now: Option<u64>| now.map(|now| now.max(connections));
    let limit = Rlimit { current: enough(limit.current), maximum: enough(limit.maximum) };
    setrlimit(Resource::Nofile, limit).expect("this test holds ten thousand connections and so runs as root");
}

/// Somebody who begins and does not go on: in the head, or in a body that claims to be 8 MB.
fn stranger(at: usize, address: SocketAddr) -> TcpStream {
    let mut stream =
        TcpStream::connect(address).unwrap_or_else(|error| panic!("stranger {at} is not let in: {error}"));
    let claims = ["content-type: application/json", "content-length: 8000000", "x-gitea-signature: x"];
    let whole = request(&claims, b"{");
    // Who was given up for another cannot be written to.
    drop(stream.write_all(if at.is_multiple_of(2) { &whole[..20] } else { &whole }));
    stream
}

#[test]
fn ten_thousand_slow_strangers_do_not_keep_the_forge_out() {
    let service = Service::start(|bridge| bridge["limits"] = json!({ "connections": 512 }));
    let_in(STRANGERS as u64 + 2000);
    let (mut slow, mut delivered) = (Vec::new(), Vec::new());
    let mut deliver = || {
        let comment = delivered.len() as u64 + 1;
        let began = Instant::now();
        assert_eq!(service.deliver(&delivery(comment)), 202);
        assert!(began.elapsed() < Duration::from_secs(5), "Gitea waits 5 s: {:?}", began.elapsed());
        delivered.push(i64::try_from(comment).unwrap());
    };
    for at in 0..STRANGERS {
        slow.push(stranger(at, service.hook));
        if at % 97 == 0 {
            deliver();
        }
    }
    assert_eq!(slow.len(), STRANGERS, "all of them hold on");
    deliver();
    assert_eq!(service.journal(), delivered);
    assert!(service.metric("holdfast_bridge_evicted_total") > 100);
    assert!(service.memory() < 64 << 10, "{} KiB", service.memory());
    drop(slow);

    let twin = Twin::start(HANDLERS);
    let good = signed(&body(&delivery(1)));
    assert!(twin.answers(&good), "the twin answers while nobody is slow");
    let slow: Vec<_> = (0..HANDLERS).map(|at| stranger(at, twin.address)).collect();
    assert!(!twin.answers(&good), "the twin stands, so this proves nothing");
    drop(slow);
}

#[test]
fn a_stranger_who_sends_nothing_more_is_let_go() {
    let service = Service::start(|bridge| bridge["limits"] = json!({ "read": "1s" }));
    let twin = Twin::start(1);
    let held = stranger(1, twin.address);
    let headers = ["content-type: application/json", "content-length: 100", "x-gitea-signature: x"];
    assert_eq!(ask(service.hook, &request(&headers, b"{")).0, 408);
    // Closed, or this would wait in vain.
    ask(service.hook, b"POST /hook HTTP/1.1\r\nhost");
    assert!(!twin.answers(&signed(&body(&delivery(1)))), "the twin stands, so this proves nothing");
    drop(held);
}

/// Who sends enough of a long body to have a place among the few that may send one, and waits.
fn squat(address: SocketAddr) -> TcpStream {
    let claims = ["content-type: application/json", "content-length: 8000000", "x-gitea-signature: x"];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&request(&claims, &vec![b' '; 100_000])).unwrap();
    stream
}

#[test]
fn long_bodies_that_do_not_go_on_keep_no_long_delivery_out() {
    let service = Service::start(|bridge| bridge["limits"] = json!({ "read": "10m" }));
    let squatters: Vec<_> = (0..HANDLERS).map(|_| squat(service.hook)).collect();
    let mut long = delivery(1);
    long["issue"]["body"] = "x".repeat(1 << 20).into();
    assert_eq!(service.deliver(&long), 202);
    let given_up = || service.metric("holdfast_bridge_replies_total{status=\"408\"}");
    wait("all to be given up for whom there is no room", || given_up() >= HANDLERS as u64 - 4);
    drop(squatters);

    let twin = Twin::start(4);
    let squatters: Vec<_> = (0..4).map(|_| squat(twin.address)).collect();
    assert!(!twin.answers(&signed(&body(&long))), "the twin stands, so this proves nothing");
    drop(squatters);
}

/// Many who send 8 MB but for the end, and wait.
fn pour(address: SocketAddr) -> Vec<TcpStream> {
    let claims = ["content-type: application/json", "content-length: 8000000", "x-gitea-signature: x"];
    let bytes = request(&claims, &vec![b' '; LARGE - 1]);
    let one = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        // What is not read cannot be written.
        drop(stream.write_all(&bytes));
        stream
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..HANDLERS).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn eight_megabytes_of_everybody_are_not_all_held() {
    let service = Service::start(|_| {});
    let poured = pour(service.hook);
    let memory = service.memory() / 1024;
    assert!(memory < 96, "{memory} MiB");
    assert_eq!(service.deliver(&delivery(1)), 202);
    drop(poured);

    let twin = Twin::start(HANDLERS);
    let poured = pour(twin.address);
    wait("all of it", || twin.held() == poured.len() * (LARGE - 1));
    assert!(twin.held() >> 20 > 96, "the twin stands, so this proves nothing");
}
