//! One socket over a pipe in memory, with the worker's end in hand and time that jumps: what a client may do, what it is
//! told, and when it is closed.

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::config::{AccessConfig, Placing};
use crate::placement::Placement;
use crate::stop::{self, RaiseStop};
use crate::worker::Evicted;

/// What fits into the pipe: less than the mailbox holds, so that a client that does not read is noticed.
const PIPE: usize = 16 * 1_024;

struct Harness {
    client: WebSocketStream<DuplexStream>,
    worker: mpsc::Receiver<ToWorker>,
    served: JoinHandle<(End, u64)>,
    stop: RaiseStop,
}

impl Harness {
    async fn new() -> Self {
        Self::with(&AccessConfig::default()).await
    }

    async fn with(access: &AccessConfig) -> Self {
        let (inbox, worker) = mpsc::channel(1_024);
        let (raise, stop) = stop::flag();
        let (clock, limits) = (Clock::start(), Limits::default());
        let placement = Arc::new(Placement::new(Placing::default(), 1, clock));
        let context = Context {
            workers: Arc::new(Workers::new(vec![inbox], placement)),
            access: Arc::new(Access::new(access).unwrap()),
            gate: Arc::new(Gate::new(&limits, clock)),
            tally: Arc::default(),
            limits,
            message_limits: signalling::Limits::default(),
            clock,
            traces: Traces::default(),
            stop,
        };
        let (near, far) = tokio::io::duplex(PIPE);
        let client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let served = tokio::spawn(async move {
            let start = Instant::now();
            let config = config(&context.message_limits);
            let socket = WebSocketStream::from_raw_socket(far, Role::Server, Some(config)).await;
            let end = run(socket, &context, None, &context.traces.session()).await;
            (end, start.elapsed().as_secs())
        });
        Self { client, worker, served, stop: raise }
    }

    async fn joined() -> (Self, Outbound) {
        let mut harness = Self::new().await;
        harness.send(json!({"type": "join", "room": "r", "name": "n"})).await;
        let Some(ToWorker::Open { outbound, join, .. }) = harness.worker.recv().await else {
            panic!("a join opens a session");
        };
        assert_eq!(join.room, "r");
        (harness, outbound)
    }

    async fn send(&mut self, message: Value) {
        self.client.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message from the server, or the code of its close frame.
    async fn next(&mut self) -> Result<Value, CloseCode> {
        loop {
            match self.client.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code),
                other => panic!("neither a message nor a close frame: {other:?}"),
            }
        }
    }

    async fn error_code(&mut self) -> (String, bool) {
        let error = self.next().await.unwrap();
        assert_eq!(error["type"], "error", "{error}");
        (error["code"].as_str().unwrap().to_owned(), error["fatal"].as_bool().unwrap())
    }

    /// Expects a fatal error and a close frame, and returns why the socket ended after how many seconds.
    async fn expect_end(mut self, code: &str, close: CloseCode) -> (End, u64) {
        assert_eq!(self.error_code().await, (code.to_owned(), true));
        assert_eq!(self.next().await, Err(close));
        // Answers the close frame, as browsers do.
        while let Some(Ok(_)) = self.client.next().await {}
        self.served.await.unwrap()
    }
}

