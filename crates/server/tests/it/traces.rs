//! A collector is told what clients waited for.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::support::{next, send, start};

/// Takes what is posted on one connection: the first line of each request and its body, a message of protobuf, in which texts are
/// as they are. `None` at its end.
async fn take(mut stream: TcpStream, told: mpsc::UnboundedSender<(String, Vec<u8>)>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        let body = end + 4..end + 4 + length.parse::<usize>().ok()?;
        if read.len() < body.end {
            continue;
        }
        told.send((head.lines().next()?.to_owned(), read[body.clone()].to_vec())).ok()?;
        read.drain(..body.end);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
}

#[tokio::test]
async fn a_collector_is_told_what_clients_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, told.clone()));
        }
    });
    let server = start(|config| config.trace.otlp = Some(format!("http://{address}"))).await;

    let mut socket = server.socket().await;
    send(&mut socket, json!({"type": "join", "room": "standup", "name": "Ada"})).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "joined");
    send(&mut socket, json!({"type": "offer", "sdp": "nonsense"})).await;
    assert_eq!(next(&mut socket).await.unwrap()["code"], "offer_rejected");
    let token = server.handle.token("*", true, std::time::Duration::from_secs(60)).unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let headers = format!("authorization: Bearer {token}\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\n");
    assert_eq!(server.request("GET", "/api/v1/rooms/standup", &headers).await.status, 200);
    drop(socket);
    server.handle.shut_down().await.unwrap();

    let mut bytes = Vec::new();
    while let Ok((request, body)) = heard.try_recv() {
        assert_eq!(request, "post /v1/traces http/1.1");
        bytes.extend(body);
    }
    let id: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap()).collect();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for part in [
        "terrace",
        "session",
        "join",
        "offer",
        "terrace.room",
        "GET /api/v1/rooms/{room}",
        "http.response.status_code",
    ] {
        assert!(has(part.as_bytes()), "{part}");
    }
    assert!(has(&id), "the request is part of the caller's trace");
    assert!(!has(token.as_bytes()) && !has(b"Ada") && !has(b"127.0.0.1"), "no secrets, names or addresses");
}

#[tokio::test]
async fn a_collector_that_is_not_there_delays_nobody() {
    let server = start(|config| config.trace.otlp = Some("http://127.0.0.1:9".to_owned())).await;
    let mut socket = server.socket().await;
    send(&mut socket, json!({"type": "join", "room": "standup", "name": "Ada"})).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "joined");
    drop(socket);
    let closed = tokio::time::timeout(std::time::Duration::from_secs(20), server.handle.shut_down()).await;
    closed.expect("the farewell is bounded").unwrap();
}
