//! Signalling sessions: joins, resumes, messages, losses and leaves.
//!
//! Owns what each message does. Leaves its form and limits to `signalling`, who may join to the server, and what others
//! are told to `notice`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use packet::Mid;
use rand::Rng;
use router::ParticipantId;
use signalling::{
    Answer, Capabilities, ClientMessage, Error, ErrorCode, IceServer, IncomingMessage, Join, Joined,
    OutgoingMessage, Publish, Report, RoomChange, ServerMessage, Speakers, View,
};
use transport::turn::credentials;
use transport::{Acknowledgement, OfferError, Transport};
use units::Timestamp;

use crate::channel::Asker;
use crate::node::Timer;
use crate::participant::{Described, Participant};
use crate::relay::Body;
use crate::room::{Room, RoomId};
use crate::spread::Spread;
use crate::{Admission, Grant, NodeIndex, Output, SessionId, Sfu, capability, negotiation, wire};

/// Sections that a client may describe before they exist.
const MAX_DESCRIBED: usize = 64;

impl Sfu {
    pub(crate) fn message(&mut self, now: Timestamp, session: SessionId, message: ClientMessage) {
        match (self.sessions.get(&session).copied(), message) {
            (None, ClientMessage::Join(join)) => {
                self.join(now, session, join, Admission::Granted(Grant::default()), None);
            }
            (None, _) => {
                let text = "join a room before anything else".to_owned();
                self.reject(session, ErrorCode::NotJoined, text, None);
            }
            (Some(_), ClientMessage::Join(_)) => {
                let text = "this connection has joined; open another one for another room".to_owned();
                self.refuse(session, ErrorCode::AlreadyJoined, text, Some("join"));
            }
            (Some(id), ClientMessage::Offer(offer)) => self.offer(now, session, id, &offer.sdp),
            (Some(id), ClientMessage::Leave) => self.remove_participant(now, id),
            (Some(id), message) => self.hear(now, session.into(), id, message),
        }
    }

    /// A message that describes a state or is for others, whichever way it came. The others concern the WebSocket itself, or the
    /// connection that carries the data channel.
    pub(crate) fn hear(&mut self, now: Timestamp, asker: Asker, id: ParticipantId, message: ClientMessage) {
        match message {
            ClientMessage::Capabilities(said) => self.capabilities(now, id, &said),
            ClientMessage::View(view) => self.view(now, id, &view),
            ClientMessage::Publish(publish) => self.publish(now, asker, id, &publish),
            ClientMessage::Message(message) => self.relay(asker, id, message),
            ClientMessage::Direct(message) => self.pass_on(asker, id, message),
            ClientMessage::Report(report) => self.report(now, id, &report),
            ClientMessage::Join(_) | ClientMessage::Offer(_) | ClientMessage::Leave => {
                let kind = message.kind();
                let text = format!("send {kind} over the WebSocket");
                self.refuse(asker, ErrorCode::BadMessage, text, Some(kind));
            }
        }
    }

    /// Somebody whose right to join was looked at.
    pub(crate) fn admit(
        &mut self,
        now: Timestamp,
        session: SessionId,
        join: Join,
        admission: Admission,
        home: Option<NodeIndex>,
    ) {
        if self.sessions.contains_key(&session) {
            return self.message(now, session, ClientMessage::Join(join));
        }
        self.join(now, session, join, admission, home);
    }

    fn join(
        &mut self,
        now: Timestamp,
        session: SessionId,
        join: Join,
        admission: Admission,
        home: Option<NodeIndex>,
    ) {
        if self.closing {
            let text = "the server is going down; try again in a moment".to_owned();
            self.stats.joins_refused += 1;
            return self.reject(session, ErrorCode::ShuttingDown, text, Some("join"));
        }
        let earlier = join.resume.as_ref().and_then(|secret| self.resumes.get(secret)).copied();
        let same_room = |id: &ParticipantId| {
            self.participants
                .get(id)
                .is_some_and(|p| self.rooms.get(&p.room).is_some_and(|r| *r.name == *join.room))
        };
        let resumed = earlier.filter(same_room);
        let joined = match (resumed, admission) {
            (Some(id), _) => self.take_over(now, session, id, join),
            (None, Admission::Granted(grant)) => self.enter(now, session, join, grant, home),
            (None, Admission::ReturnOnly(why)) => Err((ErrorCode::Unauthorized, why)),
        };
        match joined {
            Ok(id) => {
                self.stats.joins += 1;
                self.sessions.insert(session, id);
                self.welcome(now, id, resumed.is_some());
                if let Some(room) = self.participants.get(&id).map(|who| who.room) {
                    self.update_pair(room);
                    if resumed.is_some() {
                        self.tell_pair(room, id);
                    }
                }
            }
            Err((code, text)) => {
                self.stats.joins_refused += 1;
                self.reject(session, code, text, Some("join"));
            }
        }
    }

