//! The way in, and the way back when the signalling connection is lost.

use client::{ConnectError, JoinError};
use signalling::ErrorCode;

use super::*;

#[tokio::test]
async fn another_certificate_is_not_believed() {
    let server = server().await;
    let stranger = Options { trust: Trust::Fingerprint([7; 32]), ..options(&server, "stranger") };
    let refused = Participant::join(&server.summary.url, stranger).await;
    assert!(matches!(refused, Err(JoinError::Connect(ConnectError::Socket(_)))), "the handshake fails");
}

#[tokio::test]
async fn a_refusal_says_why() {
    let server = server().await;
    let misnamed = Options { room: "no such characters!".to_owned(), ..options(&server, "misnamed") };
    match Participant::join(&server.summary.url, misnamed).await {
        Err(JoinError::Refused(error)) => assert_eq!(error.code, ErrorCode::BadMessage),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("a room has no exclamation marks"),
    }
}

#[tokio::test]
async fn a_lost_socket_costs_no_frame() {
    let server = server().await;
    let _camera = join(&server, camera(&server, "camera", 1)).await;
    let (url, _is_up, cut) = breakable(&server).await;
    let mut watcher = Participant::join(&url, desktop(options(&server, "watcher"))).await.unwrap();
    let before = wait_for(&watcher, "a picture", |r| r.frames > 30).await;

    cut.send(()).unwrap();
    let back = async {
        let mut lost = false;
        loop {
            match watcher.next_event().await.expect("it goes on") {
                Event::Reconnecting => lost = true,
                Event::Resumed => return lost,
                Event::Closed => panic!("it was given up"),
                _ => {}
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, back).await.expect("it comes back"), "it was away");

    let after = wait_for(&watcher, "the picture goes on", |r| r.frames > before.frames + 60).await;
    assert_flawless(&after);
    watcher.leave().await;
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn who_may_not_send_or_receive_does_not() {
    let mut config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        ..Config::default()
    };
    config.access.keys.push("k:0123456789abcdef0123456789abcdef".parse().unwrap());
    let server = Server::start_ephemeral(config).await.unwrap();
    let day = Duration::from_secs(86_400);
    let (guest, operator) = (server.token("room", false, day), server.token("room", true, day));
    let refused = Participant::join(
        &server.summary.url,
        Options { token: operator.clone(), ..camera(&server, "x", 1) },
    );
    match refused.await {
        Err(JoinError::Refused(error)) => assert_eq!(error.code, ErrorCode::Forbidden),
        other => panic!("an offer that sends needs the right to: {:?}", other.err()),
    }
    let _camera = join(&server, Options { token: guest.clone(), ..camera(&server, "camera", 1) }).await;
    let blind = join(&server, Options { token: operator, ..desktop(options(&server, "blind")) }).await;
    let watcher = join(&server, Options { token: guest, ..desktop(options(&server, "watcher")) }).await;
    wait_for(&watcher, "who may receive does", |r| r.frames > 60).await;
    assert_eq!(blind.receiver_report().video.frames, 0, "and who may not does not");
}
