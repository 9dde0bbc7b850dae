//! What strangers may send, on every way in, while a call goes on: each is refused as it should be, nothing is ever answered
//! with more than was sent before somebody has proven who they are, and the call loses nothing.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::*;

/// How a stranger tries, and how it is answered.
enum Attempt {
    /// Bytes on a connection, and the statuses that may come back; 0 is a connection that is closed without any.
    Http(Vec<u8>, &'static [u16]),
    /// Bytes on an open WebSocket, which is then closed.
    Frame(Vec<u8>),
    /// A message as the first one, and the code of the error.
    First(String, &'static str),
    /// A message of somebody who has joined, and the code of the error.
    Joined(String, &'static str),
    /// A datagram to the media port, to which nothing is said.
    Datagram(Vec<u8>),
}

use Attempt::{Datagram, First, Frame, Http, Joined};

fn request(head: &str, body: &str) -> Vec<u8> {
    format!("{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn http() -> Vec<(&'static str, Attempt)> {
    let get = |path: &str| request(&format!("GET {path} HTTP/1.1"), "");
    let api = "/api/v1/rooms/room";
    vec![
        ("TLS where none is spoken", Http(vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], &[400, 0])),
        ("nothing but zeros", Http(vec![0; 4_096], &[400, 0])),
        ("a version of the future", Http(b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400, 505, 0])),
        ("a header without an end", Http(format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(99_999)).into_bytes(), &[431, 400, 0])),
        ("ten thousand headers", Http(format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000)).into_bytes(), &[431, 400, 0])),
        ("a zero byte in a header", Http(b"GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n".to_vec(), &[400, 0])),
        ("two lengths of one body", Http(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde".to_vec(), &[400, 0])),
        ("a length and chunks", Http(b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), &[400, 405, 0])),
        ("a chunk of no size", Http(b"PATCH /api/v1/server HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(), &[400, 401, 0])),
        ("a path out of the pages", Http(get("/../../../etc/passwd"), &[404, 400])),
        ("the same, escaped", Http(get("/%2e%2e/%2e%2e/etc/passwd"), &[404])),
        ("a method that does not exist", Http(request("BREW / HTTP/1.1", ""), &[405])),
        ("a body for a page", Http(request("POST /r/room HTTP/1.1", "x"), &[405])),
        ("a WebSocket without a key", Http(b"GET /v1/signal HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-protocol: terrace.v1\r\n\r\n".to_vec(), &[400])),
        ("a WebSocket of a stranger's page", Http(request("GET /v1/signal HTTP/1.1\r\norigin: https://evil.example", ""), &[403])),
        ("the operator's list without a token", Http(get("/api/v1/rooms"), &[401])),
        ("the end of a room without a token", Http(request(&format!("DELETE {api} HTTP/1.1"), ""), &[401])),
        ("the end of a room with nonsense for a token", Http(request(&format!("DELETE {api} HTTP/1.1\r\nauthorization: Bearer x.y.z"), ""), &[401])),
        ("a token without a signature", Http(request(&format!("DELETE {api} HTTP/1.1\r\nauthorization: Bearer {}", unsigned("HS256")), ""), &[401])),
        ("a token of the algorithm `none`", Http(request(&format!("DELETE {api} HTTP/1.1\r\nauthorization: Bearer {}", unsigned("none")), ""), &[401])),
        ("metrics without a token", Http(get("/metrics"), &[401])),
        ("a link that was guessed", Http(get("/l/00000000000000000000000000000000"), &[404])),
        ("an offer that is no session description", Http(request("POST /whip/room HTTP/1.1\r\ncontent-type: application/sdp", "v=1"), &[400])),
        ("an offer of another type", Http(request("POST /whip/room HTTP/1.1\r\ncontent-type: text/plain", "v=0"), &[415])),
        ("an offer of a megabyte", Http(request("POST /whip/room HTTP/1.1\r\ncontent-type: application/sdp", &"a".repeat(1 << 20)), &[413, 0])),
        ("a room that cannot be", Http(request("POST /whip/ro%20om HTTP/1.1\r\ncontent-type: application/sdp", "v=0"), &[400])),
        ("a resource that is not there", Http(request("DELETE /whip/room/00000000000000000000000000000000 HTTP/1.1", ""), &[404])),
    ]
}

/// A token with all rights whose signature is empty. In base64: the header with this algorithm, and claims until 2100.
fn unsigned(algorithm: &str) -> String {
    let claims = r#"{"room":"*","rights":["administrate"],"exp":4102444800}"#;
    format!("{}.{}.", base64(&format!(r#"{{"alg":"{algorithm}","kid":"this-run"}}"#)), base64(claims))
}

/// RFC 4648 §5, without padding.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out
}

fn signalling() -> Vec<(&'static str, Attempt)> {
    let join = |extra: Value| {
        let mut join = json!({"type": "join", "room": "room", "name": "Eve"});
        join.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        join.to_string()
    };
    let offer = |sdp: &str| json!({"type": "offer", "sdp": sdp}).to_string();
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    let section = |mid: &str| {
        format!(
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\n"
        )
    };
    let ice = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n";
    vec![
        ("a frame that is not masked", Frame(vec![0x81, 2, b'{', b'}'])),
        ("a frame with reserved bits", Frame(vec![0xf1, 0x80, 0, 0, 0, 0])),
        (
            "a frame longer than memory",
            Frame(vec![0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        ),
        ("text that is no UTF-8", Frame(vec![0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])),
        ("a binary frame", Frame(vec![0x82, 0x81, 0, 0, 0, 0, 1])),
        ("a ping that is too long", Frame([&[0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0][..], &[0; 256]].concat())),
        ("a continuation of nothing", Frame(vec![0x80, 0x81, 0, 0, 0, 0, b'x'])),
        ("no JSON", First("hello".into(), "bad_json")),
        ("lists in lists without end", First("[".repeat(20_000), "bad_json")),
        ("a type that does not exist", First(r#"{"type":"fly"}"#.into(), "unknown_type")),
        ("a message before joining", First(r#"{"type":"leave"}"#.into(), "not_joined")),
        ("a name of control characters", First(join(json!({"name": "\u{0}\u{7}"})), "bad_message")),
        ("a room out of bounds", First(join(json!({"room": "x".repeat(65)})), "too_large")),
        ("a token that is none", First(join(json!({"token": "x"})), "unauthorized")),
        (
            "a token without a signature, to join",
            First(join(json!({"token": unsigned("none")})), "unauthorized"),
        ),
        (
            "a token of an unknown key",
            First(join(json!({"token": format!("{}x", unsigned("HS256"))})), "unauthorized"),
        ),
        ("a second join", Joined(join(json!({})), "already_joined")),
        (
            "data without bounds",
            Joined(json!({"type": "message", "data": "x".repeat(20_000)}).to_string(), "too_large"),
        ),
        (
            "data for nobody",
            Joined(json!({"type": "message", "to": "p999", "data": 1}).to_string(), "unknown_participant"),
        ),
        (
            "a section that cannot be",
            Joined(
                json!({"type": "publish", "mid": "x".repeat(40), "source": "camera", "muted": false})
                    .to_string(),
                "too_large",
            ),
        ),
        (
            "a view of 1,000 slots",
            Joined(
                json!({"type": "view", "slots": vec![json!({"mid": "1", "want": "auto"}); 1_000]})
                    .to_string(),
                "too_large",
            ),
        ),
        ("an empty offer", Joined(offer(""), "offer_rejected")),
        ("an offer without media", Joined(offer(head), "offer_rejected")),
        ("an offer of zero bytes", Joined(offer(&"\0".repeat(1_000)), "offer_rejected")),
        (
            "an offer of a thousand sections",
            Joined(
                offer(&format!("{head}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(1_000))),
                "offer_rejected",
            ),
        ),
        (
            "an offer that names two sections alike",
            Joined(
                offer(&format!("{head}a=group:BUNDLE 0\r\n{}{ice}{}", section("0"), section("0"))),
                "offer_rejected",
            ),
        ),
        (
            "an offer without a fingerprint",
            Joined(offer(&format!("{head}a=group:BUNDLE 0\r\n{}{ice}", section("0"))), "offer_rejected"),
        ),
    ]
}

fn datagrams(ufrag: &str) -> Vec<(&'static str, Attempt)> {
    /// A STUN message (RFC 8489 §5) with these attributes.
    fn stun(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in attributes {
            body.extend(name.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = kind.to_be_bytes().to_vec();
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(0x2112_a442u32.to_be_bytes());
        message.extend([7; 12]);
        message.extend(body);
        message
    }
    let user = format!("{ufrag}:eve");
    let lying = {
        let mut message = stun(1, &[(6, user.as_bytes())]);
        // The attribute claims to be longer than the message.
        message[22..24].copy_from_slice(&u16::MAX.to_be_bytes());
        message
    };
    let record = |kind: u8, body: &[u8]| {
        let mut record = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    };
    let client_hello = {
        let mut hello = vec![1, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 44, 0xfe, 0xfd];
        hello.extend([9; 32]);
        hello.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 0]);
        hello
    };
    vec![
        ("an empty datagram", Datagram(Vec::new())),
        ("a datagram of one byte", Datagram(vec![0])),
        ("the largest datagram there is", Datagram(vec![0x80; 65_507])),
        ("a protocol that nobody knows", Datagram(vec![0xff; 100])),
        ("TURN channel data", Datagram([&[0x40, 0, 0, 4][..], &[1; 4]].concat())),
        ("STUN that is cut off", Datagram(stun(1, &[(6, user.as_bytes())])[..19].to_vec())),
        ("STUN whose attribute is too long", Datagram(lying)),
        ("a check of nobody", Datagram(stun(1, &[]))),
        ("a check for a user that does not exist", Datagram(stun(1, &[(6, b"nobody:eve")]))),
        ("a check for a real user without integrity", Datagram(stun(1, &[(6, user.as_bytes())]))),
        (
            "a check for a real user with wrong integrity",
            Datagram(stun(1, &[(6, user.as_bytes()), (8, &[5; 20])])),
        ),
        (
            "a nomination with wrong integrity",
            Datagram(stun(1, &[(6, user.as_bytes()), (0x25, &[]), (8, &[5; 20])])),
        ),
        ("a success that was not asked for", Datagram(stun(0x0101, &[(6, user.as_bytes())]))),
        ("an allocation, as if this were TURN", Datagram(stun(3, &[(6, user.as_bytes())]))),
        ("a handshake from an address that proved nothing", Datagram(record(22, &client_hello))),
        ("an alert", Datagram(record(21, &[2, 40]))),
        ("application data", Datagram(record(23, &[0; 64]))),
        ("a record that is cut off", Datagram(record(22, &client_hello)[..20].to_vec())),
        ("RTP of nobody", Datagram([&[0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0; 100]].concat())),
        ("RTP that lies about its length", Datagram(vec![0x9f, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])),
        ("RTCP of nobody", Datagram([&[0x81, 201, 0, 7][..], &[0; 28]].concat())),
        ("a BYE of nobody", Datagram(vec![0x81, 203, 0, 1, 0, 0, 0, 1])),
    ]
}

async fn socket(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{address}/v1/signal").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "terrace.v1".parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

/// The first message of that type.
async fn message(socket: &mut WebSocketStream<TcpStream>, kind: &str) -> Value {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == kind {
                    return message;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("no {kind}: {other:?}"),
        }
    }
}

async fn join_by_hand(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let mut socket = socket(address).await;
    let join = json!({"type": "join", "room": "strangers", "name": "Eve"}).to_string();
    socket.send(Message::text(join)).await.unwrap();
    message(&mut socket, "joined").await;
    socket
}

async fn attempt(why: &str, attempt: Attempt, address: SocketAddr, media: SocketAddr) {
    match attempt {
        Http(bytes, expected) => {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The server may have had enough before all is sent, and closes.
            let _ = stream.write_all(&bytes).await;
            let mut answer = Vec::new();
            if expected.contains(&0) {
                // It is not whole: only its end lets the server judge it.
                let _ = stream.shutdown().await;
            }
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            assert!(expected.contains(&status), "{why}: {status}: {answer}");
        }
        Frame(bytes) => {
            let mut socket = socket(address).await;
            socket.get_mut().write_all(&bytes).await.unwrap();
            let ended = async {
                while let Some(Ok(frame)) = socket.next().await {
                    assert!(!matches!(frame, Message::Binary(_)), "{why}");
                }
            };
            tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{why}: it stays open"));
        }
        First(text, code) => {
            let mut socket = socket(address).await;
            socket.send(Message::text(text)).await.unwrap();
            assert_eq!(message(&mut socket, "error").await["code"], code, "{why}");
        }
        Joined(text, code) => {
            let mut socket = join_by_hand(address).await;
            socket.send(Message::text(text)).await.unwrap();
            assert_eq!(message(&mut socket, "error").await["code"], code, "{why}");
            socket.send(Message::text(r#"{"type":"leave"}"#)).await.unwrap();
        }
        Datagram(bytes) => {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(media).await.unwrap();
            socket.send(&bytes).await.unwrap();
            // Answers are looked for at the end, when all of them have had their time.
            let mut buffer = [0; 2_048];
            assert!(socket.try_recv(&mut buffer).is_err(), "{why}: answered");
        }
    }
}

/// Somebody's ICE user: what a participant of the call knows of itself only, and what an attacker would need to guess.
async fn own_ufrag(address: SocketAddr) -> (WebSocketStream<TcpStream>, String) {
    let mut socket = join_by_hand(address).await;
    let fingerprint = vec!["AB"; 32].join(":");
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
         c=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=recvonly\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n"
    );
    socket.send(Message::text(json!({"type": "offer", "sdp": sdp}).to_string())).await.unwrap();
    let answer = message(&mut socket, "answer").await;
    let sdp = answer["sdp"].as_str().unwrap();
    let ufrag = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned();
    (socket, ufrag)
}

#[tokio::test]
async fn whatever_strangers_send_is_refused_and_a_call_goes_on() {
    let config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        tls: server::config::Tls { plain_http: true, ..Default::default() },
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let (address, media) = (server.address, server.summary.media[0]);
    let options = |name: &str| Options::new("room", name);
    let camera = Options {
        camera: Some(CameraConfig::default()),
        microphone: true,
        video_slots: 0,
        seed: 1,
        ..options("camera")
    };
    let _camera = join(&server, camera).await;
    let watcher = join(&server, desktop(options("watcher"))).await;
    let before = wait_for(&watcher, "a picture", |r| r.frames > 30).await;

    let (_eve, ufrag) = own_ufrag(address).await;
    let attempts: Vec<_> = http().into_iter().chain(signalling()).chain(datagrams(&ufrag)).collect();
    assert!(attempts.len() >= 40, "{} kinds", attempts.len());
    for (why, each) in attempts {
        attempt(why, each, address, media).await;
    }
    quiet(&ufrag, media).await;
    flood(address).await;

    let after = wait_for(&watcher, "the picture goes on", |r| r.frames > before.frames + 60).await;
    assert_flawless(&after);
    assert_eq!(
        after.keyframe_requests, before.keyframe_requests,
        "nor did it have to ask for anything: {after:#?}"
    );
    watcher.leave().await;
    server.shut_down().await.unwrap();
}

/// All datagrams of strangers from one socket, a hundred times: not a byte comes back (amplification, RFC 9000 §8 has the
/// rule of three; here it is zero).
async fn quiet(ufrag: &str, media: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(media).await.unwrap();
    for _ in 0..100 {
        for (_, each) in datagrams(ufrag) {
            if let Datagram(bytes) = each
                && bytes.len() < 2_000
            {
                // A full buffer here is no matter.
                let _ = socket.send(&bytes).await;
            }
        }
    }
    let mut buffer = [0; 2_048];
    let answered = tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut buffer)).await;
    assert!(answered.is_err(), "a stranger was answered: {answered:?}");
}

/// A thousand messages as fast as they go: answered for a while, then closed.
async fn flood(address: SocketAddr) {
    let mut socket = join_by_hand(address).await;
    let flood = async {
        for _ in 0..1_000 {
            if socket.feed(Message::text(r#"{"type":"view","slots":[]}"#)).await.is_err() {
                return;
            }
        }
        let _ = socket.flush().await;
    };
    flood.await;
    let mut codes = Vec::new();
    while let Some(Ok(frame)) = socket.next().await {
        if let Message::Text(text) = frame {
            let message: Value = serde_json::from_str(&text).unwrap();
            codes.extend(message["code"].as_str().map(str::to_owned));
        }
    }
    assert!(codes.iter().any(|code| code == "too_fast"), "{codes:?}");
}
