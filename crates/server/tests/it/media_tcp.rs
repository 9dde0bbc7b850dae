//! Connectivity checks over a raw TCP connection to the port of the page (RFC 6544, RFC 4571).

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport::check::{self, Check};
use transport::framing;

use crate::support::{Running, next, send, start};

const PATIENCE: Duration = Duration::from_secs(30);

/// One slot for pictures, as a client of few needs offers it.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=setup:actpass\r\na=mid:v0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:96 VP8/90000\r\n";

/// What an answer says of ICE.
struct Server {
    ufrag: String,
    password: String,
    /// Address and port of the candidate for TCP, if there is one.
    tcp: Option<(String, u16)>,
}

/// Joins a room and offers; the socket has to stay open.
async fn answered(server: &Running, room: &str) -> (Server, crate::support::Socket) {
    let mut socket = server.socket().await;
    send(&mut socket, json!({"type": "join", "room": room, "name": "Ada"})).await;
    next(&mut socket).await.unwrap();
    let fingerprint = ["7F"; 32].join(":");
    let offer = OFFER.replace("a=setup", &format!("a=fingerprint:sha-256 {fingerprint}\r\na=setup"));
    send(&mut socket, json!({"type": "offer", "sdp": offer})).await;
    let answer = next(&mut socket).await.unwrap();
    let sdp = answer["sdp"].as_str().unwrap_or_else(|| panic!("an answer, not {answer}"));
    let line = |key: &str| sdp.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    let tcp = sdp.lines().find(|line| line.ends_with(" typ host tcptype passive")).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[1], words[2]), ("1", "tcp"), "{line}");
        (words[4].to_owned(), words[5].parse().unwrap())
    });
    (Server { ufrag: line("a=ice-ufrag:"), password: line("a=ice-pwd:"), tcp }, socket)
}

fn request(server: &Server, transaction: u64) -> bytes::Bytes {
    let check = Check {
        ufrag: &server.ufrag,
        password: &server.password,
        own_ufrag: "abcd",
        transaction,
        tie_breaker: 1,
        nominate: true,
    };
    framing::frame(&check.request()).unwrap()
}

/// The next frame of a connection; `None` when it has ended.
async fn frame(tcp: &mut TcpStream) -> Option<Vec<u8>> {
    let read = async {
        let length = tcp.read_u16().await.ok()?;
        let mut frame = vec![0; length.into()];
        tcp.read_exact(&mut frame).await.ok()?;
        Some(frame)
    };
    tokio::time::timeout(PATIENCE, read).await.expect("a frame or an end")
}

#[tokio::test]
async fn checks_are_answered_on_the_port_of_the_page_by_the_worker_of_the_room() {
    let server = start(|_| ()).await;
    // More rooms than workers, so that both have one.
    for room in ["a", "b", "c", "d", "e", "f"] {
        let (ice, _socket) = answered(&server, room).await;
        let (ip, port) = ice.tcp.clone().expect("TCP is told");
        assert_eq!(port, server.handle.address.port());
        let mut tcp = TcpStream::connect((ip.as_str(), port)).await.unwrap();
        let own = tcp.local_addr().unwrap();
        for transaction in 1..=3 {
            // In pieces, as TCP may cut it anywhere.
            let request = request(&ice, transaction);
            for piece in request.chunks(7) {
                tcp.write_all(piece).await.unwrap();
                tcp.flush().await.unwrap();
            }
            let response = frame(&mut tcp).await.expect("an answer");
            assert_eq!(check::succeeded(&response), Some(transaction), "in {room}");
            // RFC 8489 §14.2: the address is covered by the cookie; the port's bytes are in front of it.
            let port = own.port() ^ 0x2112;
            assert!(response.windows(2).any(|bytes| bytes == port.to_be_bytes()), "it says where from");
        }
        // The page is served beside it.
        assert_eq!(server.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn connections_for_nobody_end_and_tcp_can_be_left_out() {
    let server = start(|_| ()).await;
    let (ice, _socket) = answered(&server, "room").await;
    let address = server.handle.address;
    let unknown = Server { ufrag: "//abcdefgh".to_owned(), ..ice };
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(&request(&unknown, 1)).await.unwrap();
    assert_eq!(frame(&mut tcp).await, None, "no worker has this name");

    let server = start(|config| config.media.tcp = false).await;
    let (ice, _socket) = answered(&server, "room").await;
    assert_eq!(ice.tcp, None);
}
