//! A room that several nodes serve.
//!
//! Each participant is served by one node, with everything that is its own: signalling, transport, slots, its return. What the
//! others have to know of it crosses: what it is called, what it publishes and how that is doing. One of the nodes is the room's
//! *home*. It knows which nodes serve the room and tells them all, elects who speaks, and has the last word on how many there
//! may be: each of these has to be decided once, and none of them is on the way of a packet. Media goes straight from the node
//! of its publisher to those of its receivers, once for each of them, and only what is wanted there.
//!
//! Owns joining and leaving nodes and what their words do. Leaves placing participants to the driver, media to `router`.
//!
//! ```text
//!   node 1 (home)          node 0                     node 2
//!     <----- Attach ---------|                          |
//!     |------ Nodes -------->|                          |
//!     |-- Participant p2 --->|   (and the other way)    |
//!     <----- Wanted t5: f ---|                          |
//!     |------ Media -------->|                          |
//!     <--------------------- Attach --------------------|
//!     |------ Nodes -------->|<---- Participant p3 -----|
//!     |------ Nodes ----------------------------------->|
//!     |                      |----- Participant p1 ---->|
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use packet::RtcpItem;
use router::{Announcement, NodeIndex, ParticipantId, Relayed, RoomEvent};
use signalling::{ErrorCode, IncomingMessage, RoomChange, ServerMessage, Speakers};
use units::Timestamp;

use crate::node::Timer;
use crate::relay::{Body, RelayMessage};
use crate::room::RoomId;
use crate::{Output, Sfu, wire};

/// Between two surveys: rates change without any event, and whoever is not heard of for two seconds counts as gone.
const SURVEY_INTERVAL: Duration = Duration::from_millis(500);

/// The part of a room that other nodes serve.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) home: NodeIndex,
    /// All nodes that serve it but this one, as far as that is known.
    pub(crate) nodes: Vec<NodeIndex>,
    /// Who is in it elsewhere, as its node shows it.
    pub(crate) elsewhere: BTreeMap<ParticipantId, signalling::Participant>,
    /// Which time it is that this node joined the others.
    attempt: u32,
}

impl Spread {
    pub(crate) fn new(home: NodeIndex) -> Self {
        Self { home, nodes: Vec::new(), elsewhere: BTreeMap::new(), attempt: 0 }
    }
}

impl Sfu {
    pub(crate) fn own_node(&self) -> NodeIndex {
        self.config.router.numbering.own()
    }

    /// Which node serves a participant.
    pub(crate) fn node_of(&self, id: ParticipantId) -> NodeIndex {
        self.config.router.numbering.node_of(id.0)
    }

    /// Says something to another node.
    pub(crate) fn tell_node(&mut self, to: NodeIndex, room: &Arc<str>, body: Body) {
        let message = Box::new(RelayMessage { room: Arc::clone(room), body });
        self.put_out(Output::Relay { to, message });
    }

    /// Says something to all other nodes of a room.
    pub(crate) fn tell_nodes(&mut self, id: RoomId, body: &Body) {
        let Some(room) = self.rooms.get(&id) else { return };
        let Some(spread) = room.spread.as_ref() else { return };
        let (name, nodes) = (Arc::clone(&room.name), spread.nodes.clone());
        for node in nodes {
            self.tell_node(node, &name, body.clone());
        }
    }

    /// Somebody is in a room here whose home is elsewhere: its home has to know.
    pub(crate) fn attach(&mut self, now: Timestamp, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(spread) = room.spread.as_mut() else { return };
        spread.attempt += 1;
        // Everybody is to be told anew.
        spread.nodes.clear();
        let (name, home) = (Arc::clone(&room.name), spread.home);
        self.tell_node(home, &name, Body::Attach);
        self.with_router(now, id, |router, out| router.set_nodes(now, &[], out));
    }

    /// Nobody is left here. The room ends, or its home is told first: until that knows, another participant may come that
    /// has to find the same room.
    pub(crate) fn let_go_if_empty(&mut self, id: RoomId) {
        let own = self.own_node();
        let Some(room) = self.rooms.get(&id).filter(|room| room.members.is_empty()) else { return };
        match &room.spread {
            Some(spread) if spread.home != own => {
                let (name, home, attempt) = (Arc::clone(&room.name), spread.home, spread.attempt);
                self.tell_node(home, &name, Body::Detach { attempt });
            }
            Some(spread) if !spread.nodes.is_empty() => {}
            _ => self.end_room(id),
        }
    }

