//! What happens to media when the ground under a call moves: addresses, credentials, offers, signalling connections.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use transport::Protocol;
use units::Timestamp;

use super::call::Call;
use crate::{Input, SessionId};

/// A camera and a watcher that has its picture.
fn call() -> (Call, usize, usize) {
    let mut call = Call::new();
    let camera = call.join(true, json!({}));
    let watcher = call.join(false, json!({}));
    call.pass(Duration::from_secs(5));
    (call, camera, watcher)
}

/// The longest time without a packet in the watcher's slot from then on.
fn longest_pause(call: &Call, watcher: usize, from: Timestamp) -> Duration {
    let later = call.peers[watcher].media.iter().map(|(at, _)| *at).filter(|at| *at >= from);
    let times: Vec<Timestamp> = [from].into_iter().chain(later).chain([call.now]).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

fn elsewhere() -> SocketAddr {
    ([203, 0, 113, 77], 61_000).into()
}

#[test]
fn media_follows_a_receiver_to_its_new_address_at_once() {
    let (mut call, _, watcher) = call();
    call.peers[watcher].address = elsewhere();
    call.pass(Duration::from_millis(400));
    assert!(call.peers[watcher].media.iter().all(|(_, to)| *to != elsewhere()), "nobody knows it yet");
    let moved = call.now;
    call.check(watcher);
    call.pass(Duration::from_secs(2));
    let first = call.peers[watcher].media.iter().find(|(_, to)| *to == elsewhere()).expect("media is back").0;
    assert!(first - moved <= Duration::from_millis(40), "after {:?}", first - moved);
    assert!(longest_pause(&call, watcher, moved) <= Duration::from_millis(40));
}

#[test]
fn media_from_a_publishers_new_address_counts_from_its_first_check() {
    let (mut call, camera, watcher) = call();
    let old = std::mem::replace(&mut call.peers[camera].address, elsewhere());
    call.pass(Duration::from_millis(100));
    let before = call.now;
    call.pass(Duration::from_millis(400));
    assert!(longest_pause(&call, watcher, before) >= Duration::from_millis(400), "nobody believes it yet");
    let silent = call.now;
    call.check(camera);
    call.pass(Duration::from_secs(1));
    assert!(longest_pause(&call, watcher, silent) <= Duration::from_millis(100), "back at once");
    // Both interfaces work for a while, and the client is free to go back.
    call.peers[camera].address = old;
    let back = call.now;
    call.pass(Duration::from_secs(1));
    assert!(longest_pause(&call, watcher, back) <= Duration::from_millis(40));
}

#[test]
fn a_call_goes_on_over_a_connection_from_the_very_same_address() {
    let (mut call, camera, watcher) = call();
    for who in [camera, watcher] {
        call.peers[who].protocol = Protocol::Tcp;
        let before = call.now;
        call.pass(Duration::from_millis(300));
        assert!(
            longest_pause(&call, watcher, before) >= Duration::from_millis(260),
            "nobody has checked it yet"
        );
        let checked = call.now;
        call.check(who);
        call.pass(Duration::from_secs(1));
        assert!(longest_pause(&call, watcher, checked) <= Duration::from_millis(40));
    }
    let stray = call.sfu().stats().stray_datagrams;
    assert!(stray > 0, "what the camera sent before its check belonged to nobody");
}

#[test]
fn an_ice_restart_changes_the_credentials_and_interrupts_nothing() {
    let (mut call, _, watcher) = call();
    let before = call.now;
    for round in 0..3 {
        call.peers[watcher].ufrag = format!("again{round}");
        let former = call.peers[watcher].server.clone();
        call.offer(watcher);
        assert_ne!(call.peers[watcher].server, former, "new credentials on our side as well");
        call.pass(Duration::from_millis(200));
        assert!(
            longest_pause(&call, watcher, before) <= Duration::from_millis(40),
            "the old path is used on"
        );
        call.peers[watcher].address.set_port(51_000 + round);
        call.check(watcher);
        call.pass(Duration::from_secs(1));
        let (last, to) = *call.peers[watcher].media.last().unwrap();
        assert_eq!(to, call.peers[watcher].address);
        assert!(call.now - last <= Duration::from_millis(40));
    }
    assert!(longest_pause(&call, watcher, before) <= Duration::from_millis(40));
}

#[test]
fn offers_again_and_again_change_nothing_for_media() {
    let (mut call, camera, watcher) = call();
    let before = call.now;
    for _ in 0..40 {
        call.offer(camera);
        call.offer(watcher);
        call.pass(Duration::from_millis(50));
    }
    assert!(longest_pause(&call, watcher, before) <= Duration::from_millis(40));
    assert_eq!(call.sfu().stats().offers_refused, 0);
    assert_eq!(call.sfu().load().connected, 2);
}

#[test]
fn media_goes_on_for_a_minute_without_signalling_and_the_participant_comes_back_to_it() {
    let (mut call, camera, watcher) = call();
    let before = call.now;
    let secret = call.peers[watcher].resume.clone();
    for who in [camera, watcher] {
        let session = SessionId(call.peers[who].session);
        call.input(Input::SessionLost { session });
    }
    call.heard(watcher);
    call.pass(Duration::from_secs(60));
    assert!(longest_pause(&call, watcher, before) <= Duration::from_millis(40), "nobody missed a frame");

    call.peers[watcher].session = 100;
    call.say(watcher, json!({"type": "join", "room": "standup", "name": "peer", "resume": secret}));
    let heard = call.heard(watcher);
    assert_eq!((&heard[0]["type"], &heard[0]["resumed"]), (&json!("joined"), &json!(true)));
    assert!(heard.iter().any(|message| message["type"] == "slots"), "what it sees is said again: {heard:?}");

    // The camera stays away for good; its picture ends with its time.
    let secret_kept = call.sfu().config.resume_timeout;
    call.pass(secret_kept);
    assert_eq!(call.sfu().load().participants, 1);
    let gone = call.heard(watcher);
    assert!(gone.iter().any(|message| message["left"] == json!(["p1"])), "{gone:?}");
}
