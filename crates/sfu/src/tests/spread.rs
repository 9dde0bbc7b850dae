//! A room over several nodes: a call of `call` whose participants are served by different ones, and words that take their time.

use std::hash::Hasher;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use crate::{Command, Input, Load, NodeIndex};

const SECOND: Duration = Duration::from_secs(1);

/// Somebody joins on a node, in a room whose home is another (or the same).
fn join(call: &mut Call, node: usize, home: usize, publishes: bool, joining: Value) -> usize {
    call.place = (node, home);
    call.join(publishes, joining)
}

fn desktop() -> Value {
    json!({"capabilities": {"device": {"class": "desktop"}}})
}

/// Packets that nodes handed to others over that time.
fn crossed(call: &mut Call, time: Duration) -> u64 {
    let count = |call: &Call| call.nodes.iter().map(|node| node.sfu.stats().relayed_out).sum::<u64>();
    let before = count(call);
    call.pass(time);
    count(call) - before
}

/// Packets that somebody got over that time.
fn got(call: &mut Call, who: usize, time: Duration) -> usize {
    let before = call.peers[who].packets.len();
    call.pass(time);
    call.peers[who].packets.len() - before
}

/// Whether every frame that a camera makes in a second comes to somebody.
fn sees_all(call: &mut Call, who: usize) -> bool {
    (30..=31).contains(&got(call, who, SECOND))
}

fn of_type(messages: &[Value], kind: &str) -> Vec<Value> {
    messages.iter().filter(|message| message["type"] == kind).cloned().collect()
}

#[test]
fn a_publisher_on_one_node_is_seen_on_another_and_only_what_is_wanted_crosses() {
    let mut call = Call::over(2);
    let camera = join(&mut call, 0, 0, true, json!({}));
    let watcher = join(&mut call, 1, 0, false, desktop());
    call.pass(6 * SECOND);
    let heard = call.heard(watcher);
    let arrivals = of_type(&heard, "room");
    assert_eq!(arrivals[0]["joined"][0]["id"], "p1", "{heard:?}");
    let slot = &of_type(&heard, "slots").pop().expect("told what it gets")["slots"][0];
    assert_eq!((&slot["rid"], &slot["participant"]), (&json!("f"), &json!("p1")), "{slot}");
    assert_eq!(of_type(&call.heard(camera), "room")[0]["joined"][0]["id"], "p2", "numbered by its own node");

    let packets = crossed(&mut call, 3 * SECOND);
    assert!((85..=95).contains(&packets), "{packets}: one of three encodings, of one packet per frame");
    assert!(sees_all(&mut call, watcher), "and all of it comes on");

    let small =
        json!({"type": "view", "slots": [{"mid": "v0", "want": "auto", "width": 320, "height": 180}]});
    call.say(watcher, small);
    call.pass(SECOND);
    assert_eq!(call.slot(watcher).expect("told of the switch")["rid"], "q");
    let packets = crossed(&mut call, 3 * SECOND);
    assert!((85..=95).contains(&packets), "{packets}: the other encoding, and no longer the first");
}

#[test]
fn what_nobody_watches_anywhere_is_not_sent_and_comes_back_at_once() {
    let mut call = Call::over(2);
    let camera = join(&mut call, 0, 0, true, json!({}));
    let watcher = join(&mut call, 1, 0, false, desktop());
    call.pass(8 * SECOND);
    let active = |demands: &[Value]| -> Option<Vec<Value>> {
        let encodings = demands.last()?["encodings"].as_array()?.clone();
        let on = encodings.into_iter().filter(|encoding| encoding["active"] == true);
        Some(on.map(|encoding| encoding["rid"].clone()).collect())
    };
    let demands = of_type(&call.heard(camera), "demand");
    assert_eq!(active(&demands), Some(vec![json!("f")]), "what receivers of another node want: {demands:?}");

    call.say(watcher, json!({"type": "view", "slots": []}));
    assert_eq!(crossed(&mut call, SECOND / 2) / 5, 0, "nothing crosses from now on");
    assert_eq!(of_type(&call.heard(camera), "demand"), [] as [Value; 0], "the publisher is given some time");
    call.pass(4 * SECOND);
    assert_eq!(active(&of_type(&call.heard(camera), "demand")), Some(Vec::new()));

    call.say(watcher, json!({"type": "view", "slots": [{"mid": "v0", "want": "auto"}]}));
    call.pass(SECOND / 10);
    assert_ne!(active(&of_type(&call.heard(camera), "demand")), Some(Vec::new()), "told at once");
    call.pass(3 * SECOND);
    assert_eq!(call.slot(watcher).expect("told what it gets")["rid"], "f");
    assert!(sees_all(&mut call, watcher));
}

