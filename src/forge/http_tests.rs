//! Proves the client against a server that answers what it is told to, byte by byte.

use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Serves `answer` to one request on a free port; gives back its address and what was asked.
async fn once(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 65536];
        let read = stream.read(&mut seen).await.unwrap();
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&seen[..read]).into_owned()
    });
    (address, asked)
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn the_address_that_is_dialled_is_not_the_name_that_is_asked_for() {
    run(async {
        let (address, asked) = once(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        let client = Client::new("http://git.example.org/sub/", Some(&address), None).unwrap();
        let call = Call::new(Method::POST, "/api?x=1").authorized(bearer(&secret("tok"))).json(&[1]);
        let answer = client.send(call).await.unwrap();
        assert_eq!(answer.json::<serde_json::Value>().unwrap(), serde_json::json!({}));
        let asked = asked.await.unwrap().to_lowercase();
        assert!(asked.starts_with("post /sub/api?x=1 http/1.1\r\n"), "{asked}");
        for part in
            ["host: git.example.org\r\n", "authorization: bearer tok\r\n", "application/json", "\r\n\r\n[1]"]
        {
            assert!(asked.contains(part), "{part} is not in {asked}");
        }
    });
}

#[test]
fn an_error_names_call_status_and_the_first_line_of_the_forges_words_and_no_query() {
    run(async {
        let (address, _asked) = once(
            b"HTTP/1.1 422 x\r\nconnection: close\r\n\r\n{\"message\":\"name is taken\\nby somebody\"}\n",
        )
        .await;
        let client = Client::new(&format!("http://{address}"), None, None).unwrap();
        let call = Call::new(Method::PUT, "/a?access_token=hidden").authorized(bearer(&secret("hidden")));
        let error = client.send(call).await.unwrap().success().unwrap_err();
        assert_eq!(error.to_string(), format!("PUT http://{address}/a was answered with 422: name is taken"));
        assert!(!format!("{error:?}").contains("hidden"));
        assert_eq!((error.status(), error.is_passing(), error.is_open()), (Some(422), false, false));
    });
}

#[test]
fn a_page_of_a_proxy_is_told_by_its_status_only() {
    for (body, words) in [
        (&b"<html><body>Bad Gateway</body></html>"[..], "bad gateway"),
        (b"", "bad gateway"),
        (b"404 page not found\n", "404 page not found"),
        (b"a\x1b[31mb", "a[31mb"),
        (b"{\"message\": 3}", "bad gateway"),
    ] {
        assert_eq!(super::words(hyper::StatusCode::BAD_GATEWAY, body), words);
    }
}

#[test]
fn no_redirect_is_followed() {
    run(async {
        let (address, _asked) =
            once(b"HTTP/1.1 303 x\r\nlocation: http://198.51.100.1/\r\ncontent-length: 0\r\n\r\n").await;
        let client = Client::new(&format!("http://{address}"), None, None).unwrap();
        let answer = client.send(Call::new(Method::GET, "/")).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "http://198.51.100.1/"));
        assert_eq!(answer.success().unwrap_err().status(), Some(303));
    });
}

#[test]
fn what_does_not_answer_whole_is_an_error_of_its_own() {
    run(async {
        for (answer, passing, says) in [
            (&b""[..], true, "closed the connection without an answer"),
            (b"SSH-2.0-OpenSSH\r\n", true, "not HTTP"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", true, "broke off"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", false, "longer than 16 MiB"),
        ] {
            let (address, _asked) = once(answer).await;
            let client = Client::new(&format!("http://{address}"), None, None).unwrap();
            let error = client.send(Call::new(Method::GET, "/")).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.is_open() && error.is_passing() == passing, "{error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = Client::new(&format!("http://{address}"), None, None).unwrap();
        let error = client.clone().patient(Duration::from_millis(50)).send(Call::new(Method::GET, "/")).await;
        assert!(matches!(error, Err(ForgeError::Late { .. })));
        drop(listener);
        let error = client.send(Call::new(Method::GET, "/")).await.unwrap_err();
        assert!(error.to_string().ends_with("refused the connection"), "{error}");
    });
}

#[test]
fn json_of_another_form_is_told_without_quoting_it() {
    run(async {
        let (address, _asked) =
            once(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"sha1\":\"hidden\"}").await;
        let client = Client::new(&format!("http://{address}"), None, None).unwrap();
        let error = client.send(Call::new(Method::GET, "/")).await.unwrap().json::<Vec<u8>>().unwrap_err();
        assert!(error.to_string().contains("another form of JSON"), "{error}");
        assert!(!error.to_string().contains("hidden"));
    });
}

#[test]
fn lines_of_a_stream_come_one_by_one_and_it_ends() {
    run(async {
        let (address, _asked) = once(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n: ping\n\ndata: {}\r\nevent: error\ndata: eof",
        )
        .await;
        let client = Client::new(&format!("http://{address}"), None, None).unwrap();
        let mut lines = client.stream(Call::new(Method::GET, "/")).await.unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        assert_eq!(all, [": ping", "", "data: {}", "event: error", "data: eof"]);
    });
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for url in [
        "",
        "git.example.org",
        "ftp://git.example.org",
        "https://",
        "http://u:p@git.example.org",
        "http://a?b",
    ] {
        assert!(matches!(Client::new(url, None, None), Err(ForgeError::Settings { .. })), "{url} was taken");
    }
    let client = Client::new("http://[2001:db8::1]:3000/git/", None, None).unwrap();
    assert_eq!(
        (client.base().as_str(), client.dial.as_str()),
        ("http://[2001:db8::1]:3000/git", "[2001:db8::1]:3000")
    );
}

#[test]
fn segments_and_queries_cannot_reach_out_of_their_place() {
    assert_eq!(path(&["repos", "a/../b", "ü?#"]), "/repos/a%2F..%2Fb/%C3%BC%3F%23");
    assert_eq!(query(&[("a b", "c&d=e"), ("f", "")]), "?a%20b=c%26d%3De&f=");
    assert_eq!(query(&[]), "");
    assert_eq!(basic("a", &secret("b")).expose(), b"Basic YTpi");
}
