//! Sessions as clients live them: joins, resumes, messages, losses, limits, shutdown. What needs media is in the modules.

mod call;
mod decoding;
mod estimating;
mod overload;
mod pairing;
mod paths;
mod scalable;
mod spread;

use std::time::Duration;

use router::RoomEvent;
use serde_json::{Value, json};
use units::Timestamp;

use crate::{Config, Input, Limits, Output, SessionId, Sfu, Turn};

/// A node and what it said, in order.
struct Node {
    sfu: Sfu,
    now: Timestamp,
    said: Vec<(u64, Value)>,
    closed: Vec<u64>,
    deadline: Option<Timestamp>,
}

impl Node {
    fn new(limits: Limits) -> Self {
        let config = Config { limits, ..Config::new(transport::Config::new(transport::Security::Plaintext)) };
        let sfu = Sfu::new(config, [7; 32]);
        Self { sfu, now: Timestamp::ZERO, said: Vec::new(), closed: Vec::new(), deadline: None }
    }

    fn input(&mut self, input: Input) {
        self.sfu.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.sfu.poll_output() {
                Output::Datagram(transmit) => panic!("nobody has a transport: {transmit:?}"),
                Output::Message { session, message } => {
                    self.said.push((session.0, serde_json::to_value(message).unwrap()));
                }
                Output::CloseSession { session } => self.closed.push(session.0),
                Output::Relay { .. } => panic!("there is no other node"),
                Output::RoomHeld { .. } => {}
                Output::Decision(decision) => panic!("nobody asked for decisions: {decision:?}"),
                Output::Wait(deadline) => break self.deadline = deadline,
            }
        }
    }

    fn send(&mut self, session: u64, message: Value) {
        let message = serde_json::from_value(message).expect("the tests send legal messages");
        self.input(Input::Message { session: SessionId(session), message });
    }

    /// Joins and returns what `joined` said.
    fn join(&mut self, session: u64, name: &str) -> Value {
        self.send(session, json!({"type": "join", "room": "standup", "name": name}));
        self.heard(session).pop().expect("an answer to the join")
    }

    /// What a session was told since the last look.
    fn heard(&mut self, session: u64) -> Vec<Value> {
        let (mine, rest) = std::mem::take(&mut self.said).into_iter().partition(|(to, _)| *to == session);
        self.said = rest;
        mine.into_iter().map(|(_, message): (u64, Value)| message).collect()
    }

    /// Lets time pass, answering every deadline on the way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.input(Input::Timeout);
        }
        self.now = end;
    }
}

#[test]
fn a_busy_node_refuses_newcomers_and_takes_back_who_was_there() {
    let mut node = Node::new(Limits::default());
    let ada = node.join(1, "Ada");
    for _ in 0..2 {
        node.pass(Duration::from_secs(1));
        node.input(Input::Busy(950));
    }
    let refused = node.join(2, "Bob");
    assert_eq!((&refused["code"], &refused["fatal"]), (&json!("server_full"), &json!(true)), "{refused}");
    node.input(Input::SessionLost { session: SessionId(1) });
    node.send(3, json!({"type": "join", "room": "standup", "name": "Ada", "resume": ada["resume"]}));
    assert_eq!(node.heard(3).pop().unwrap()["resumed"], true);
    for _ in 0..11 {
        node.pass(Duration::from_secs(1));
        node.input(Input::Busy(100));
    }
    assert_eq!(node.join(4, "Bob")["type"], "joined");
}

fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|m| m["type"].as_str().unwrap()).collect()
}

#[test]
fn two_meet_and_hear_of_each_other() {
    let mut node = Node::new(Limits::default());
    let ada = node.join(1, "Ada");
    assert_eq!(
        (&ada["self"], &ada["participants"], &ada["resumed"]),
        (&json!("p1"), &json!([]), &json!(false))
    );
    let bob = node.join(2, "Bob");
    assert_eq!(bob["participants"][0]["name"], "Ada");
    let news = node.heard(1);
    assert_eq!(news[0]["joined"][0]["name"], "Bob");
    assert_eq!(news[0]["joined"][0]["connection"], "connecting");
    node.send(2, json!({"type": "leave"}));
    assert_eq!(node.closed, [2]);
    assert_eq!(node.heard(1), [json!({"type": "room", "left": ["p2"]})]);
}

