//! A server is killed in the middle of a call and started again with its port, certificate and keys: everybody is back.

use std::time::Instant;

use server::config::{AccessConfig, Secret, TokenKey};

use super::*;
use crate::killable::Killable;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_its_participants_back() {
    let folder = tempfile::tempdir().unwrap();
    let key = TokenKey {
        id: "kept".to_owned(),
        secret: Some(Secret::new("as long as a secret has to be, and longer")),
        ..TokenKey::default()
    };
    let mut config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        data_dir: Some(folder.path().to_owned()),
        access: AccessConfig { keys: vec![key], ..AccessConfig::default() },
        ..Config::default()
    };
    let (killable, server) = Killable::start(&config).await;
    config.listen = server.address;
    let token = server.token("room", false, Duration::from_secs(600));
    let both_ways =
        |name: &str, seed| Options { token: token.clone(), video_slots: 2, ..camera(&server, name, seed) };
    let mut ana = join(&server, both_ways("Ana", 1)).await;
    let mut ben = join(&server, both_ways("Ben", 2)).await;
    for participant in [&ana, &ben] {
        wait_for(participant, "the other one", |r| r.frames > 30).await;
    }

    killable.kill(server);
    let (_killable, _server) = Killable::start(&config).await;
    let started = Instant::now();
    let (first, second) = tokio::join!(back(&mut ana), back(&mut ben));
    for participant in [&ana, &ben] {
        wait_for(participant, "the other one again", |r| r.frames > 0).await;
    }
    let took = started.elapsed();
    eprintln!("everybody is back and sees the other {} ms after the restart", took.as_millis());
    assert!(
        took < Duration::from_secs(20),
        "five seconds is the promise, and a busy machine has its moods: {took:?}"
    );
    for participant in [&ana, &ben] {
        assert_flawless(&wait_for(participant, "it goes on", |r| r.frames > 60).await);
    }

    // Whoever was back first saw the other one come, as who it was before.
    let mut seen: Vec<String> = [first, second].concat();
    for participant in [&mut ana, &mut ben] {
        while let Some(Some(event)) = futures_util::FutureExt::now_or_never(participant.next_event()) {
            seen.extend(arrivals(&event));
        }
    }
    assert!(!seen.is_empty() && seen.iter().all(|name| name == "Ana" || name == "Ben"), "{seen:?}");
}

/// Waits until a participant has joined anew; who it saw come on the way.
async fn back(participant: &mut Participant) -> Vec<String> {
    let mut seen = Vec::new();
    let rejoined = async {
        loop {
            match participant.next_event().await {
                Some(Event::Rejoined) => return,
                Some(Event::Closed) | None => panic!("it gave up"),
                Some(Event::Reconnecting) => seen.clear(),
                Some(event) => seen.extend(arrivals(&event)),
            }
        }
    };
    tokio::time::timeout(PATIENCE, rejoined).await.expect("it comes back");
    seen
}

fn arrivals(event: &Event) -> Vec<String> {
    let Event::Room(change) = event else { return Vec::new() };
    change.joined.iter().map(|who| who.name.clone()).collect()
}
