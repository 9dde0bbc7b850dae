//! What an operator does reaches those it is about: a bound on what is shown, a mute that its sender cannot lift, the history.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

pub(super) struct Operator {
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

impl Operator {
    /// Asks, and takes nothing but success for an answer.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.text(method, path, &body).await;
        if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    /// Asks, and reads all that comes until the end.
    async fn text(&self, method: &str, path: &str, body: &str) -> String {
        // The older version, so that a stream comes without the lengths of its pieces.
        let request = format!(
            "{method} /api/v1/rooms/room{path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 20"), "{method} {path}: {answer}");
        body.to_owned()
    }
}

#[tokio::test]
async fn what_an_operator_says_holds() {
    let config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        tls: server::config::Tls { plain_http: true, ..Default::default() },
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let token = server.token("room", true, Duration::from_secs(600)).unwrap();
    let operator = Arc::new(Operator { address: server.address, token });
    let camera =
        Options { camera: Some(CameraConfig::default()), video_slots: 0, ..Options::new("room", "camera") };
    let camera = join(&server, camera).await;
    let watcher = join(&server, desktop(Options::new("room", "watcher"))).await;
    wait_for(&watcher, "720p", |r| r.height == Some(720) && r.frames > 30).await;

    let room = operator.ask("GET", "", Value::Null).await;
    let seen = &room["participants"][1];
    assert_eq!(seen["name"], "watcher", "{room:#}");
    let slot = seen["slots"].as_array().unwrap().iter().find(|slot| slot["height"] == 720).unwrap();
    assert_eq!(slot["reason"], "optimal", "{slot}");
    assert!(
        seen["downlink"]["estimate_bps"].as_u64().unwrap() > 0
            && seen["downlink"]["packets"].as_u64().unwrap() > 0
    );

    let path = format!("/participants/{}", seen["id"].as_str().unwrap());
    let pin = |height: Value| json!({"pin": {"mid": slot["mid"], "max_height": height}});
    operator.ask("PATCH", &path, pin(json!(180))).await;
    wait_for(&watcher, "180p, as it was pinned", |r| r.height == Some(180)).await;
    operator.ask("PATCH", &path, pin(Value::Null)).await;
    let back = wait_for(&watcher, "720p, as the pin is gone", |r| r.height == Some(720)).await;
    assert_flawless(&back);

    let captured = {
        let (operator, path) = (Arc::clone(&operator), format!("{path}/decisions?seconds=4"));
        tokio::spawn(async move { operator.text("GET", &path, "").await })
    };
    let limit = |max: Value| json!({"limit": {"max_bps": max}});
    operator.ask("PATCH", &path, limit(json!(400_000))).await;
    wait_for(&watcher, "180p, which is all that fits", |r| r.height == Some(180)).await;
    assert_eq!(operator.ask("GET", "", Value::Null).await["participants"][1]["limit_bps"], 400_000);
    operator.ask("PATCH", &path, limit(Value::Null)).await;
    wait_for(&watcher, "720p, as the limit is gone", |r| r.height == Some(720)).await;
    every_decision_replays(&captured.await.unwrap(), seen["id"].as_str().unwrap());

    let publication = room["participants"][0]["publications"][0]["id"].clone();
    let sender = format!("/participants/{}", room["participants"][0]["id"].as_str().unwrap());
    operator.ask("PATCH", &sender, json!({"publication": {"id": publication, "muted": true}})).await;
    let state = operator.ask("GET", "", Value::Null).await;
    let muted = &state["participants"][0];
    assert_eq!(
        (&muted["publications"][0]["muted"], &muted["muted_by_operator"]),
        (&json!(true), &json!([publication]))
    );
    wait_for(&watcher, "the reason", |r| r.reason == Some(signalling::Reason::PublisherOff)).await;
    operator.ask("PATCH", &sender, json!({"muted": false})).await;
    let silent = watcher.receiver_report().video.frames;
    wait_for(&watcher, "the picture again", |r| r.frames > silent + 60).await;

    let history = operator.ask("GET", "/history", Value::Null).await;
    let watched = &history["participants"][1];
    let samples = watched["at_ms"].as_array().unwrap().len();
    assert!(samples > 1, "{history}");
    for list in ["estimate_bps", "budget_bps", "rtt_ms", "missing", "switches"] {
        assert_eq!(watched[list].as_array().unwrap().len(), samples, "{list}");
    }
    let slots = watched["slots"].as_array().unwrap();
    let states = slots.iter().flat_map(|slot| slot["states"].as_array().unwrap());
    let heights: Vec<u64> = states.filter_map(|moment| moment["state"]["height"].as_u64()).collect();
    assert!(heights.contains(&720), "{heights:?}");

    operator.ask("DELETE", "", Value::Null).await;
    let mut camera = camera;
    let told = async {
        loop {
            match camera.next_event().await {
                Some(Event::Error(error)) => return error.code,
                Some(_) => {}
                None => panic!("it ended without a word"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, told).await.unwrap(), signalling::ErrorCode::Removed);
    server.shut_down().await.unwrap();
}

/// A capture is a decision log about that one receiver, and the limit shows in it.
fn every_decision_replays(capture: &str, about: &str) {
    let decisions: Vec<sfu::LoggedDecision> =
        capture.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(decisions.len() > 3, "four seconds have more than {} decisions", decisions.len());
    let mut budgets = Vec::new();
    for logged in &decisions {
        assert_eq!((logged.room.as_str(), logged.participant.as_str()), ("room", about));
        assert_eq!(logged.record.replay(), Ok(()));
        budgets.extend(logged.record.input.budget.map(|budget| budget.keep.as_bps()));
    }
    assert!(budgets.iter().any(|budget| *budget <= 400_000), "{budgets:?}");
}