#[test]
fn whoever_comes_hears_who_speaks() {
    let mut node = Node::new(Limits::default());
    node.join(1, "Ada");
    let room = node.sfu.room_names["standup"];
    let speaks =
        RoomEvent::Speakers(vec![router::Speaker { participant: router::ParticipantId(1), level: 30 }]);
    node.sfu.room_event(node.now, room, speaks);
    node.drain();
    node.send(2, json!({"type": "join", "room": "standup", "name": "Bob"}));
    let heard = node.heard(2);
    assert_eq!(kinds(&heard), ["joined", "speakers"]);
    assert_eq!(heard[1]["speakers"], json!([{"participant": "p1", "level": 30}]));
    node.sfu.room_event(node.now, room, RoomEvent::Speakers(Vec::new()));
    node.drain();
    node.send(3, json!({"type": "join", "room": "standup", "name": "Eve"}));
    assert_eq!(kinds(&node.heard(3)), ["joined"], "silence is what a newcomer expects");
}

#[test]
fn messages_go_to_one_or_to_all_others_of_the_room_only() {
    let mut node = Node::new(Limits::default());
    for (session, name) in [(1, "Ada"), (2, "Bob"), (3, "Eve")] {
        node.join(session, name);
    }
    node.send(4, json!({"type": "join", "room": "elsewhere", "name": "Zoe"}));
    node.said.clear();
    node.send(1, json!({"type": "message", "data": {"text": "hi"}}));
    let all = json!({"type": "message", "from": "p1", "private": false, "data": {"text": "hi"}});
    assert_eq!((node.heard(2), node.heard(3)), (vec![all.clone()], vec![all]));
    node.send(1, json!({"type": "message", "to": "p2", "data": 1}));
    assert_eq!(node.heard(2), [json!({"type": "message", "from": "p1", "private": true, "data": 1})]);
    assert!(node.said.is_empty(), "nobody else heard: {:?}", node.said);
    for stranger in ["p4", "p99", "", "p01"] {
        node.send(1, json!({"type": "message", "to": stranger, "data": 1}));
        let answer = node.heard(1).pop().unwrap();
        assert_eq!(
            (&answer["code"], &answer["fatal"]),
            (&json!("unknown_participant"), &json!(false)),
            "{stranger}"
        );
    }
    assert!(node.heard(4).is_empty());
}

#[test]
fn a_lost_connection_is_resumed_by_its_secret_and_by_nothing_else() {
    let mut node = Node::new(Limits::default());
    node.join(1, "Ada");
    let bob = node.join(2, "Bob");
    node.heard(1);
    node.input(Input::SessionLost { session: SessionId(2) });
    assert_eq!(node.heard(1)[0]["changed"][0]["connection"], "reconnecting");
    node.pass(Duration::from_secs(5));

    let back = json!({"type": "join", "room": "standup", "name": "Bob", "resume": bob["resume"]});
    node.send(3, back.clone());
    let again = node.heard(3).remove(0);
    assert_eq!((&again["self"], &again["resumed"]), (&json!("p2"), &json!(true)));
    assert_ne!(again["resume"], bob["resume"], "every joined brings a fresh secret");

    node.send(4, back);
    let late = node.heard(4).remove(0);
    assert_eq!(
        (&late["self"], &late["resumed"]),
        (&json!("p3"), &json!(false)),
        "a used secret opens nothing"
    );

    let mut elsewhere = json!({"type": "join", "room": "other", "name": "Bob"});
    elsewhere["resume"] = again["resume"].clone();
    node.send(5, elsewhere);
    assert_eq!(node.heard(5)[0]["resumed"], false, "a secret is good for its own room");
}

#[test]
fn a_second_connection_with_the_secret_replaces_the_first() {
    let mut node = Node::new(Limits::default());
    let ada = node.join(1, "Ada");
    node.send(2, json!({"type": "join", "room": "standup", "name": "Ada", "resume": ada["resume"]}));
    let last = node.heard(1).pop().unwrap();
    assert_eq!((&last["code"], &last["fatal"]), (&json!("replaced"), &json!(true)));
    assert_eq!(node.closed, [1]);
    node.input(Input::SessionLost { session: SessionId(1) });
    node.send(2, json!({"type": "message", "data": 0}));
    assert_eq!(node.sfu.load().participants, 1, "the end of the replaced connection ends nothing else");
}