    fn enter(
        &mut self,
        now: Timestamp,
        session: SessionId,
        join: Join,
        grant: Grant,
        home: Option<NodeIndex>,
    ) -> Result<ParticipantId, (ErrorCode, String)> {
        if self.draining {
            let text = "the server takes nobody new, as it is to be stopped; try another".to_owned();
            return Err((ErrorCode::ShuttingDown, text));
        }
        if !self.overload.admits() {
            let text = "the server has as much to do as it can; try again in a minute".to_owned();
            return Err((ErrorCode::ServerFull, text));
        }
        let limits = self.config.limits;
        if self.participants.len() >= limits.participants {
            return Err((
                ErrorCode::ServerFull,
                "the server has as many participants as it may; try later".to_owned(),
            ));
        }
        let room = match self.room_names.get(&join.room) {
            Some(room) => *room,
            None if self.rooms.len() >= limits.rooms => {
                return Err((
                    ErrorCode::ServerFull,
                    "the server has as many rooms as it may; try later".to_owned(),
                ));
            }
            None => self.open_room(&join.room, home),
        };
        let device = capability::profile(&self.config.presets, &join.capabilities);
        let id = ParticipantId(self.next_participant);
        let resume = self.secret();
        let Some(entry) = self.rooms.get_mut(&room) else { unreachable!("found or opened above") };
        let there = entry.members.len() + entry.spread.as_ref().map_or(0, |spread| spread.elsewhere.len());
        if there >= limits.participants_per_room {
            return Err((ErrorCode::RoomFull, format!("the room has {there} participants, no more fit")));
        }
        let is_first = entry.members.is_empty();
        self.next_participant = self.config.router.numbering.after(self.next_participant);
        entry.members.push(id);
        entry.router.add_participant(now, id, device);
        self.resumes.insert(resume.clone(), id);
        let mut participant = Participant::new(id, room, now, grant, &join, session, resume);
        let limit = capability::downlink_limit(&join.capabilities);
        participant.limit.client = limit;
        let arrival =
            RoomChange { joined: vec![wire::participant(&participant, &[])], ..RoomChange::default() };
        self.participants.insert(id, participant);
        self.with_router(now, room, |router, out| router.set_downlink_limit(now, id, limit, out));
        self.tell_room(room, Some(id), &ServerMessage::Room(arrival));
        self.tell_held(room);
        match is_first && self.has_home_elsewhere(room) {
            // Its home answers with all nodes, and each of them is told who is here.
            true => self.attach(now, room),
            false => self.introduce(now, room, id),
        }
        tracing::debug!(participant = %id, "joined");
        Ok(id)
    }

    /// A client comes back to its participant: with a new signalling connection, and perhaps with a new device state.
    fn take_over(
        &mut self,
        now: Timestamp,
        session: SessionId,
        id: ParticipantId,
        join: Join,
    ) -> Result<ParticipantId, (ErrorCode, String)> {
        let resume = self.secret();
        let Some(participant) = self.participants.get_mut(&id) else {
            unreachable!("looked up by the caller")
        };
        let room = participant.room;
        let former = participant.session.replace(session);
        self.resumes.remove(&participant.resume);
        self.resumes.insert(resume.clone(), id);
        participant.resume = resume;
        participant.name = join.name;
        participant.expires = None;
        participant.sent_slots.clear();
        self.timers.set(Timer::Expiry(id), None);
        self.stats.resumes += 1;
        if let Some(former) = former {
            self.sessions.remove(&former);
            let text = "another connection took this participant over".to_owned();
            self.reject(former, ErrorCode::Replaced, text, None);
        }
        self.capabilities(now, id, &join.capabilities);
        self.note_changed(room, id);
        if let Some(room) = self.rooms.get_mut(&room) {
            room.pending.slots.insert(id);
        }
        tracing::debug!(participant = %id, "resumed");
        Ok(id)
    }

