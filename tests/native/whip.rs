//! Media in and out over HTTP alone: a native client publishes over WHIP, others receive over WHEP or as participants.

use super::*;

fn url(server: &Handle, path: &str) -> String {
    format!("{}{path}", server.summary.url.trim_end_matches('/'))
}

async fn connect(server: &Handle, path: &str, options: Options) -> Participant {
    let mut participant = Participant::join(&url(server, path), options).await.unwrap();
    let connected = async { while participant.next_event().await.unwrap() != Event::Connected {} };
    tokio::time::timeout(PATIENCE, connected).await.expect("media connects");
    participant
}

#[tokio::test]
async fn simulcast_comes_in_over_http_and_goes_out_over_http() {
    let server = server().await;
    let camera = connect(&server, "/whip/room", camera(&server, "encoder", 1)).await;
    let phone = join(&server, phone(options(&server, "phone"))).await;
    let small =
        wait_for(&phone, "a phone sees 360p of three encodings", |r| r.height == Some(360) && r.frames > 60)
            .await;
    assert_flawless(&small);
    assert_eq!(small.rid.as_deref(), Some("h"));

    let player = Options { video_slots: 1, audio_slots: 1, ..options(&server, "player") };
    let player = connect(&server, "/whep/room", player).await;
    let seen = wait_for(&player, "a player sees the camera", |r| r.frames > 60).await;
    assert_flawless(&seen);
    assert!(player.receiver_report().audio_packets > 0, "and hears it");

    // Deleted, it is gone for everybody.
    camera.leave().await;
    let mut phone = phone;
    let gone = async {
        loop {
            if let Event::Room(change) = phone.next_event().await.expect("it goes on")
                && !change.left.is_empty()
            {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("who is deleted has left");
    player.leave().await;
    phone.leave().await;
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_token_says_what_may_come_in_and_go_out() {
    let secret = "k:0123456789abcdef0123456789abcdef";
    let mut config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        ..Config::default()
    };
    config.access.keys.push(secret.parse().unwrap());
    let server = Server::start_ephemeral(config).await.unwrap();
    let day = Duration::from_secs(86_400);
    let (good, operator) = (server.token("room", false, day), server.token("room", true, day));
    for (path, token, allowed, why) in [
        ("/whip/room", None, false, "no token"),
        ("/whip/room", Some("x".to_owned()), false, "nonsense"),
        ("/whip/room", operator, false, "a right to administrate is none to send"),
        ("/whip/other", good.clone(), false, "another room"),
        ("/whip/room", good.clone(), true, "good"),
        ("/whep/room", good, true, "good for receiving, too"),
    ] {
        let base = if path.starts_with("/whip") {
            camera(&server, "encoder", 1)
        } else {
            options(&server, "player")
        };
        let joined = Participant::join(&url(&server, path), Options { token, ..base }).await;
        assert_eq!(joined.is_ok(), allowed, "{why}: {:?}", joined.err());
    }
}
