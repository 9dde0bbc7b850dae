//! What is wrong, hostile or random is answered or dropped, and a running call does not notice.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UdpSocket};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::call::{Call, Visitor};
use super::page::Page;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_does_not_disturb_a_call() {
    let call = Call::start_plain().await;
    let _camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    wrong_json(&call).await;
    an_offer_that_is_none(&call).await;
    a_huge_message(&call).await;
    a_page_of_a_stranger(&call).await;
    random_datagrams(&call).await;

    goes_on(&desktop).await;
}

/// The picture is as large as before and moves on.
async fn goes_on(desktop: &Page) {
    assert_eq!(desktop.until_more_frames("camera", 90).await, (1280, 720));
    let seen = desktop.look().await;
    assert_eq!(seen.names(), ["camera"], "nobody was let in, nobody was thrown out");
    assert_eq!(seen.state, "connected");
}

fn request(call: &Call, origin: &str) -> tungstenite::handshake::client::Request {
    let url = format!("{}/v1/signal", call.origin().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("Origin", origin.parse().unwrap());
    request.headers_mut().insert("Sec-WebSocket-Protocol", "terrace.v1".parse().unwrap());
    request
}

async fn socket(call: &Call) -> Socket {
    connect_async(request(call, &call.origin())).await.unwrap().0
}

/// A socket in a room of its own, so that the watched call sees nobody come.
async fn joined(call: &Call) -> Socket {
    let mut socket = socket(call).await;
    say(&mut socket, &json!({ "type": "join", "room": "elsewhere", "name": "mallory" }).to_string()).await;
    assert_eq!(hear(&mut socket).await["type"], "joined");
    socket
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text.to_owned())).await.unwrap();
}

/// The next message; `null` when the server closed the socket.
async fn hear(socket: &mut Socket) -> Value {
    let wait = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
        Value::Null
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), wait).await.expect("an answer or an end")
}

/// The next error, whatever else is said before it.
async fn hear_error(socket: &mut Socket) -> Value {
    loop {
        let message = hear(socket).await;
        if message.is_null() || message["type"] == "error" {
            return message;
        }
    }
}

async fn wrong_json(call: &Call) {
    for (text, code) in [
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("{\"type\":\"join\"}", "bad_message"),
        ("{\"type\":\"dance\"}", "unknown_type"),
    ] {
        let mut socket = socket(call).await;
        say(&mut socket, text).await;
        let error = hear(&mut socket).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{text}: {error}");
    }
}

async fn an_offer_that_is_none(call: &Call) {
    let mut socket = joined(call).await;
    for sdp in ["", "v=0", "not SDP at all", "v=0\r\nm=video 9 \u{1f980}\r\n"] {
        say(&mut socket, &json!({ "type": "offer", "sdp": sdp }).to_string()).await;
        let error = hear_error(&mut socket).await;
        assert_eq!(error["code"], "offer_rejected", "{sdp:?}: {error}");
        assert_eq!(error["fatal"], false, "{sdp:?}");
    }
}

async fn a_huge_message(call: &Call) {
    let mut socket = joined(call).await;
    let text = json!({ "type": "message", "data": "x".repeat(1_000_000) }).to_string();
    // The server may close before it has read all of it: then sending fails, which is as good an answer.
    if socket.send(Message::text(text)).await.is_ok() {
        let answer = hear_error(&mut socket).await;
        assert!(answer.is_null() || answer["code"] == "too_large", "{answer}");
    }
    let mut socket = joined(call).await;
    if socket.send(Message::binary(vec![0; 1_000_000])).await.is_ok() {
        let answer = hear_error(&mut socket).await;
        assert!(answer.is_null() || answer["type"] == "error", "{answer}");
    }
}

async fn a_page_of_a_stranger(call: &Call) {
    match connect_async(request(call, "https://stranger.example")).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("a foreign page was let in: {other:?}"),
    }
}

/// Noise, and noise that looks like STUN, DTLS and SRTP, from an address that belongs to nobody.
async fn random_datagrams(call: &Call) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for media in &call.server.summary.media {
        for round in 0..2_000 {
            let length = noise.below(1_400);
            let mut datagram: Vec<u8> = (0..length).map(|_| noise.below(256) as u8).collect();
            let opening: &[u8] = match round % 5 {
                // A binding request with the magic cookie (RFC 8489 §5), whatever follows.
                0 => &[0, 1, 0, 80, 0x21, 0x12, 0xa4, 0x42],
                // A DTLS handshake record (RFC 6347 §4.1).
                1 => &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
                // RTP, and RTCP transport feedback (RFC 5761 §4).
                2 => &[0x80, 0x60],
                3 => &[0x8f, 205, 0xff, 0xff],
                _ => &[],
            };
            let kept = opening.len().min(datagram.len());
            datagram[..kept].copy_from_slice(&opening[..kept]);
            // A full buffer on loopback is no failure of the server.
            let _ = socket.send_to(&datagram, media).await;
        }
    }
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
