//! A server hands its participants to another one.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{accept_hdr_async, connect_async};

use super::*;

async fn plain_server() -> Handle {
    let mut config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        ..Config::default()
    };
    config.tls.plain_http = true;
    Server::start(config).await.unwrap()
}

fn address(server: &Handle) -> String {
    format!("{}/v1/signal", server.summary.url.trim_end_matches('/').replacen("http", "ws", 1))
}

/// Stands between one participant and its server, passes everything on, and says `moved` when told where to.
async fn proxy(server: String, told: oneshot::Receiver<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        pass_on(socket, server, told).await;
    });
    own
}

#[expect(clippy::result_large_err, reason = "the shape of a handshake's callback is given")]
async fn pass_on(socket: TcpStream, server: String, mut told: oneshot::Receiver<String>) {
    let protocol = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "terrace.v1".parse().unwrap());
        Ok(response)
    };
    let mut near = accept_hdr_async(socket, protocol).await.unwrap();
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(server).unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "terrace.v1".parse().unwrap());
    let (mut far, _) = connect_async(request).await.unwrap();
    loop {
        tokio::select! {
            Some(Ok(message)) = near.next() => far.send(message).await.unwrap(),
            Some(Ok(message)) = far.next() => near.send(message).await.unwrap(),
            url = &mut told => {
                let moved = json!({ "type": "moved", "url": url.unwrap() });
                near.send(Message::text(moved.to_string())).await.unwrap();
                return;
            }
            else => return,
        }
    }
}

#[tokio::test]
async fn a_participant_follows_its_server_to_another() {
    let (first, second) = (plain_server().await, plain_server().await);
    let camera = |name: &str, seed| Options {
        camera: Some(CameraConfig::default()),
        video_slots: 0,
        seed,
        ..Options::new("room", name)
    };
    let _here = join(&first, camera("here", 1)).await;
    let _there = join(&second, camera("there", 2)).await;

    let (tell, told) = oneshot::channel();
    let between = proxy(address(&first), told).await;
    let mut watcher = Participant::join(&between, Options::new("room", "watcher")).await.unwrap();
    wait_for(&watcher, "the camera of the first server", |r| r.frames > 30).await;

    tell.send(address(&second)).unwrap();
    let rejoined = async { while watcher.next_event().await.unwrap() != Event::Rejoined {} };
    tokio::time::timeout(PATIENCE, rejoined).await.expect("it joins there");
    let report = wait_for(&watcher, "the camera of the second server", |r| r.frames > 30).await;
    assert_flawless(&report);
}