    /// The answer to a join, and what else a returning client has to know.
    fn welcome(&mut self, now: Timestamp, id: ParticipantId, resumed: bool) {
        let Some(participant) = self.participants.get(&id) else { return };
        let Some(room) = self.rooms.get(&participant.room) else { return };
        let publications = room.router.publications();
        let others = room.members.iter().filter(|member| **member != id);
        let joined = Joined {
            own: wire::participant_id(id),
            participants: others
                .filter_map(|other| Some(wire::participant(self.participants.get(other)?, &publications)))
                .chain(room.spread.iter().flat_map(|spread| spread.elsewhere.values().cloned()))
                .collect(),
            ice_servers: self.ice_servers(now, id),
            limits: self.config.advertised,
            resume: participant.resume.clone(),
            resumed,
            rights: participant.grant.rights(),
        };
        let demands: Vec<_> = participant.demand.values().cloned().collect();
        let speakers = room.speakers.clone();
        self.tell(id, ServerMessage::Joined(joined));
        if !speakers.is_empty() {
            self.tell(id, ServerMessage::Speakers(Speakers { speakers }));
        }
        for demand in demands {
            self.tell(id, ServerMessage::Demand(demand));
        }
    }

    /// Where a client may look for its addresses and for a relay.
    fn ice_servers(&self, now: Timestamp, id: ParticipantId) -> Vec<IceServer> {
        let mut servers = self.config.ice_servers.clone();
        if let Some(turn) = &self.config.turn {
            let expiry = self.config.router.unix_seconds(now + turn.lifetime);
            let made = credentials(&turn.secret, &id.to_string(), expiry);
            servers.push(IceServer {
                urls: turn.urls.clone(),
                username: Some(made.username),
                credential: Some(made.password),
            });
        }
        servers
    }

    /// Opens a room, or a part of one whose home is elsewhere.
    pub(crate) fn open_room(&mut self, name: &str, home: Option<NodeIndex>) -> RoomId {
        let spread = home.filter(|home| *home != self.own_node()).map(Spread::new);
        let id = RoomId(self.next_room);
        self.next_room += 1;
        let router = router::Room::new(self.config.router.clone(), self.rng.next_u64());
        self.rooms.insert(id, Room::new(name.into(), router, spread));
        self.room_names.insert(name.to_owned(), id);
        self.tell_held(id);
        id
    }

    /// Forgets a room in which nobody is left.
    pub(crate) fn end_room(&mut self, id: RoomId) {
        let Some(room) = self.rooms.remove(&id) else { return };
        self.room_names.remove(&*room.name);
        for timer in [Timer::Room(id), Timer::Rates(id), Timer::Survey(id)] {
            self.timers.set(timer, None);
        }
        self.put_out(Output::RoomHeld { room: room.name, participants: None });
    }

    /// Says how many of a room are here.
    fn tell_held(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get(&id) {
            let (room, participants) = (Arc::clone(&room.name), Some(room.members.len()));
            self.put_out(Output::RoomHeld { room, participants });
        }
    }

    fn has_home_elsewhere(&self, id: RoomId) -> bool {
        let spread = self.rooms.get(&id).and_then(|room| room.spread.as_ref());
        spread.is_some_and(|spread| spread.home != self.own_node())
    }

    /// 112 bits of chance behind the number of this node, by which whoever returns is brought here ([`crate::holder_of`]).
    fn secret(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        bytes[..2].copy_from_slice(&self.own_node().0.to_be_bytes());
        bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
    }