    pub(crate) fn relayed(&mut self, now: Timestamp, from: NodeIndex, message: RelayMessage) {
        let RelayMessage { room: name, body } = message;
        let known = self.room_names.get(&*name).copied();
        let id = match (known, &body) {
            (Some(id), _) => id,
            (None, Body::Attach) => self.open_room(&name, None),
            // It ended here while that was on its way.
            (None, _) => return self.stats.relayed_late += 1,
        };
        match body {
            Body::Attach => self.attached(now, id, from),
            Body::Detach { attempt } => {
                self.forget_node(now, id, from);
                self.let_go_if_empty(id);
                self.tell_node(from, &name, Body::Detached { attempt });
            }
            Body::Detached { attempt } => {
                let is_this_time = |room: &&crate::room::Room| {
                    room.members.is_empty() && room.spread.as_ref().is_some_and(|it| it.attempt == attempt)
                };
                if self.rooms.get(&id).filter(is_this_time).is_some() {
                    self.end_room(id);
                }
            }
            Body::Nodes(nodes) => self.set_nodes(now, id, nodes),
            Body::Participant { shown, announcement, afresh } => {
                self.introduced(now, id, from, *shown, &announcement, afresh);
            }
            Body::Survey(all) => {
                let spread = self.rooms.get(&id).and_then(|room| room.spread.as_ref());
                let known = |(who, _): &(ParticipantId, _)| {
                    spread.is_some_and(|spread| spread.elsewhere.contains_key(who))
                };
                let all: Vec<_> = all.into_iter().filter(known).collect();
                self.with_router(now, id, |router, out| {
                    for (who, announcement) in &all {
                        router.set_elsewhere(now, *who, announcement, false, out);
                    }
                });
            }
            Body::Left(who) if self.node_of(who) == from => self.left_elsewhere(now, id, who),
            Body::Left(_) => {}
            Body::Expel { participant, code, text } => {
                if let Some(session) = self.participants.get(&participant).and_then(|found| found.session) {
                    self.complain(session, code, text, true, None);
                }
                self.remove_participant(now, participant);
            }
            Body::Wanted { publication, encodings } => self.with_router(now, id, |router, out| {
                router.set_wanted(now, from, publication, &encodings, out);
            }),
            Body::Request { publisher, item } => self.with_router(now, id, |router, out| {
                router.handle_relayed_request(now, publisher, &item, out);
            }),
            Body::Reports { publisher, items } => self.with_router(now, id, |router, out| {
                items.iter().for_each(|item| router.handle_rtcp(now, publisher, item, out));
            }),
            Body::Media { publisher, packets } => self.relayed_media(now, id, from, publisher, packets),
            Body::Speakers { speakers, recent } => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.speakers.clone_from(&speakers);
                }
                self.tell_room(id, None, &ServerMessage::Speakers(Speakers { speakers }));
                self.with_router(now, id, |router, out| router.follow_speakers(now, &recent, out));
            }
            Body::Data { to, message } => self.relayed_data(id, to, message),
        }
    }

    /// Another node is gone, or lost what was said to it: nothing of it is true any more. Who is still there says so again.
    pub(crate) fn node_lost(&mut self, now: Timestamp, node: NodeIndex) {
        let own = self.own_node();
        let spread = |(id, room): (&RoomId, &crate::room::Room)| {
            let spread = room.spread.as_ref()?;
            Some((*id, spread.home)).filter(|(_, home)| *home == node || spread.nodes.contains(&node))
        };
        let rooms: Vec<(RoomId, NodeIndex)> = self.rooms.iter().filter_map(spread).collect();
        for (id, home) in rooms {
            self.forget_node(now, id, node);
            if home == own {
                self.let_go_if_empty(id);
            } else if self.rooms.get(&id).is_some_and(|room| !room.members.is_empty()) {
                self.attach(now, id);
            } else {
                self.end_room(id);
            }
        }
    }

    /// A node joins a room whose home this is.
    fn attached(&mut self, now: Timestamp, id: RoomId, node: NodeIndex) {
        let own = self.own_node();
        // What it said in a former time is not true any more.
        self.forget_node(now, id, node);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let spread = room.spread.get_or_insert_with(|| Box::new(Spread::new(own)));
        if spread.home != own {
            return;
        }
        let mut nodes = spread.nodes.clone();
        nodes.push(node);
        let (name, speakers) = (Arc::clone(&room.name), room.speakers.clone());
        let recent = room.router.recent_speakers().to_vec();
        self.set_nodes(now, id, nodes);
        self.tell_node(node, &name, Body::Speakers { speakers, recent });
        self.tell_of_nodes(id);
        self.update_pair(id);
    }

    /// Tells every other node of a room which there are.
    fn tell_of_nodes(&mut self, id: RoomId) {
        let own = self.own_node();
        let Some(room) = self.rooms.get(&id) else { return };
        let Some(spread) = room.spread.as_ref() else { return };
        let (name, nodes) = (Arc::clone(&room.name), spread.nodes.clone());
        for node in &nodes {
            let others = nodes.iter().copied().chain([own]).filter(|other| other != node).collect();
            self.tell_node(*node, &name, Body::Nodes(others));
        }
    }

    /// Which nodes serve a room besides this one: those that are new get to know who is here.
    fn set_nodes(&mut self, now: Timestamp, id: RoomId, nodes: Vec<NodeIndex>) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let (name, members) = (Arc::clone(&room.name), room.members.clone());
        let Some(spread) = room.spread.as_mut() else { return };
        let before = std::mem::replace(&mut spread.nodes, nodes.clone());
        self.timers.set(Timer::Survey(id), (!nodes.is_empty()).then_some(now + SURVEY_INTERVAL));
        self.with_router(now, id, |router, out| router.set_nodes(now, &nodes, out));
        for node in nodes.iter().filter(|node| !before.contains(node)) {
            for member in &members {
                if let Some(body) = self.introduction(now, *member, true) {
                    self.tell_node(*node, &name, body);
                }
            }
        }
    }

    /// What other nodes are told of somebody here.
    fn introduction(&self, now: Timestamp, id: ParticipantId, afresh: bool) -> Option<Body> {
        let who = self.participants.get(&id)?;
        let room = self.rooms.get(&who.room)?;
        let shown = Box::new(wire::participant(who, &room.router.publications()));
        Some(Body::Participant { shown, announcement: room.router.announce(now, id), afresh })
    }

    /// Other nodes have to be told of somebody here, or told anew.
    pub(crate) fn introduce(&mut self, now: Timestamp, room: RoomId, id: ParticipantId) {
        if self.rooms.get(&room).is_some_and(|room| room.spread.is_some())
            && let Some(body) = self.introduction(now, id, false)
        {
            self.tell_nodes(room, &body);
        }
    }

    /// The rates of what is published here are due at other nodes.
    pub(crate) fn survey_due(&mut self, now: Timestamp, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let publishers = room.members.iter().filter(|member| room.router.is_heard(now, **member));
        let all: Vec<(ParticipantId, Announcement)> = publishers
            .map(|member| (*member, room.router.announce(now, *member)))
            .filter(|(_, announcement)| !announcement.publications.is_empty())
            .collect();
        if !all.is_empty() {
            self.tell_nodes(id, &Body::Survey(all));
        }
        self.timers.set(Timer::Survey(id), Some(now + SURVEY_INTERVAL));
    }

    /// Another node shows somebody whom it serves.
    fn introduced(
        &mut self,
        now: Timestamp,
        id: RoomId,
        from: NodeIndex,
        shown: signalling::Participant,
        announcement: &Announcement,
        afresh: bool,
    ) {
        let Some(who) = wire::parse_participant_id(&shown.id).filter(|who| self.node_of(*who) == from) else {
            return;
        };
        let most = self.config.limits.participants_per_room;
        let own = self.own_node();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(spread) = room.spread.as_mut() else { return };
        let is_new = !spread.elsewhere.contains_key(&who);
        let there = room.members.len() + spread.elsewhere.len();
        if is_new && spread.home == own && there >= most {
            let text = format!("the room has {there} participants, no more fit");
            let name = Arc::clone(&room.name);
            return self.tell_node(
                from,
                &name,
                Body::Expel { participant: who, code: ErrorCode::RoomFull, text },
            );
        }
        spread.elsewhere.insert(who, shown.clone());
        self.with_router(now, id, |router, out| {
            router.set_elsewhere(now, who, announcement, afresh, out);
        });
        let (mut change, list) = (RoomChange::default(), vec![shown]);
        match is_new {
            true => change.joined = list,
            false => change.changed = list,
        }
        self.tell_room(id, None, &ServerMessage::Room(change));
        self.update_pair(id);
    }

    fn left_elsewhere(&mut self, now: Timestamp, id: RoomId, who: ParticipantId) {
        let Some(spread) = self.rooms.get_mut(&id).and_then(|room| room.spread.as_mut()) else { return };
        if spread.elsewhere.remove(&who).is_none() {
            return;
        }
        self.with_router(now, id, |router, out| router.remove_participant(now, who, out));
        let departure = RoomChange { left: vec![wire::participant_id(who)], ..RoomChange::default() };
        self.tell_room(id, None, &ServerMessage::Room(departure));
        self.update_pair(id);
    }

    /// Everything about a room that came from a node, and everybody whom it serves.
    fn forget_node(&mut self, now: Timestamp, id: RoomId, node: NodeIndex) {
        let own = self.own_node();
        let Some(spread) = self.rooms.get(&id).and_then(|room| room.spread.as_ref()) else { return };
        let home = spread.home;
        let served: Vec<ParticipantId> =
            spread.elsewhere.keys().copied().filter(|who| self.node_of(*who) == node).collect();
        let left: Vec<NodeIndex> = spread.nodes.iter().copied().filter(|other| *other != node).collect();
        let was_there = left.len() != spread.nodes.len();
        for who in served {
            self.left_elsewhere(now, id, who);
        }
        if was_there {
            self.set_nodes(now, id, left);
            if home == own {
                self.tell_of_nodes(id);
            }
        }
    }

    fn relayed_media(
        &mut self,
        now: Timestamp,
        id: RoomId,
        from: NodeIndex,
        publisher: ParticipantId,
        packets: Vec<Relayed>,
    ) {
        if self.node_of(publisher) != from {
            return;
        }
        self.stats.relayed_in += packets.len() as u64;
        let packets = packets.into_iter().map(|relayed| relayed.packet);
        self.forwarding = true;
        self.with_router(now, id, |router, out| router.handle_burst(now, publisher, packets, out));
        self.forwarding = false;
    }

    fn relayed_data(&mut self, id: RoomId, to: Option<ParticipantId>, message: IncomingMessage) {
        let members = self.rooms.get(&id).map(|room| room.members.clone()).unwrap_or_default();
        let to: Vec<_> = members.into_iter().filter(|member| to.is_none_or(|to| to == *member)).collect();
        self.deliver(&to, &ServerMessage::Message(message));
    }

    /// News of a room that are for another node. Returns those that are for this one.
    pub(crate) fn pass_event(&mut self, id: RoomId, event: RoomEvent) -> Option<RoomEvent> {
        match event {
            RoomEvent::Demand { participant, publication, encodings, .. }
                if self.node_of(participant) != self.own_node() =>
            {
                let name = Arc::clone(&self.rooms.get(&id)?.name);
                self.tell_node(self.node_of(participant), &name, Body::Wanted { publication, encodings });
                None
            }
            event => Some(event),
        }
    }

    /// Tells the nodes of a room who speaks, if that is decided here.
    pub(crate) fn pass_speakers(&mut self, id: RoomId) {
        let own = self.own_node();
        let Some(room) = self.rooms.get(&id) else { return };
        if room.spread.as_ref().is_some_and(|spread| spread.home == own) {
            let recent = room.router.recent_speakers().to_vec();
            let speakers = room.speakers.clone();
            self.tell_nodes(id, &Body::Speakers { speakers, recent });
        }
    }

    /// Feedback to somebody whom another node serves: requests for keyframes go there. True if it was for such.
    pub(crate) fn pass_feedback(&mut self, id: RoomId, to: ParticipantId, item: &RtcpItem) -> bool {
        if self.node_of(to) == self.own_node() {
            return false;
        }
        if let Some(name) = self.rooms.get(&id).map(|room| Arc::clone(&room.name)) {
            let body = Body::Request { publisher: to, item: item.clone() };
            self.tell_node(self.node_of(to), &name, body);
        }
        true
    }

    /// Sender reports of somebody here, which tell other nodes when its packets were captured.
    pub(crate) fn pass_reports(&mut self, id: RoomId, publisher: ParticipantId, items: &[RtcpItem]) {
        if self.rooms.get(&id).is_none_or(|room| room.spread.is_none()) {
            return;
        }
        let without_blocks = |item: &RtcpItem| match item {
            RtcpItem::SenderReport { .. } => {
                let mut item = item.clone();
                if let RtcpItem::SenderReport { reports, .. } = &mut item {
                    reports.clear();
                }
                Some(item)
            }
            _ => None,
        };
        let items: Vec<RtcpItem> = items.iter().filter_map(without_blocks).collect();
        if !items.is_empty() {
            self.tell_nodes(id, &Body::Reports { publisher, items });
        }
    }

    /// Data for those of a room whom other nodes serve. False if it is for one that is in no part of the room.
    pub(crate) fn pass_data(
        &mut self,
        id: RoomId,
        to: Option<ParticipantId>,
        message: &IncomingMessage,
    ) -> bool {
        let body = Body::Data { to, message: message.clone() };
        let Some(to) = to else {
            self.tell_nodes(id, &body);
            return true;
        };
        let Some(room) = self.rooms.get(&id) else { return false };
        if !room.spread.as_ref().is_some_and(|spread| spread.elsewhere.contains_key(&to)) {
            return false;
        }
        let name = Arc::clone(&room.name);
        self.tell_node(self.node_of(to), &name, body);
        true
    }
}
