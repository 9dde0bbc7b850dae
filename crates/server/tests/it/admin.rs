//! The operator's interface of a running server, held against its own OpenAPI document.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Running, Socket, next, send, start};

const DAY: Duration = Duration::from_secs(86_400);

/// Sends a request with a token and, perhaps, a body.
async fn ask(server: &Running, token: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let body = body.map(Value::to_string).unwrap_or_default();
    let headers = format!(
        "authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let response = server.request_with(method, path, &headers, body.as_bytes()).await;
    let value = match response.body.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}")),
    };
    (response.status, value)
}

async fn join(server: &Running, room: &str, name: &str, token: Option<&str>) -> (Socket, Value) {
    let mut socket = server.socket().await;
    send(&mut socket, json!({"type": "join", "room": room, "name": name, "token": token})).await;
    let joined = next(&mut socket).await.unwrap();
    (socket, joined)
}

/// A call of two, and what is asked for, in this order: method, path, body, expected status.
fn conversation(who: &str) -> Vec<(&'static str, String, Option<Value>, u16)> {
    let one = format!("/api/v1/rooms/standup/participants/{who}");
    vec![
        ("GET", "/api/v1/server".into(), None, 200),
        ("GET", "/api/v1/openapi.json".into(), None, 200),
        ("GET", "/api/v1/rooms".into(), None, 200),
        ("GET", "/api/v1/rooms/standup".into(), None, 200),
        ("GET", "/api/v1/rooms/nobody".into(), None, 404),
        ("GET", "/api/v1/rooms/nobody/history".into(), None, 404),
        ("GET", "/api/v1/rooms/standup/history?since_ms=x".into(), None, 400),
        ("GET", "/api/v1/rooms/standup/history?since=0".into(), None, 400),
        ("GET", "/api/v1/rooms/nobody/events".into(), None, 404),
        ("PATCH", one.clone(), Some(json!({"muted": true})), 204),
        ("PATCH", one.clone(), Some(json!({})), 204),
        ("PATCH", format!("{one}9"), Some(json!({})), 404),
        ("PATCH", one.clone(), Some(json!([true])), 400),
        ("PATCH", one.clone(), Some(json!({"muted": true, "pin": {"mid": "none", "max_height": 180}})), 404),
        ("PATCH", one.clone(), Some(json!({"muted": "yes"})), 400),
        ("PATCH", one.clone(), Some(json!({"fly": true})), 400),
        ("PATCH", one.clone(), Some(json!({"muted": true, "x": "y".repeat(20_000)})), 413),
        ("PATCH", one.clone(), Some(json!({"publication": {"id": "t9", "muted": true}})), 404),
        ("PATCH", one.clone(), Some(json!({"pin": {"mid": "9", "max_height": 180}})), 404),
        ("PATCH", one.clone(), Some(json!({"pin": {"mid": "9", "max_height": 0}})), 400),
        ("PATCH", one.clone(), Some(json!({"limit": {"max_bps": 500_000.0}})), 204),
        ("PATCH", one.clone(), Some(json!({"limit": {"max_bps": 500_000.5}})), 400),
        ("PATCH", one.clone(), Some(json!({"limit": {"max_bps": 2_000_000_000_000_u64}})), 400),
        ("PATCH", one.clone(), Some(json!({"limit": {"max_bps": null}})), 204),
        ("PATCH", one.clone(), Some(json!({"limit": {"max_bps": -1}})), 400),
        ("GET", format!("{one}/decisions?seconds=0"), None, 400),
        ("GET", format!("{one}/decisions?minutes=1"), None, 400),
        ("GET", "/api/v1/rooms/standup/participants/p999/decisions".into(), None, 404),
        ("PATCH", "/api/v1/rooms/standup/participants/p999".into(), Some(json!({"muted": true})), 404),
        ("PATCH", "/api/v1/rooms/nobody/participants/p1".into(), Some(json!({"muted": true})), 404),
        ("PATCH", "/api/v1/server".into(), Some(json!({"log": "info,sfu=loud"})), 400),
        ("PATCH", "/api/v1/server".into(), Some(json!({"log": "i".repeat(1_025)})), 400),
        ("PATCH", "/api/v1/server".into(), Some(json!({"move_to": "example.org"})), 400),
        ("PATCH", "/api/v1/server".into(), Some(json!({"draining": true})), 204),
        ("PATCH", "/api/v1/server".into(), Some(json!({"draining": false})), 204),
        ("DELETE", one.clone(), None, 204),
        ("DELETE", one, None, 404),
        ("DELETE", "/api/v1/rooms/standup".into(), None, 204),
        ("DELETE", "/api/v1/rooms/standup".into(), None, 404),
    ]
}