    fn offer(&mut self, now: Timestamp, session: SessionId, id: ParticipantId, sdp: &str) {
        let grant = self.participants.get(&id).map(|p| p.grant.clone()).unwrap_or_default();
        if !grant.publish && transport::offers_to_send(sdp, &self.config.transport) == Ok(true) {
            self.stats.offers_refused += 1;
            let text = "the token does not allow to send; offer receive-only sections".to_owned();
            return self.refuse(session, ErrorCode::Forbidden, text, Some("offer"));
        }
        let answered = match self.negotiate(now, id, sdp) {
            // A page that was loaded again comes with a new connection of its own.
            Err(OfferError::OtherConnection | OfferError::Closed) => {
                self.close_transport(now, id);
                self.negotiate(now, id, sdp)
            }
            answered => answered,
        };
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => {
                self.stats.offers_refused += 1;
                return self.refuse(session, ErrorCode::OfferRejected, error.to_string(), Some("offer"));
            }
        };
        self.stats.offers += 1;
        let Some(participant) = self.participants.get(&id) else { return };
        let room = participant.room;
        let acknowledged = answer.acknowledgement != Acknowledgement::None;
        let (mut sending, mut slots) = negotiation::sections(&answer.sections, acknowledged);
        if !grant.publish {
            sending.clear();
        }
        if !grant.subscribe {
            // The sections stand, so that the offer of an ordinary client is answered; nothing is ever in them.
            slots.clear();
        }
        let described = participant.described.clone();
        let silenced = participant.silenced.clone();
        let view = participant.view.as_ref().map(|view| participant.pinned(view));
        self.say(session, ServerMessage::Answer(Answer { sdp: answer.sdp }));
        self.with_router(now, room, |router, out| {
            router.set_sections(now, id, &sending, &slots, out);
            for section in &sending {
                let said = described
                    .get(&section.mid)
                    .copied()
                    .unwrap_or(Described { muted: false, source: router::Source::of(section.kind) });
                let muted = said.muted || silenced.contains(&section.mid);
                router.set_publication(now, id, section.mid, muted, said.source, out);
            }
            if let Some(view) = &view {
                router.set_view(now, id, view, out);
            }
        });
        self.introduce(now, room, id);
        self.drain_transport(now, id);
    }

    /// Has the participant's transport answer, which is made if there is none.
    fn negotiate(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        sdp: &str,
    ) -> Result<transport::Answer, OfferError> {
        let Some(participant) = self.participants.get_mut(&id) else { return Err(OfferError::Closed) };
        let mut fresh = None;
        let transport = match participant.transport.as_mut() {
            Some(transport) => transport,
            None => fresh.insert(Box::new(Transport::new(now, self.config.transport.clone(), &mut self.rng))),
        };
        let answer = transport.handle_offer(now, sdp, &mut self.rng)?;
        self.routes.add_ufrag(transport.ufrag(), id);
        if fresh.is_some() {
            participant.transport = fresh;
        }
        Ok(answer)
    }

    fn capabilities(&mut self, now: Timestamp, id: ParticipantId, said: &Capabilities) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        participant.class = said.device.as_ref().map(|device| device.class);
        participant.direct = said.direct;
        let room = participant.room;
        let device = capability::profile(&self.config.presets, said);
        participant.limit.client = capability::downlink_limit(said);
        let limit = participant.limit.effective();
        self.with_router(now, room, |router, out| {
            router.set_device(now, id, device, out);
            router.set_downlink_limit(now, id, limit, out);
        });
        self.introduce(now, room, id);
        self.update_pair(room);
    }

    fn view(&mut self, now: Timestamp, id: ParticipantId, said: &View) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        let room = participant.room;
        let view: Vec<_> = said.slots.iter().filter_map(wire::slot_view).collect();
        let told = participant.pinned(&view);
        participant.view = Some(view);
        let view = told;
        self.with_router(now, room, |router, out| router.set_view(now, id, &view, out));
    }

    fn report(&mut self, now: Timestamp, id: ParticipantId, said: &Report) {
        let Some(room) = self.participants.get(&id).map(|p| p.room) else { return };
        let interval = Duration::from_millis(said.interval_ms.into());
        let slots: Vec<_> = said.slots.iter().filter_map(wire::slot_decode).collect();
        self.with_router(now, room, |router, out| router.report_decoding(now, id, interval, &slots, out));
    }

    fn publish(&mut self, now: Timestamp, asker: Asker, id: ParticipantId, said: &Publish) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        let Some(mid) = Mid::parse(&said.mid) else {
            let text = format!("{:?} cannot be a MID: take it from the transceiver", said.mid);
            return self.refuse(asker, ErrorCode::UnknownMid, text, Some("publish"));
        };
        if participant.described.len() >= MAX_DESCRIBED && !participant.described.contains_key(&mid) {
            let text = format!("{MAX_DESCRIBED} sections are described already");
            return self.refuse(asker, ErrorCode::TooLarge, text, Some("publish"));
        }
        let described = Described { muted: said.muted, source: wire::source(said.source) };
        participant.described.insert(mid, described);
        let room = participant.room;
        let muted = described.muted || participant.silenced.contains(&mid);
        self.with_router(now, room, |router, out| {
            router.set_publication(now, id, mid, muted, described.source, out);
        });
    }

    /// Hands data from one participant to another or to all.
    fn relay(&mut self, asker: Asker, from: ParticipantId, message: OutgoingMessage) {
        let Some(room) = self.participants.get(&from).map(|p| p.room) else { return };
        let private = message.to.is_some();
        let relayed = IncomingMessage { from: wire::participant_id(from), private, data: message.data };
        let Some(to) = message.to else {
            let members = self.rooms.get(&room).map(|room| room.members.clone()).unwrap_or_default();
            let others: Vec<_> = members.into_iter().filter(|member| *member != from).collect();
            self.pass_data(room, None, &relayed);
            return self.deliver(&others, &ServerMessage::Message(relayed));
        };
        let named = wire::parse_participant_id(&to);
        let known = named.filter(|to| self.participants.get(to).is_some_and(|other| other.room == room));
        match known {
            Some(to) => self.deliver(&[to], &ServerMessage::Message(relayed)),
            None if named.is_some() && self.pass_data(room, named, &relayed) => {}
            None => {
                let text = format!("{to} is not in this room");
                self.refuse(asker, ErrorCode::UnknownParticipant, text, Some("message"));
            }
        }
    }

    /// What others say goes over the data channel where there is one, and over the WebSocket where not.
    pub(crate) fn deliver(&mut self, to: &[ParticipantId], message: &ServerMessage) {
        let mut text = None;
        for member in to {
            let has_channel = self.participants.get(member).is_some_and(|who| who.channel.is_some());
            if !has_channel || !self.tell_by_channel(*member, text.get_or_insert_with(|| message.encode())) {
                self.tell(*member, message.clone());
            }
        }
    }

    pub(crate) fn session_lost(&mut self, now: Timestamp, session: SessionId) {
        let Some(id) = self.sessions.remove(&session) else { return };
        let Some(participant) = self.participants.get_mut(&id) else { return };
        participant.session = None;
        let room = participant.room;
        self.note_changed(room, id);
        self.await_return(now, id);
    }

    /// Decides how long a participant without signalling connection is kept.
    pub(crate) fn await_return(&mut self, now: Timestamp, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        let patience = match participant.transport {
            Some(_) => self.config.resume_timeout,
            None => self.config.return_timeout,
        };
        // Losing the media path as well shortens the time that is left; it never prolongs it.
        let until = now + patience;
        let until = participant.expires.map_or(until, |before| before.min(until));
        participant.expires = Some(until);
        self.timers.set(Timer::Expiry(id), Some(until));
    }

    /// Lets go of a participant: its session is closed, its media ends, the others are told.
    pub(crate) fn remove_participant(&mut self, now: Timestamp, id: ParticipantId) {
        self.close_transport(now, id);
        let Some(participant) = self.participants.remove(&id) else { return };
        self.resumes.remove(&participant.resume);
        self.timers.set(Timer::Expiry(id), None);
        if let Some(session) = participant.session {
            self.sessions.remove(&session);
            self.hang_up(session);
        }
        let room = participant.room;
        self.with_router(now, room, |router, out| router.remove_participant(now, id, out));
        tracing::debug!(participant = %id, "left");
        let Some(entry) = self.rooms.get_mut(&room) else { return };
        entry.members.retain(|member| *member != id);
        self.tell_nodes(room, &Body::Left(id));
        self.tell_held(room);
        self.let_go_if_empty(room);
        let departure = RoomChange { left: vec![wire::participant_id(id)], ..RoomChange::default() };
        self.tell_room(room, None, &ServerMessage::Room(departure));
        self.update_pair(room);
    }

    fn close_transport(&mut self, now: Timestamp, id: ParticipantId) {
        if let Some(transport) = self.participants.get_mut(&id).and_then(|p| p.transport.as_mut()) {
            transport.close(now);
            self.flush_transport(id);
            self.drop_transport(now, id);
        }
    }

    pub(crate) fn shutdown(&mut self, now: Timestamp) {
        self.closing = true;
        let everybody: Vec<_> = self.participants.keys().copied().collect();
        for id in &everybody {
            if let Some(session) = self.participants.get(id).and_then(|p| p.session) {
                self.complain(
                    session,
                    ErrorCode::ShuttingDown,
                    "the server is going down".to_owned(),
                    true,
                    None,
                );
            }
        }
        for id in everybody {
            self.remove_participant(now, id);
        }
    }

    /// Answers with an error and ends the connection.
    pub(crate) fn reject(&mut self, session: SessionId, code: ErrorCode, text: String, about: Option<&str>) {
        self.complain(session, code, text, true, about);
        self.hang_up(session);
    }

    pub(crate) fn complain(
        &mut self,
        session: SessionId,
        code: ErrorCode,
        text: String,
        fatal: bool,
        about: Option<&str>,
    ) {
        let error = Error { code, message: text, fatal, about: about.map(str::to_owned) };
        self.say(session, ServerMessage::Error(error));
    }
}