#[test]
fn who_leaves_is_gone_everywhere_and_nodes_leave_the_room_with_their_last() {
    let mut call = Call::over(3);
    let camera = join(&mut call, 0, 2, true, json!({}));
    let watcher = join(&mut call, 1, 2, false, desktop());
    call.pass(6 * SECOND);
    assert!(sees_all(&mut call, watcher), "the home serves nobody, and nothing goes over it");
    // The first picture tells every node how large its encodings are.
    assert_eq!(call.nodes[2].sfu.stats().relayed_in, 3);
    assert_eq!(call.nodes.iter().map(|node| node.held).collect::<Vec<_>>(), [Some(1), Some(1), Some(0)]);
    call.heard(watcher);

    call.say(camera, json!({"type": "leave"}));
    call.pass(SECOND);
    let heard = call.heard(watcher);
    assert_eq!(of_type(&heard, "room").last().unwrap()["left"], json!(["p1"]));
    assert_eq!(of_type(&heard, "slots").last().unwrap()["slots"][0].get("participant"), None, "{heard:?}");
    assert_eq!(call.nodes.iter().map(|node| node.held).collect::<Vec<_>>(), [None, Some(1), Some(0)]);

    call.say(watcher, json!({"type": "leave"}));
    call.pass(SECOND);
    for (at, node) in call.nodes.iter().enumerate() {
        assert_eq!((node.sfu.load(), node.held, node.deadline), (Load::default(), None, None), "node {at}");
    }
}

#[test]
fn a_node_that_empties_while_somebody_comes_stays() {
    let mut call = Call::over(2);
    let _camera = join(&mut call, 0, 0, true, json!({}));
    let first = join(&mut call, 1, 0, false, desktop());
    call.pass(SECOND);
    call.say(first, json!({"type": "leave"}));
    // Before the home has heard of it.
    let second = join(&mut call, 1, 0, false, desktop());
    call.pass(6 * SECOND);
    assert_eq!(call.nodes[1].held, Some(1));
    assert!(sees_all(&mut call, second));
}

#[test]
fn nodes_that_lost_each_other_begin_anew() {
    let mut call = Call::over(3);
    let cameras = [join(&mut call, 0, 0, true, json!({})), join(&mut call, 2, 0, true, json!({}))];
    let watcher = join(&mut call, 1, 0, false, desktop());
    call.pass(6 * SECOND);
    for (one, other, lost) in [(0, 1, "p1"), (1, 2, "p3")] {
        call.heard(watcher);
        // What was on its way is what was lost.
        call.wires.retain(|(_, from, to, _)| (*from, *to) != (one, other) && (*from, *to) != (other, one));
        call.input_to(one, Input::NodeLost(NodeIndex(other as u16)));
        call.input_to(other, Input::NodeLost(NodeIndex(one as u16)));
        call.pass(3 * SECOND);
        let heard = of_type(&call.heard(watcher), "room");
        let named = |field: &str| {
            heard.iter().any(|news| news.to_string().contains(field) && news.to_string().contains(lost))
        };
        assert!(named("left") && named("joined"), "{one} and {other}: {heard:?}");
        assert!(sees_all(&mut call, watcher), "{one} and {other}");
    }
    for camera in cameras {
        let view = json!({"type": "view", "slots": [{"mid": "v0", "want": {"publication": if camera == 0 { "t1" } else { "t3" }}}]});
        call.say(watcher, view);
        call.pass(2 * SECOND);
        assert_eq!(call.slot(watcher).expect("it is there to be seen")["rid"], "f");
    }
}

#[test]
fn who_speaks_is_the_same_everywhere_and_takes_the_stage() {
    let mut call = Call::over(2);
    let here = join(&mut call, 0, 0, true, json!({"voice": 80}));
    let there = join(&mut call, 1, 0, true, json!({"voice": 80}));
    let watcher = join(&mut call, 1, 0, false, desktop());
    call.pass(5 * SECOND);
    for (speaker, silent, id) in [(here, there, "p1"), (there, here, "p2"), (here, there, "p1")] {
        for who in [here, there, watcher] {
            call.heard(who);
        }
        call.peers[speaker].voice = Some(20);
        call.peers[silent].voice = Some(100);
        call.pass(8 * SECOND);
        let mut said = Vec::new();
        for who in [here, there, watcher] {
            let heard = call.heard(who);
            said.push(of_type(&heard, "speakers").pop().expect("told who speaks"));
            if who == watcher {
                let slots = of_type(&heard, "slots");
                let shown: Vec<_> = slots.iter().map(|slots| &slots["slots"][0]["participant"]).collect();
                assert_eq!(shown.last(), Some(&&json!(id)), "{slots:?}");
            }
        }
        assert_eq!(said[0]["speakers"][0]["participant"], id);
        assert!(said.iter().all(|it| *it == said[0]), "{said:?}");
    }
}

