//! The door to signalling and the way through it to a room, over real sockets.

use serde_json::{Value, json};

use crate::support::{PROTOCOL, next, send, start};

fn join(room: &str, name: &str) -> Value {
    json!({"type": "join", "room": room, "name": name})
}

#[tokio::test]
async fn the_door_is_for_own_pages_listed_pages_and_native_clients() {
    let server =
        start(|config| config.allow_origins = vec!["https://app.example.org".parse().unwrap()]).await;
    let own = format!("https://localhost:{}", server.handle.address.port());
    for (headers, expected, why) in [
        (&[PROTOCOL, ("origin", own.as_str())][..], None, "own page"),
        (&[PROTOCOL, ("origin", "https://app.example.org")], None, "a listed page"),
        (&[PROTOCOL], None, "a native client"),
        (&[("sec-websocket-protocol", "chat, terrace.v1")], None, "one of several subprotocols"),
        (&[PROTOCOL, ("origin", "https://evil.example")], Some(403), "a stranger's page"),
        (&[PROTOCOL, ("origin", "null")], Some(403), "a sandboxed frame"),
        (&[("sec-websocket-protocol", "terrace.v2")], Some(400), "another subprotocol"),
        (&[PROTOCOL, ("sec-websocket-version", "8")], Some(400), "a draft of the standard"),
    ] {
        assert_eq!(server.socket_with(headers).await.err(), expected, "{why}");
    }
}

#[tokio::test]
async fn people_in_one_room_see_each_other_and_nobody_else() {
    let server = start(|_| ()).await;
    // More rooms than workers, so that both have one.
    for room in ["a", "b", "c", "d", "e", "f"] {
        let (mut ada, mut bob) = (server.socket().await, server.socket().await);
        send(&mut ada, join(room, "Ada")).await;
        let joined = next(&mut ada).await.unwrap();
        assert_eq!((&joined["type"], &joined["participants"]), (&json!("joined"), &json!([])), "{joined}");
        send(&mut bob, join(room, "Bob")).await;
        let joined = next(&mut bob).await.unwrap();
        assert_eq!(joined["participants"][0]["name"], "Ada", "{joined}");
        let change = next(&mut ada).await.unwrap();
        assert_eq!(change["joined"][0]["name"], "Bob", "{change}");
        send(&mut bob, json!({"type": "leave"})).await;
        let change = next(&mut ada).await.unwrap();
        assert_eq!(change["left"], json!([joined["self"]]), "{change}");
    }
}

#[tokio::test]
async fn limits_are_told_as_configured() {
    let server = start(|config| config.limits.participants_per_room = 1).await;
    let (mut ada, mut bob) = (server.socket().await, server.socket().await);
    send(&mut ada, join("r", "Ada")).await;
    let joined = next(&mut ada).await.unwrap();
    assert_eq!(joined["limits"]["participants"], 1, "{joined}");
    assert_eq!(joined["limits"]["messages_per_second"], 20, "{joined}");
    send(&mut bob, join("r", "Bob")).await;
    let refused = next(&mut bob).await.unwrap();
    assert_eq!(refused["code"], "room_full", "{refused}");
}

#[tokio::test]
async fn a_lost_socket_is_taken_up_again() {
    let server = start(|_| ()).await;
    let mut first = server.socket().await;
    send(&mut first, join("r", "Ada")).await;
    let joined = next(&mut first).await.unwrap();
    // Without a close frame, as when a phone changes its network.
    drop(first);
    let mut second = server.socket().await;
    let mut again = join("r", "Ada");
    again["resume"] = joined["resume"].clone();
    send(&mut second, again).await;
    let resumed = next(&mut second).await.unwrap();
    assert_eq!((&resumed["resumed"], &resumed["self"]), (&json!(true), &joined["self"]), "{resumed}");
}

#[tokio::test]
async fn garbage_is_answered_and_hurts_nobody() {
    let server = start(|_| ()).await;
    let mut socket = server.socket().await;
    send(&mut socket, json!("garbage")).await;
    assert_eq!(next(&mut socket).await.unwrap()["code"], "bad_json");
    send(&mut socket, join("r", "Ada")).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "joined");
    send(&mut socket, json!({"type": "offer", "sdp": "garbage"})).await;
    assert_eq!(next(&mut socket).await.unwrap()["code"], "offer_rejected");
    assert_eq!(server.get("/health").await.status, 200);
}