fn moved(size: usize) -> ServerMessage {
    ServerMessage::Moved(signalling::Moved { url: "x".repeat(size) })
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_never_joins_is_closed() {
    let harness = Harness::new().await;
    assert_eq!(harness.expect_end("timeout", CloseCode::Policy).await, (End::NoJoin, 10));
}

#[tokio::test(start_paused = true)]
async fn wrong_messages_are_answered_and_end_nothing() {
    let mut harness = Harness::new().await;
    for (text, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("{\"type\":5}", "bad_json"),
        ("{\"type\":\"dance\"}", "unknown_type"),
        ("{\"type\":\"join\"}", "bad_message"),
        ("{\"type\":\"join\",\"room\":\"a b\",\"name\":\"n\"}", "bad_message"),
        ("{\"type\":\"leave\"}", "not_joined"),
        ("{\"type\":\"view\",\"slots\":[]}", "not_joined"),
    ] {
        harness.client.send(Message::text(text)).await.unwrap();
        assert_eq!(harness.error_code().await, (code.to_owned(), false), "{text}");
    }
    harness.send(json!({"type": "join", "room": "r", "name": "n"})).await;
    assert!(matches!(harness.worker.recv().await, Some(ToWorker::Open { .. })), "and a join still works");
}

#[tokio::test(start_paused = true)]
async fn messages_pass_both_ways_until_the_client_leaves() {
    let (mut harness, outbound) = Harness::joined().await;
    harness.send(json!({"type": "view", "slots": []})).await;
    assert!(matches!(
        harness.worker.recv().await,
        Some(ToWorker::Message { message: ClientMessage::View(_), .. })
    ));
    let _outbound = outbound.send(moved(1)).unwrap();
    assert_eq!(harness.next().await, Ok(json!({"type": "moved", "url": "x"})));
    harness.client.close(None).await.unwrap();
    assert_eq!(harness.served.await.unwrap().0, End::Gone);
    assert!(matches!(harness.worker.recv().await, Some(ToWorker::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_told_to_the_worker() {
    let (mut harness, _outbound) = Harness::joined().await;
    drop(harness.client);
    assert_eq!(harness.served.await.unwrap().0, End::Gone);
    assert!(matches!(harness.worker.recv().await, Some(ToWorker::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn only_text_is_understood() {
    let mut harness = Harness::new().await;
    harness.client.send(Message::binary(&b"{}"[..])).await.unwrap();
    let (end, _) = harness.expect_end("bad_message", CloseCode::Unsupported).await;
    assert_eq!(end, End::NotText);
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_is_refused_before_it_is_held() {
    let (mut harness, _outbound) = Harness::joined().await;
    let (mut sink, mut stream) = harness.client.split();
    let (_, received) = tokio::join!(sink.send(Message::text("x".repeat(1 << 20))), async {
        let mut received = Vec::new();
        while let Some(Ok(message)) = stream.next().await {
            received.push(message);
        }
        received
    });
    let [.., Message::Text(text), Message::Close(Some(frame))] = &received[..] else {
        panic!("neither told nor closed: {received:?}");
    };
    assert!(text.contains("too_large") && frame.code == CloseCode::Size, "{text}");
    assert_eq!(harness.served.await.unwrap().0, End::TooLarge);
    assert!(matches!(harness.worker.recv().await, Some(ToWorker::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_offer_of_the_largest_size_passes() {
    let (mut harness, _outbound) = Harness::joined().await;
    let frame = json!({"type": "offer", "sdp": ""}).to_string().len();
    let sdp = "x".repeat(signalling::Limits::default().offer_bytes - frame);
    harness.send(json!({"type": "offer", "sdp": sdp})).await;
    let Some(ToWorker::Message { message: ClientMessage::Offer(offer), .. }) = harness.worker.recv().await
    else {
        panic!("an offer within the limits is passed on");
    };
    assert_eq!(offer.sdp.len(), sdp.len());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_too_fast_is_closed() {
    let (mut harness, _outbound) = Harness::joined().await;
    // The join took one of the burst.
    let burst = Limits::default().message_burst - 1;
    for _ in 0..burst + MessageRate::PATIENCE + 1 {
        harness.send(json!({"type": "view", "slots": []})).await;
    }
    for _ in 0..MessageRate::PATIENCE {
        assert_eq!(harness.error_code().await, ("too_fast".to_owned(), false));
    }
    let mut worker = std::mem::replace(&mut harness.worker, mpsc::channel(1).1);
    assert_eq!(harness.expect_end("too_fast", CloseCode::Policy).await, (End::TooFast, 0));
    let mut passed = 0;
    while let Some(ToWorker::Message { .. }) = worker.recv().await {
        passed += 1;
    }
    assert_eq!(passed, burst, "what was within the rate was passed on, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_disconnected_when_its_mailbox_is_full() {
    let (harness, mut outbound) = Harness::joined().await;
    let mut queued = 0;
    loop {
        match outbound.send(moved(1_000)) {
            Ok(again) => outbound = again,
            Err(Evicted) => break,
        }
        queued += 1;
        // Lets the socket take from the mailbox what the pipe holds.
        tokio::task::yield_now().await;
    }
    assert!((256..300).contains(&queued), "{queued} messages were held for it");
    let (end, seconds) = harness.served.await.unwrap();
    assert_eq!((end, seconds), (End::Slow, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_disconnected_after_a_while() {
    let (harness, outbound) = Harness::joined().await;
    let _outbound = outbound.send(moved(2 * PIPE)).unwrap();
    assert_eq!(harness.served.await.unwrap(), (End::Slow, 5));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_gone() {
    let (harness, _outbound) = Harness::joined().await;
    // Nobody reads the client's end, so nobody answers; the farewell waits a second for a reader.
    assert_eq!(harness.served.await.unwrap(), (End::Silent, 41));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_answers_pings_stays() {
    let (mut harness, outbound) = Harness::joined().await;
    let hour = tokio::time::sleep(Duration::from_secs(3_600));
    tokio::select! {
        () = hour => {}
        other = harness.next() => panic!("closed or told something: {other:?}"),
    }
    let _outbound = outbound.send(moved(1)).unwrap();
    assert!(harness.next().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_the_worker_said_last_arrives_before_the_close() {
    let (mut harness, outbound) = Harness::joined().await;
    drop(outbound.send(moved(1)).unwrap());
    assert!(harness.next().await.is_ok());
    assert_eq!(harness.next().await, Err(CloseCode::Normal));
    assert_eq!(harness.served.await.unwrap().0, End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_those_who_have_not_joined_and_leaves_the_others_to_the_worker() {
    let waiting = Harness::new().await;
    waiting.stop.raise();
    let (end, seconds) = waiting.expect_end("shutting_down", CloseCode::Away).await;
    assert_eq!((end, seconds), (End::Stopping, 0));

    let (mut joined, outbound) = Harness::joined().await;
    joined.stop.raise();
    tokio::task::yield_now().await;
    assert!((&mut joined.served).now_or_never().is_none(), "its worker has not said anything yet");
    drop(outbound.send(moved(1)).unwrap());
    assert!(joined.next().await.is_ok());
    assert_eq!(joined.next().await, Err(CloseCode::Away));
}
