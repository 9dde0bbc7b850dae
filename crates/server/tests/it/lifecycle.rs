//! Starting and stopping: what is kept between runs, what stands in the way of a start, and how a server ends.

use std::net::UdpSocket;

use serde_json::json;
use server::{Config, Server, Source, StartError};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Running, config, next, send, start};

#[tokio::test]
async fn the_certificate_is_kept_between_runs() {
    let first = start(|_| ()).await;
    let (fingerprint, source) = first.handle.summary.certificate.clone().unwrap();
    assert!(matches!(source, Source::New(_)));
    let folder = first.folder;
    first.handle.shut_down().await.unwrap();

    let handle = Server::start(config(folder.path())).await.unwrap();
    let second = Running { handle, folder };
    let (again, source) = second.handle.summary.certificate.clone().unwrap();
    assert_eq!(again, fingerprint);
    assert!(matches!(source, Source::Kept(_)));
    assert_eq!(second.get("/").await.status, 200, "and it is the one that is served");
}

#[tokio::test]
async fn the_certificate_in_use_has_the_fingerprint_that_is_told() {
    let server = start(|_| ()).await;
    let stream = server.connect().await.unwrap();
    let served = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let (told, _) = server.handle.summary.certificate.clone().unwrap();
    assert_eq!(server::Fingerprint::of(&served), told);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_so() {
    let server = start(|_| ()).await;
    let folder = tempfile::tempdir().unwrap();
    let taken = |listen| Config { listen, ..config(folder.path()) };
    let error = Server::start(taken(server.handle.address)).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { protocol: "TCP", .. }), "{error}");
    assert!(error.to_string().contains("in use") && error.to_string().contains("--listen"), "{error}");

    // A media port that somebody else has.
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = Server::start(taken(other.local_addr().unwrap())).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { protocol: "UDP", .. }), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
async fn connections_beyond_the_total_are_closed_and_others_live() {
    let server = start(|config| config.limits.connections = 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(server.socket().await);
    }
    let mut refused = TcpStream::connect(server.handle.address).await.unwrap();
    // Closed without a byte, or reset: nothing is spent on it.
    assert!(matches!(refused.read(&mut [0; 16]).await, Ok(0) | Err(_)));
    for socket in &mut held {
        send(socket, json!({"type": "leave"})).await;
        assert_eq!(next(socket).await.unwrap()["code"], "not_joined");
    }
    // A place that is given back can be taken; the server notices the close in its own time.
    drop(held.pop());
    while server.connect().await.is_err() {}
}

#[tokio::test]
async fn a_stop_tells_everybody_and_closes_everything() {
    let server = start(|_| ()).await;
    let address = server.handle.address;
    let (mut joined, mut waiting) = (server.socket().await, server.socket().await);
    send(&mut joined, json!({"type": "join", "room": "r", "name": "Ada"})).await;
    assert_eq!(next(&mut joined).await.unwrap()["type"], "joined");
    // A connection that only holds its place must not hold up the stop.
    let _idle = server.connect().await.unwrap();

    let Running { handle, folder } = server;
    let client = async {
        let mut told = Vec::new();
        for socket in [&mut joined, &mut waiting] {
            let error = next(socket).await.unwrap();
            told.push((error["code"].clone(), error["fatal"].clone(), next(socket).await.unwrap_err()));
        }
        told
    };
    let (stopped, told) = tokio::join!(handle.shut_down(), client);
    stopped.unwrap();
    let expected = (json!("shutting_down"), json!(true), CloseCode::Away);
    assert_eq!(told, [expected.clone(), expected]);
    // Every port is free again.
    let again = Config { listen: address, ..config(folder.path()) };
    Server::start(again).await.unwrap().shut_down().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_lets_go_of_its_ports() {
    let server = start(|_| ()).await;
    let media = server.handle.summary.media.clone();
    drop(server);
    // The workers end in their own time.
    while media.iter().any(|address| UdpSocket::bind(address).is_err()) {
        tokio::task::yield_now().await;
    }
}