/// The operation of a document that a request is, with its path there.
fn operation<'a>(document: &'a Value, method: &str, path: &str) -> (&'a str, &'a Value) {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (mut parts, mut given) = (template.split('/'), path.split('/'));
        parts.clone().count() == given.clone().count()
            && parts.all(|part| given.next().is_some_and(|own| part.starts_with('{') || part == own))
    };
    let paths = document["paths"].as_object().unwrap();
    let (template, operations) = paths.iter().find(|(template, _)| fits(template)).unwrap();
    (template, &operations[&method.to_lowercase()])
}

#[tokio::test]
async fn every_answer_is_one_that_the_document_promises() {
    let server = start(|_| ()).await;
    let token = server.handle.token("*", true, DAY).unwrap();
    let (_ada, joined) = join(&server, "standup", "Ada", None).await;
    let (_bob, _) = join(&server, "standup", "Bob", None).await;
    let (status, document) = ask(&server, &token, "GET", "/api/v1/openapi.json", None).await;
    assert_eq!(status, 200);

    let mut asked = std::collections::BTreeSet::new();
    for (method, path, body, expected) in conversation(joined["self"].as_str().unwrap()) {
        let (status, answer) = ask(&server, &token, method, &path, body.as_ref()).await;
        assert_eq!(status, expected, "{method} {path} {body:?}: {answer}");
        let (template, operation) = operation(&document, method, &path);
        let promised = &operation["responses"][status.to_string()];
        assert!(promised.is_object(), "{method} {template} does not promise {status}");
        match promised.pointer("/content/application~1json/schema") {
            None => assert_eq!(answer, Value::Null, "{method} {path}"),
            Some(schema) => {
                let mut schema = schema.clone();
                schema["components"] = document["components"].clone();
                let validator = jsonschema::validator_for(&schema).unwrap();
                validator
                    .validate(&answer)
                    .unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer}"));
            }
        }
        asked.insert(format!("{} {template}", method.to_lowercase()));
    }
    // Followed for as long as the room is there, the history is only there after a second: the test below.
    for other in ["get /api/v1/rooms/{room}/events", "get /api/v1/rooms/{room}/history"] {
        asked.insert(other.to_owned());
    }
    let all: std::collections::BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            operations.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    assert_eq!(asked, all, "every operation was asked for");
}

#[tokio::test]
async fn nobody_sees_or_changes_anything_without_the_right() {
    let server = start(|config| config.limits.bad_tokens_per_address = 1_000).await;
    let (_ada, _) = join(&server, "standup", "Ada", None).await;
    let guest = server.handle.token("*", false, DAY).unwrap();
    let other = server.handle.token("retro", true, DAY).unwrap();
    let over = server.handle.token("*", true, Duration::ZERO).unwrap();
    // What is refused for its size is closed before it is read.
    for (method, path, body, _) in conversation("p1").into_iter().filter(|(.., status)| *status != 413) {
        // A token that ends now is good for the leeway of ten seconds, so it is not among these.
        for (token, expected, why) in
            [("", 401, "none"), ("x", 401, "nonsense"), (guest.as_str(), 403, "a guest's")]
        {
            let (status, answer) = ask(&server, token, method, &path, body.as_ref()).await;
            assert_eq!(status, expected, "{why}: {method} {path}: {answer}");
        }
        if !path.ends_with("openapi.json") && path != "/api/v1/rooms" && !path.contains("nobody") {
            let (status, answer) = ask(&server, &other, method, &path, body.as_ref()).await;
            assert_eq!(status, 403, "another room's: {method} {path}: {answer}");
        }
    }
    let (_, rooms) = ask(&server, &other, "GET", "/api/v1/rooms", None).await;
    assert_eq!(rooms, json!({"rooms": []}), "other rooms are not even listed");
    assert_eq!(ask(&server, &over, "GET", "/api/v1/rooms", None).await.0, 200, "clocks differ by seconds");
}