#[test]
fn who_does_not_come_back_is_let_go_and_the_room_with_the_last() {
    let mut node = Node::new(Limits::default());
    node.join(1, "Ada");
    node.join(2, "Bob");
    node.input(Input::SessionLost { session: SessionId(2) });
    node.heard(1);
    node.pass(Duration::from_secs(7));
    assert_eq!(node.sfu.load().participants, 2);
    node.pass(Duration::from_secs(2));
    assert_eq!(node.heard(1), [json!({"type": "room", "left": ["p2"]})]);
    node.send(1, json!({"type": "leave"}));
    assert_eq!(node.sfu.load(), crate::Load::default());
    assert_eq!(node.deadline, None, "an empty node asks for nothing");
}

#[test]
fn what_comes_out_of_order_is_answered_with_what_to_do() {
    let mut node = Node::new(Limits { rooms: 1, participants: 3, participants_per_room: 2 });
    node.send(1, json!({"type": "leave"}));
    assert_eq!((&node.heard(1)[0]["code"], &node.closed[..]), (&json!("not_joined"), &[1][..]));
    node.join(2, "Ada");
    node.send(2, json!({"type": "join", "room": "standup", "name": "Ada"}));
    assert_eq!(node.heard(2)[0]["code"], "already_joined");
    node.send(2, json!({"type": "publish", "mid": "far too long for a media id", "source": "camera"}));
    assert_eq!(node.heard(2)[0]["code"], "unknown_mid");
    node.send(2, json!({"type": "offer", "sdp": "hello"}));
    let refusal = node.heard(2).remove(0);
    assert_eq!((&refusal["code"], &refusal["about"]), (&json!("offer_rejected"), &json!("offer")));
    node.send(3, json!({"type": "join", "room": "another", "name": "Bob"}));
    assert_eq!(node.heard(3)[0]["code"], "server_full");
    node.join(4, "Bob");
    node.send(5, json!({"type": "join", "room": "standup", "name": "Eve"}));
    assert_eq!(node.heard(5)[0]["code"], "room_full");
    assert_eq!(node.closed, [1, 3, 5]);
}

#[test]
fn everybody_gets_turn_credentials_of_their_own_that_end() {
    let mut node = Node::new(Limits::default());
    let turn = Turn {
        urls: vec!["turn:turn.example:3478".to_owned()],
        secret: "north".to_owned(),
        lifetime: Duration::from_secs(3_600),
    };
    node.sfu.config.turn = Some(turn);
    node.sfu.config.set_start(Duration::from_secs(1_780_000_000));
    node.now += Duration::from_secs(60);
    let servers = |joined: Value| joined["ice_servers"].clone();
    let ada = servers(node.join(1, "Ada"));
    assert_eq!(ada[0]["urls"], json!(["turn:turn.example:3478"]));
    assert_eq!(ada[0]["username"], "1780003660:p1", "an hour from the moment of joining");
    let expected = transport::turn::credentials("north", "p1", 1_780_003_660).password;
    assert_eq!(ada[0]["credential"], expected);
    let bob = servers(node.join(2, "Bob"));
    assert_eq!(bob[0]["username"], "1780003660:p2");
    assert_ne!(bob[0]["credential"], ada[0]["credential"]);
}

#[test]
fn shutdown_tells_everybody_and_refuses_who_comes_after() {
    let mut node = Node::new(Limits::default());
    node.join(1, "Ada");
    node.join(2, "Bob");
    node.input(Input::Shutdown);
    for session in [1, 2] {
        let heard = node.heard(session);
        let error = heard.iter().find(|m| m["type"] == "error").expect("everybody is told");
        assert_eq!((&error["code"], &error["fatal"]), (&json!("shutting_down"), &json!(true)));
    }
    assert_eq!(node.closed, [1, 2]);
    node.send(3, json!({"type": "join", "room": "standup", "name": "Eve"}));
    assert_eq!(node.heard(3)[0]["code"], "shutting_down");
    assert_eq!(node.sfu.load(), crate::Load::default());
}

#[test]
fn the_same_seed_and_inputs_say_the_same() {
    let story = || {
        let mut node = Node::new(Limits::default());
        node.sfu.handle_input(node.now, Input::Timeout);
        let _ = node.sfu.poll_output();
        let ada = node.join(1, "Ada");
        let bob = node.join(2, "Bob");
        (ada, bob, node.said)
    };
    let (first, second) = (story(), story());
    assert_eq!(first, second);
    assert_eq!(kinds(&[first.0.clone(), first.1.clone()]), ["joined", "joined"]);
}
