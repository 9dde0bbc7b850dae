//! Messages over data channels, with the WebSocket beside them and without.

use std::sync::atomic::Ordering;

use serde_json::json;
use signalling::{IncomingMessage, OutgoingMessage};

use super::*;

/// Joins, and waits until messages go over a data channel.
async fn join_with_channel(url: &str, options: Options) -> Participant {
    let mut participant = Participant::join(url, options).await.unwrap();
    until(&mut participant, "a channel", |event| *event == Event::ChannelOpened).await;
    participant
}

async fn until(participant: &mut Participant, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    let look = async {
        loop {
            let event = participant.next_event().await.expect("it goes on");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{what}"))
}

pub(super) async fn hear(participant: &mut Participant) -> IncomingMessage {
    match until(participant, "a message", |event| matches!(event, Event::Message(_))).await {
        Event::Message(message) => message,
        other => unreachable!("{other:?}"),
    }
}

fn to_all(text: &str) -> OutgoingMessage {
    OutgoingMessage { to: None, data: json!(text) }
}

#[tokio::test]
async fn messages_reach_those_with_a_data_channel_and_those_without() {
    let server = server().await;
    let url = &server.summary.url;
    let mut first = join_with_channel(url, options(&server, "first")).await;
    let mut second = join_with_channel(url, options(&server, "second")).await;
    let plain = Options { data_channel: false, ..options(&server, "third") };
    let mut third = join(&server, plain).await;

    first.send_message(to_all("to everybody"));
    for other in [&mut second, &mut third] {
        let heard = hear(other).await;
        assert_eq!((heard.from, heard.private, heard.data), (first.id(), false, json!("to everybody")));
    }
    third.send_message(OutgoingMessage { to: Some(first.id()), data: json!("to one") });
    let heard = hear(&mut first).await;
    assert_eq!((heard.from, heard.private, heard.data), (third.id(), true, json!("to one")));

    // What is refused is answered where it was asked.
    let nobody = OutgoingMessage { to: Some("p4711".into()), data: json!(1) };
    second.send_message(nobody);
    let refused = until(&mut second, "an answer", |event| matches!(event, Event::Error(_))).await;
    let Event::Error(error) = refused else { unreachable!() };
    assert_eq!(
        (error.code, error.about.as_deref()),
        (signalling::ErrorCode::UnknownParticipant, Some("message"))
    );
    let long = OutgoingMessage { to: None, data: json!("x".repeat(20_000)) };
    second.send_message(long);
    let Event::Error(error) = until(&mut second, "an answer", |event| matches!(event, Event::Error(_))).await
    else {
        unreachable!()
    };
    assert_eq!(error.code, signalling::ErrorCode::TooLarge);
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn messages_and_slots_go_on_while_the_websocket_is_lost() {
    let server = server().await;
    let (url, is_up, cut) = breakable(&server).await;
    let mut watcher = join_with_channel(&url, desktop(options(&server, "watcher"))).await;
    let mut friend = join_with_channel(&server.summary.url, options(&server, "friend")).await;

    is_up.store(false, Ordering::SeqCst);
    cut.send(()).unwrap();
    until(&mut watcher, "the loss is noticed", |event| *event == Event::Reconnecting).await;
    // The server notices as well: everybody is told of it.
    let changed = |event: &Event| {
        matches!(event, Event::Room(change) if change.changed.iter()
            .any(|who| who.connection == signalling::Connection::Reconnecting))
    };
    until(&mut friend, "the server noticed the loss", changed).await;

    for round in 0..3 {
        friend.send_message(to_all(&format!("hello {round}")));
        assert_eq!(hear(&mut watcher).await.data, json!(format!("hello {round}")));
        watcher.send_message(to_all(&format!("I hear you {round}")));
        assert_eq!(hear(&mut friend).await.data, json!(format!("I hear you {round}")));
    }
    // What the server says of the room comes by the channel, and the view of a new camera's slot as well.
    let _camera = join(&server, camera(&server, "camera", 1)).await;
    let joined = |event: &Event| matches!(event, Event::Room(change) if !change.joined.is_empty());
    until(&mut watcher, "somebody came", joined).await;
    let filled = |event: &Event| matches!(event, Event::Slots(slots) if slots.iter().any(|slot| slot.publication.is_some()));
    until(&mut watcher, "what is in a slot", filled).await;

    is_up.store(true, Ordering::SeqCst);
    until(&mut watcher, "it is back", |event| *event == Event::Resumed).await;
    friend.send_message(to_all("welcome back"));
    assert_eq!(hear(&mut watcher).await.data, json!("welcome back"));
    wait_for(&watcher, "the camera", |r| r.frames > 30).await;
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_flood_ends_the_channel_and_nothing_else() {
    let server = server().await;
    let _camera = join(&server, camera(&server, "camera", 1)).await;
    let mut flooder = join_with_channel(&server.summary.url, desktop(options(&server, "flooder"))).await;
    let mut listener = join_with_channel(&server.summary.url, options(&server, "listener")).await;
    let before = wait_for(&flooder, "a picture", |r| r.frames > 30).await;
    for number in 0..400 {
        flooder.send_message(to_all(&number.to_string()));
    }
    // It is told why, and loses the channel, in whatever order its library says so.
    let (mut told, mut lost) = (false, false);
    while !(told && lost) {
        let news = |event: &Event| matches!(event, Event::Error(_) | Event::ChannelClosed);
        match until(&mut flooder, "it is told and loses the channel", news).await {
            Event::Error(error) => told |= error.code == signalling::ErrorCode::TooFast,
            _ => lost = true,
        }
    }

    // The call goes on, and messages find the other way.
    let after = wait_for(&flooder, "the picture goes on", |r| r.frames > before.frames + 60).await;
    assert_flawless(&after);
    tokio::time::sleep(Duration::from_secs(2)).await;
    flooder.send_message(to_all("sorry"));
    let mut heard = 0;
    while hear(&mut listener).await.data != json!("sorry") {
        heard += 1;
    }
    // Each way has its burst of a hundred, of which the client's own reports are a part: what came after the channel was closed went over
    // the WebSocket.
    assert!((90..250).contains(&heard), "{heard} of 400: a burst on each way and little more");
    server.shut_down().await.unwrap();
}