#[tokio::test]
async fn a_participant_reads_the_decisions_about_itself_and_no_others() {
    let server = start(|config| config.limits.bad_tokens_per_address = 1_000).await;
    let (_ada, joined) = join(&server, "standup", "Ada", None).await;
    let secret = joined["resume"].as_str().unwrap();
    let short = "/v1/decisions/standup?seconds=1";
    for (secret, path, expected, why) in [
        (secret, short, 200, "its own"),
        (secret, "/v1/decisions/standup?seconds=0", 400, "no time"),
        (secret, "/v1/decisions/standup?participant=p2", 400, "somebody else's"),
        (secret, "/v1/decisions/retro?seconds=1", 401, "another room"),
        ("", short, 401, "nobody's"),
        ("x", short, 401, "a guess"),
    ] {
        let answer =
            server.request_with("GET", path, &format!("authorization: Bearer {secret}\r\n"), b"").await;
        assert_eq!(answer.status, expected, "{why}: {}", answer.body);
    }
    let bearer = format!("authorization: Bearer {secret}\r\n");
    let twice = || server.request_with("GET", short, &bearer, b"");
    let (one, other) = tokio::join!(twice(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        twice().await
    });
    assert_eq!((one.status, other.status), (200, 429), "once at a time");
}

#[tokio::test]
async fn who_is_removed_is_told_and_a_drained_server_takes_nobody_new() {
    let server = start(|_| ()).await;
    let token = server.handle.token("*", true, DAY).unwrap();
    let (mut ada, joined) = join(&server, "standup", "Ada", None).await;
    let path = format!("/api/v1/rooms/standup/participants/{}", joined["self"].as_str().unwrap());
    assert_eq!(ask(&server, &token, "DELETE", &path, None).await.0, 204);
    assert_eq!(next(&mut ada).await.unwrap()["code"], "removed");

    let (mut bob, joined) = join(&server, "standup", "Bob", None).await;
    let drain = json!({"draining": true, "move_to": "wss://other.example/v1/signal"});
    assert_eq!(ask(&server, &token, "PATCH", "/api/v1/server", Some(&drain)).await.0, 204);
    assert_eq!(next(&mut bob).await.unwrap()["url"], "wss://other.example/v1/signal");
    assert_eq!(server.get("/ready").await.status, 503);
    assert_eq!(server.get("/health").await.status, 200, "it works, but wants no more");
    let (_, refused) = join(&server, "standup", "Eve", None).await;
    assert_eq!(refused["code"], "shutting_down");
    let mut back = server.socket().await;
    send(&mut back, json!({"type": "join", "room": "standup", "name": "Bob", "resume": joined["resume"]}))
        .await;
    assert_eq!(next(&mut back).await.unwrap()["resumed"], true, "who is in a call stays in it");
}

#[tokio::test]
async fn history_and_events_come_by_themselves() {
    let server = start(|_| ()).await;
    let token = server.handle.token("standup", true, DAY).unwrap();
    let (_ada, joined) = join(&server, "standup", "Ada", None).await;
    let authorised = format!("authorization: Bearer {token}\r\n");
    let events = server.first_bytes("/api/v1/rooms/standup/events", &authorised, "\n\n").await;
    let data = events.split("data: ").nth(1).expect("an event with data").lines().next().unwrap();
    let room: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&room["name"], &room["participants"][0]["name"]), (&json!("standup"), &json!("Ada")));
    // What was told live is in the history before.
    let (status, history) = ask(&server, &token, "GET", "/api/v1/rooms/standup/history", None).await;
    assert_eq!((status, &history["participants"][0]["id"]), (200, &joined["self"]), "{history}");
    assert!(!history["participants"][0]["at_ms"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_with_keys_lets_in_who_has_a_token() {
    let secret = "0123456789abcdef0123456789abcdef";
    let server = start(|config| config.access.keys.push(format!("k:{secret}").parse().unwrap())).await;
    let (_, refused) = join(&server, "standup", "Eve", None).await;
    assert_eq!((&refused["code"], &refused["fatal"]), (&json!("unauthorized"), &json!(true)));
    let guest = server.handle.token("standup", false, DAY).unwrap();
    let (_ada, joined) = join(&server, "standup", "Ada", Some(&guest)).await;
    assert_eq!(joined["rights"], json!({"publish": true, "subscribe": true, "administrate": false}));
    let (_, refused) = join(&server, "retro", "Ada", Some(&guest)).await;
    assert_eq!(refused["code"], "unauthorized", "another room");
    assert_eq!(server.handle.summary.operator, None, "the operator has keys of their own");
}
