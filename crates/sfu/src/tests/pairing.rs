//! Two who may talk directly, and everybody who may not.

use serde_json::json;

use super::Node;
use crate::{Command, Input, Limits, SessionId};

const NOTHING: [serde_json::Value; 0] = [];

/// Joins, and asks for media straight from the other one.
fn join(node: &mut Node, session: u64, direct: bool) -> Vec<serde_json::Value> {
    node.send(
        session,
        json!({"type": "join", "room": "standup", "name": "n", "capabilities": {"direct": direct}}),
    );
    pairs(node, session)
}

/// What somebody was told of the two since the last look.
fn pairs(node: &mut Node, session: u64) -> Vec<serde_json::Value> {
    let heard = node.heard(session).into_iter();
    heard.filter(|said| ["pair", "direct", "error"].contains(&said["type"].as_str().unwrap())).collect()
}

fn with(round: u32, other: &str, offers: bool) -> serde_json::Value {
    json!({"type": "pair", "round": round, "with": other, "offers": offers})
}

fn over(round: u32) -> serde_json::Value {
    json!({"type": "pair", "round": round, "offers": false})
}

#[test]
fn two_are_told_of_each_other_and_a_third_ends_it() {
    let mut node = Node::new(Limits::default());
    assert_eq!(join(&mut node, 1, true), NOTHING, "nobody is there");
    assert_eq!(join(&mut node, 2, true), [with(1, "p1", false)]);
    assert_eq!(pairs(&mut node, 1), [with(1, "p2", true)]);
    assert_eq!(join(&mut node, 3, true), NOTHING, "three are no pair");
    for session in [1, 2] {
        assert_eq!(pairs(&mut node, session), [over(1)]);
    }
    node.send(1, json!({"type": "leave"}));
    assert_eq!(pairs(&mut node, 2), [with(2, "p3", true)]);
    assert_eq!(pairs(&mut node, 3), [with(2, "p2", false)]);
    node.send(2, json!({"type": "leave"}));
    assert_eq!(pairs(&mut node, 3), [over(2)]);
}

#[test]
fn both_have_to_ask_and_may_change_their_minds() {
    let mut node = Node::new(Limits::default());
    join(&mut node, 1, true);
    assert_eq!(join(&mut node, 2, false), NOTHING);
    assert_eq!(pairs(&mut node, 1), NOTHING);
    node.send(2, json!({"type": "capabilities", "direct": true}));
    assert_eq!(pairs(&mut node, 2), [with(1, "p1", false)]);
    pairs(&mut node, 1);
    node.send(2, json!({"type": "capabilities"}));
    for session in [1, 2] {
        assert_eq!(pairs(&mut node, session), [over(1)]);
    }
}

#[test]
fn what_an_operator_bounds_does_not_go_past_the_server() {
    let mut node = Node::new(Limits::default());
    join(&mut node, 1, true);
    join(&mut node, 2, true);
    pairs(&mut node, 1);
    let bound = |max| Command::Limit { room: "standup".to_owned(), participant: "p2".to_owned(), max };
    node.input(Input::Operator(bound(Some(units::Bitrate::from_kbps(500)))));
    assert_eq!(pairs(&mut node, 1), [over(1)]);
    node.input(Input::Operator(bound(None)));
    assert_eq!(pairs(&mut node, 1), [with(2, "p2", true)]);
    // One's own limit is the server's to keep as well.
    let narrow = json!({"type": "capabilities", "direct": true, "network": {"max_downlink_bps": 300_000}});
    node.send(2, narrow);
    assert_eq!(pairs(&mut node, 1), [over(2)]);
    let remove = Command::Remove { room: "standup".to_owned(), participant: "p2".to_owned() };
    node.input(Input::Operator(remove));
    assert_eq!(pairs(&mut node, 1), NOTHING, "it was over already");
}

#[test]
fn words_go_to_the_other_one_and_nowhere_else() {
    let mut node = Node::new(Limits::default());
    join(&mut node, 1, true);
    join(&mut node, 2, true);
    let (word, late) = (
        json!({"type": "direct", "round": 1, "data": [7]}),
        json!({"type": "direct", "round": 2, "data": [7]}),
    );
    pairs(&mut node, 2);
    node.send(1, word.clone());
    assert_eq!(pairs(&mut node, 2), std::slice::from_ref(&word), "as it was");

    pairs(&mut node, 1);
    node.send(1, late.clone());
    assert_eq!(pairs(&mut node, 1)[0]["code"], "unknown_participant", "of another round");
    // Neither from outside, nor from a third, nor between two of three.
    node.send(4, json!({"type": "join", "room": "elsewhere", "name": "n", "capabilities": {"direct": true}}));
    node.heard(4);
    join(&mut node, 3, true);
    for session in [1, 2, 3, 4] {
        pairs(&mut node, session);
        node.send(session, word.clone());
        assert_eq!(pairs(&mut node, session)[0]["about"], "direct", "session {session}");
    }
    for session in [1, 2, 3, 4] {
        assert_eq!(pairs(&mut node, session), NOTHING, "nobody heard anything");
    }
    assert_eq!((node.sfu.stats().direct_passed, node.sfu.stats().direct_refused), (1, 5));
}

#[test]
fn who_returns_hears_again_what_stands() {
    let mut node = Node::new(Limits::default());
    node.send(1, json!({"type": "join", "room": "standup", "name": "n", "capabilities": {"direct": true}}));
    let resume = node.heard(1).pop().unwrap()["resume"].clone();
    join(&mut node, 2, true);
    node.heard(1);
    node.input(Input::SessionLost { session: SessionId(1) });
    assert_eq!(pairs(&mut node, 2), NOTHING, "a lost socket is no lost call");
    let again = json!({"type": "join", "room": "standup", "name": "n", "resume": resume, "capabilities": {"direct": true}});
    node.send(5, again);
    assert_eq!(pairs(&mut node, 5), [with(1, "p2", true)]);
    assert_eq!(pairs(&mut node, 2), NOTHING);
}