#[test]
fn words_and_commands_reach_whoever_they_are_for() {
    let mut call = Call::over(2);
    let camera = join(&mut call, 0, 0, true, json!({}));
    let other = join(&mut call, 0, 0, false, json!({}));
    let watcher = join(&mut call, 1, 0, false, desktop());
    call.pass(5 * SECOND);
    let texts = |call: &mut Call, who| of_type(&call.heard(who), "message");
    for (from, to, expected) in [
        (camera, None, [0, 1, 1]),
        (watcher, None, [1, 1, 0]),
        (camera, Some("p2"), [0, 0, 1]),
        (watcher, Some("p1"), [1, 0, 0]),
    ] {
        let mut message = json!({"type": "message", "data": "hello"});
        if let Some(to) = to {
            message["to"] = json!(to);
        }
        call.say(from, message);
        call.pass(SECOND / 10);
        let got = [camera, other, watcher].map(|who| texts(&mut call, who).len());
        assert_eq!(got, expected, "from {from} to {to:?}");
    }
    call.say(camera, json!({"type": "message", "to": "p4", "data": 1}));
    assert_eq!(of_type(&call.heard(camera), "error")[0]["code"], "unknown_participant");

    let room = || "standup".to_owned();
    let participant = || "p1".to_owned();
    let mute = Command::Mute { room: room(), participant: participant(), publication: None, muted: true };
    call.input_to(0, Input::Operator(mute));
    call.pass(SECOND);
    let news = of_type(&call.heard(watcher), "room");
    assert_eq!(news.last().unwrap()["changed"][0]["publications"][0]["muted"], true, "{news:?}");
    assert_eq!(got(&mut call, watcher, SECOND), 0, "and nothing of it crosses");

    call.input_to(0, Input::Operator(Command::Remove { room: room(), participant: participant() }));
    call.pass(SECOND);
    assert_eq!(of_type(&call.heard(watcher), "room").last().unwrap()["left"], json!(["p1"]));
}

#[test]
fn two_are_a_pair_only_where_one_node_serves_both() {
    let direct = || json!({"capabilities": {"direct": true}});
    let mut call = Call::over(2);
    let first = join(&mut call, 0, 0, false, direct());
    let second = join(&mut call, 0, 0, false, direct());
    let pairs = |call: &mut Call, who| of_type(&call.heard(who), "pair");
    assert_eq!(pairs(&mut call, first).last().unwrap()["with"], "p3");
    let third = join(&mut call, 1, 0, false, direct());
    call.pass(SECOND);
    assert_eq!(pairs(&mut call, first).last().unwrap().get("with"), None, "no longer");
    call.say(second, json!({"type": "leave"}));
    call.pass(SECOND);
    assert_eq!((pairs(&mut call, first), pairs(&mut call, third)), (Vec::new(), Vec::new()));
}

#[test]
fn the_home_has_the_last_word_on_who_still_fits() {
    let mut call = Call::over(2);
    call.nodes.iter_mut().for_each(|node| node.sfu.config.limits.participants_per_room = 3);
    join(&mut call, 0, 0, false, json!({}));
    join(&mut call, 1, 0, false, json!({}));
    call.pass(SECOND);
    // Both nodes have room for one more, and the room has not.
    let stays = join(&mut call, 0, 0, false, json!({}));
    let goes = join(&mut call, 1, 0, false, json!({}));
    call.pass(SECOND);
    assert_eq!(of_type(&call.heard(goes), "error")[0]["code"], "room_full");
    assert_eq!(of_type(&call.heard(stays), "error"), [] as [Value; 0]);
    assert_eq!(call.nodes.iter().map(|node| node.held).collect::<Vec<_>>(), [Some(2), Some(1)]);
}

#[test]
fn the_same_inputs_give_the_same_outputs_on_every_node() {
    let story = || {
        let mut call = Call::over(3);
        call.acknowledging = true;
        let camera = join(&mut call, 0, 1, true, json!({"voice": 30}));
        join(&mut call, 1, 1, true, json!({"voice": 50}));
        let watcher = join(&mut call, 2, 1, false, desktop());
        call.pass(4 * SECOND);
        call.say(
            watcher,
            json!({"type": "view", "slots": [{"mid": "v0", "want": "auto", "width": 320, "height": 180}]}),
        );
        call.pass(2 * SECOND);
        call.say(camera, json!({"type": "leave"}));
        call.pass(SECOND);
        (call.digest.finish(), call.peers[watcher].packets.len())
    };
    let (first, second) = (story(), story());
    assert_eq!(first, second);
    assert!(first.1 > 100, "and something happened: {first:?}");
}
