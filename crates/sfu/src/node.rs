//! The node itself: takes inputs, hands out outputs, moves packets between transports and rooms.
//!
//! Owns the tables and the way of a packet. Only dispatches: messages are handled in `session`, what others are told in
//! `notice`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;
use packet::RtcpItem;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use router::{NodeIndex, ParticipantId, Relayed};
use signalling::{ErrorCode, ServerMessage};
use transport::demux::{Class, classify};
use transport::{CloseReason, Event, IncomingRtp, Path, Run, Transmit};
use units::{Timers, Timestamp};

use crate::hold::{Next, Waiting};
use crate::overload::Overload;
use crate::participant::{MediaPath, Participant};
use crate::relay::Body;
use crate::room::{Room, RoomId};
use crate::routes::Routes;

use crate::{Config, Input, Load, Output, SessionId, Stats};

/// Who may ask to be called at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A participant's transport.
    Transport(ParticipantId),
    /// A room's media.
    Room(RoomId),
    /// The rates in the slots of a room, which clients are told once a second.
    Rates(RoomId),
    /// What other nodes are told of the publications of a room.
    Survey(RoomId),
    /// A participant that may not come back.
    Expiry(ParticipantId),
    /// Packets that wait for those behind them.
    Hold,
}

/// Memory of one piece to seal in ([`Run::with_pieces_of`]): twice what the server collects before it sends.
const RUN_MEMORY: usize = 512 << 10;

/// What [`Sfu::poll_output`] has still to hand out.
enum Pending {
    Output(Output),
    /// Packets that wait for this participant wait no longer.
    Held(ParticipantId),
}

/// A node: everything that one worker serves. See the crate's documentation for how to drive it.
pub struct Sfu {
    pub(crate) config: Config,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) rooms: BTreeMap<RoomId, Room>,
    pub(crate) room_names: BTreeMap<String, RoomId>,
    pub(crate) participants: BTreeMap<ParticipantId, Participant>,
    pub(crate) sessions: BTreeMap<SessionId, ParticipantId>,
    pub(crate) resumes: BTreeMap<String, ParticipantId>,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers<Timer>,
    pub(crate) next_participant: u32,
    pub(crate) next_room: u32,
    /// Rooms with something to be said at the end of this input.
    pub(crate) noisy: BTreeSet<RoomId>,
    /// No participant may come that is not there already.
    pub(crate) draining: bool,
    pub(crate) closing: bool,
    pub(crate) overload: Overload,
    pub(crate) stats: Stats,
    outputs: VecDeque<Pending>,
    /// Datagrams of the participant whose turn it is to be sent to.
    sealed: VecDeque<Transmit>,
    /// Where packets are sealed.
    run: Run,
    /// What rooms want done, kept to reuse its memory. Empty between calls.
    routed: Vec<router::Output>,
    /// Packets of one participant that came together, kept to reuse its memory. Empty between calls.
    arrived: Vec<router::Incoming>,
    /// Feedback on its way to one participant, kept to reuse its memory.
    feedback: Vec<RtcpItem>,
    /// Participants with packets that wait for those behind them.
    waiting: Waiting,
    /// A packet is being forwarded: others of its frame are probably on their way. What the pace lets go waits for nothing.
    pub(crate) forwarding: bool,
    /// Packets on their way to other nodes, in batches. Empty between calls.
    relaying: Vec<(NodeIndex, ParticipantId, Vec<Relayed>)>,
    pub(crate) latest: Timestamp,
}

impl Sfu {
    /// An empty node. All its randomness comes from the seed: secret and fresh for a server, fixed for a simulation.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let next_participant = config.router.numbering.first();
        Self {
            config,
            rng: ChaCha20Rng::from_seed(seed),
            rooms: BTreeMap::new(),
            room_names: BTreeMap::new(),
            participants: BTreeMap::new(),
            sessions: BTreeMap::new(),
            resumes: BTreeMap::new(),
            routes: Routes::default(),
            timers: Timers::default(),
            next_participant,
            next_room: 1,
            noisy: BTreeSet::new(),
            draining: false,
            closing: false,
            overload: Overload::default(),
            stats: Stats::default(),
            outputs: VecDeque::new(),
            sealed: VecDeque::new(),
            run: Run::with_pieces_of(RUN_MEMORY),
            routed: Vec::new(),
            arrived: Vec::new(),
            feedback: Vec::new(),
            waiting: Waiting::default(),
            forwarding: false,
            relaying: Vec::new(),
            latest: Timestamp::ZERO,
        }
    }

    /// Takes one input. Drain [`Sfu::poll_output`] before the next.
    pub fn handle_input(&mut self, now: Timestamp, input: Input) {
        debug_assert!(self.outputs.is_empty(), "one input, then all of its outputs");
        // A clock that steps back would make deadlines that never come.
        let now = now.max(self.latest);
        self.latest = now;
        match input {
            Input::Datagram { local, source, data } => self.datagrams(now, Path::udp(local, source), [data]),
            Input::Datagrams { local, source, data } => self.datagrams(now, Path::udp(local, source), data),
            Input::Frame { local, source, data } => self.datagrams(now, Path::tcp(local, source), [data]),
            Input::Message { session, message } => self.message(now, session, message),
            Input::Join { session, join, admission, home } => {
                self.admit(now, session, *join, admission, home);
            }
            Input::Relay { from, message } => self.relayed(now, from, *message),
            Input::NodeLost(node) => self.node_lost(now, node),
            Input::Operator(command) => self.operate(now, command),
            Input::Busy(thousandths) => self.busy(now, thousandths),
            Input::SessionLost { session } => self.session_lost(now, session),
            Input::Timeout => {}
            Input::Shutdown => self.shutdown(now),
        }
        self.run_timers(now);
        self.flush_notices(now);
    }

    /// The next thing to do outside; [`Output::Wait`] when all is done. Media is sealed here, one receiver's after the other's: what
    /// is sent and let go soon after leaves memory that is still in the processor's cache to the next.
    pub fn poll_output(&mut self) -> Output {
        loop {
            if let Some(transmit) = self.sealed.pop_front() {
                return Output::Datagram(transmit);
            }
            match self.outputs.pop_front() {
                Some(Pending::Output(output)) => return output,
                Some(Pending::Held(to)) => self.send_held(to),
                None => return Output::Wait(self.timers.next()),
            }
        }
    }

    /// Something more to do outside.
    pub(crate) fn put_out(&mut self, output: Output) {
        self.outputs.push_back(Pending::Output(output));
    }

    /// How much the node holds.
    pub fn load(&self) -> Load {
        Load {
            rooms: self.rooms.len(),
            participants: self.participants.len(),
            overload: self.overload.step(),
            connected: self.participants.values().filter(|p| p.media == MediaPath::Connected).count(),
            pairs: self.rooms.values().filter(|room| room.pair.is_some()).count(),
        }
    }

    /// The node's counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn busy(&mut self, now: Timestamp, thousandths: u16) {
        if !self.overload.look(now, thousandths) {
            return;
        }
        let (step, max_height) = (self.overload.step(), self.overload.max_height());
        tracing::warn!(
            step,
            ?max_height,
            "the node's core is used up, or was: newcomers and pictures change"
        );
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in rooms {
            self.with_router(now, id, |router, out| router.set_max_height(now, max_height, out));
        }
    }

    /// Takes datagrams that came from one source in a row.
    fn datagrams(&mut self, now: Timestamp, path: Path, data: impl IntoIterator<Item = BytesMut>) {
        let mut latest = None;
        for datagram in data {
            // Whatever is no media may change where the next datagram belongs.
            let is_media = classify(&datagram) == Class::Rtp;
            let Some(of) = self.datagram(now, path, datagram) else { continue };
            if let Some(earlier) = latest.replace(of).filter(|earlier| *earlier != of) {
                self.drain_transport(now, earlier);
            }
            if !is_media {
                self.drain_transport(now, of);
                latest = None;
            }
        }
        if let Some(id) = latest {
            self.drain_transport(now, id);
        }
    }

    /// Gives a datagram to a transport. Returns whose it is.
    fn datagram(&mut self, now: Timestamp, path: Path, data: BytesMut) -> Option<ParticipantId> {
        let Some(id) = self.routes.find(path, &data) else {
            self.stats.stray_datagrams += 1;
            return None;
        };
        if !self.routes.is_proven(path)
            && let Some(participant) = self.participants.get_mut(&id)
            && !participant.unproven.admit(now)
        {
            self.stats.unproven_limited += 1;
            return None;
        }
        self.participants.get_mut(&id)?.transport.as_mut()?.handle_from(now, path, data);
        Some(id)
    }

    fn run_timers(&mut self, now: Timestamp) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Transport(id) => {
                    if let Some(transport) = self.participants.get_mut(&id).and_then(|p| p.transport.as_mut())
                    {
                        transport.handle_timeout(now);
                        self.drain_transport(now, id);
                    }
                }
                Timer::Room(id) => self.with_router(now, id, |router, out| router.handle_timeout(now, out)),
                Timer::Rates(id) => self.rates_due(now, id),
                Timer::Survey(id) => self.survey_due(now, id),
                Timer::Expiry(id) => self.remove_participant(now, id),
                Timer::Hold => self.end_hold(),
            }
        }
    }

    /// Lets a room do something and carries out what it wants done.
    pub(crate) fn with_router(
        &mut self,
        now: Timestamp,
        id: RoomId,
        act: impl FnOnce(&mut router::Room, &mut Vec<router::Output>),
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        act(&mut room.router, &mut self.routed);
        self.timers.set(Timer::Room(id), room.router.poll_timeout());
        self.route(now, id);
    }

    /// Takes everything that a transport has to say and to send.
    pub(crate) fn drain_transport(&mut self, now: Timestamp, id: ParticipantId) {
        loop {
            let Some(participant) = self.participants.get_mut(&id) else { return };
            let room = participant.room;
            let Some(transport) = participant.transport.as_mut() else { return };
            let event = transport.poll_event();
            if let Some(Event::Rtp(incoming)) = event {
                self.stats.packets_in += 1;
                if participant.silenced.contains(&incoming.mid) {
                    self.stats.silenced += 1;
                } else {
                    self.arrived.push(media(incoming));
                }
                continue;
            }
            // What came before it goes on before it.
            self.forward(now, room, id);
            let Some(event) = event else { break };
            match event {
                Event::Rtp(_) => {}
                Event::Rtcp(items) => {
                    self.with_router(now, room, |router, out| {
                        for item in &items {
                            router.handle_rtcp(now, id, item, out);
                        }
                    });
                    self.pass_reports(room, id, &items);
                }
                Event::SourceValidated(path) => self.routes.add_source(path, id),
                Event::SourceExpired(path) => self.routes.remove_source(path, id),
                Event::PathChanged(_) => {
                    tracing::debug!(participant = %id, "media takes another path");
                    self.with_router(now, room, |router, out| router.path_changed(now, id, out));
                }
                Event::Connected => self.media_connected(now, id),
                Event::ChannelOpened => self.channel_opened(now, id),
                Event::ChannelText(text) => self.channel_text(now, id, &text),
                Event::ChannelClosed => self.channel_closed(id),
                Event::Closed(reason) => self.media_lost(now, id, reason),
            }
        }
        self.flush_transport(id);
    }

    /// Lets the room have the packets that came from a participant.
    fn forward(&mut self, now: Timestamp, room: RoomId, from: ParticipantId) {
        if self.arrived.is_empty() {
            return;
        }
        let mut arrived = std::mem::take(&mut self.arrived);
        self.forwarding = true;
        self.with_router(now, room, |router, out| router.handle_burst(now, from, arrived.drain(..), out));
        self.forwarding = false;
        self.arrived = arrived;
    }

    /// Moves a transport's datagrams to the outputs and notes its deadline.
    pub(crate) fn flush_transport(&mut self, id: ParticipantId) {
        let Some(transport) = self.participants.get_mut(&id).and_then(|p| p.transport.as_mut()) else {
            return;
        };
        while let Some(transmit) = transport.poll_transmit() {
            self.outputs.push_back(Pending::Output(Output::Datagram(transmit)));
        }
        self.timers.set(Timer::Transport(id), transport.poll_timeout());
    }

    /// Carries out what a room wants done, in order.
    fn route(&mut self, now: Timestamp, room: RoomId) {
        let mut routed = std::mem::take(&mut self.routed);
        let mut outputs = routed.drain(..).peekable();
        while let Some(output) = outputs.next() {
            match output {
                router::Output::Rtp { to, packet } => {
                    let same = |next: &router::Output| matches!(next, router::Output::Rtp { to: next, .. } if *next == to);
                    let last = !outputs.peek().is_some_and(same);
                    self.send(now, to, packet, last && !self.forwarding);
                }
                router::Output::Relay { to, from, packet } => self.batch(to, from, packet),
                router::Output::Rtcp { to, item } => {
                    if self.pass_feedback(room, to, &item) {
                        continue;
                    }
                    self.feedback.push(item);
                    // What one participant is told in a row goes out as one compound packet.
                    while let Some(router::Output::Rtcp { item, .. }) = outputs
                        .next_if(|next| matches!(next, router::Output::Rtcp { to: next, .. } if *next == to))
                    {
                        self.feedback.push(item);
                    }
                    self.send_feedback(now, to);
                }
                router::Output::Event(event) => self.room_event(now, room, event),
            }
        }
        drop(outputs);
        self.routed = routed;
        self.send_batches(room);
    }

    /// Puts a packet to the others of its publisher that go to the same node.
    fn batch(&mut self, to: NodeIndex, from: ParticipantId, packet: Relayed) {
        match self.relaying.iter_mut().find(|(node, publisher, _)| (*node, *publisher) == (to, from)) {
            Some((.., packets)) => packets.push(packet),
            None => self.relaying.push((to, from, vec![packet])),
        }
    }

    fn send_batches(&mut self, room: RoomId) {
        if self.relaying.is_empty() {
            return;
        }
        let Some(name) = self.rooms.get(&room).map(|room| Arc::clone(&room.name)) else { return };
        let mut batches = std::mem::take(&mut self.relaying);
        for (to, publisher, packets) in batches.drain(..) {
            self.stats.relayed_out += packets.len() as u64;
            self.tell_node(to, &name, Body::Media { publisher, packets });
        }
        self.relaying = batches;
    }

    /// Sends a packet, or lets it wait for those behind it unless it is known to be the `last`.
    fn send(&mut self, now: Timestamp, to: ParticipantId, packet: router::OutgoingPacket, last: bool) {
        let Some(participant) = self.participants.get_mut(&to) else {
            self.stats.unsendable += 1;
            return;
        };
        let begins = participant.held.is_empty();
        if participant.held.push(packet) == Next::Send || last || self.config.hold.is_zero() {
            self.outputs.push_back(Pending::Held(to));
        } else if begins {
            let until = self.waiting.add(now, to, self.config.hold);
            if until.is_some() {
                self.timers.set(Timer::Hold, until);
            }
        }
    }

    /// Nobody waits any longer.
    fn end_hold(&mut self) {
        let waiting = self.waiting.take();
        self.outputs.extend(waiting.iter().copied().map(Pending::Held));
        self.waiting.recycle(waiting);
    }

    /// Seals and queues all that waits for a participant.
    fn send_held(&mut self, to: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&to) else { return };
        let Some(transport) = participant.transport.as_mut() else {
            self.stats.unsendable += participant.held.drain().count() as u64;
            return;
        };
        for packet in participant.held.drain() {
            let body = [&packet.prefix[..], &packet.payload];
            match transport.write_rtp(&packet.header, &body, packet.padding, &mut self.run) {
                Ok(_) => self.stats.packets_out += 1,
                Err(_) => self.stats.unsendable += 1,
            }
        }
        transport.send_run(&mut self.run);
        self.sealed.extend(std::iter::from_fn(|| transport.poll_transmit()));
    }

    fn send_feedback(&mut self, now: Timestamp, to: ParticipantId) {
        if let Some(transport) = self.participants.get_mut(&to).and_then(|p| p.transport.as_mut())
            && transport.send_rtcp(now, &self.feedback).is_ok()
        {
            while let Some(transmit) = transport.poll_transmit() {
                self.outputs.push_back(Pending::Output(Output::Datagram(transmit)));
            }
        } else {
            self.stats.unsendable += 1;
        }
        self.feedback.clear();
    }

    fn media_connected(&mut self, now: Timestamp, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        participant.media = MediaPath::Connected;
        let room = participant.room;
        tracing::debug!(participant = %id, "media connected");
        self.note_changed(room, id);
        self.with_router(now, room, |router, out| router.set_connected(now, id, true, out));
        // Slots that were filled while media could not flow are of interest from here on.
        if let Some(room) = self.rooms.get_mut(&room) {
            room.pending.slots.insert(id);
        }
    }

    /// The media path is gone for good: the client must offer again, with a new connection.
    fn media_lost(&mut self, now: Timestamp, id: ParticipantId, reason: CloseReason) {
        tracing::debug!(participant = %id, %reason, "media lost");
        self.flush_transport(id);
        self.drop_transport(now, id);
        let Some(participant) = self.participants.get(&id) else { return };
        let (room, session) = (participant.room, participant.session);
        self.note_changed(room, id);
        match session {
            Some(session) if !matches!(reason, CloseReason::Local | CloseReason::PeerClosed) => {
                let text =
                    format!("the media path is gone ({reason}); make a new connection and offer again");
                self.refuse(session, ErrorCode::TransportFailed, text, Some("offer"));
            }
            Some(_) => {}
            None => self.await_return(now, id),
        }
    }

    /// Forgets a participant's transport, with everything that was agreed over it.
    pub(crate) fn drop_transport(&mut self, now: Timestamp, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        if participant.transport.take().is_none() {
            return;
        }
        participant.channel = None;
        if participant.media == MediaPath::Connected {
            participant.media = MediaPath::Lost;
        }
        let room = participant.room;
        self.routes.remove(id);
        self.timers.set(Timer::Transport(id), None);
        self.with_router(now, room, |router, out| {
            router.set_connected(now, id, false, out);
            router.set_sections(now, id, &[], &[], out);
        });
    }

    /// Queues a message for a participant, if there is a connection to say it on: its WebSocket, and while that is lost its data
    /// channel.
    pub(crate) fn tell(&mut self, id: ParticipantId, message: ServerMessage) {
        match self.participants.get(&id).map(|who| (who.session, who.channel.is_some())) {
            Some((Some(session), _)) => self.put_out(Output::Message { session, message }),
            // Where that fails nobody can be told; a resume brings what stands.
            Some((None, true)) => _ = self.tell_by_channel(id, &message.encode()),
            _ => {}
        }
    }

    /// Queues a message for a connection.
    pub(crate) fn say(&mut self, session: SessionId, message: ServerMessage) {
        self.put_out(Output::Message { session, message });
    }

    /// Queues the end of a connection.
    pub(crate) fn hang_up(&mut self, session: SessionId) {
        self.put_out(Output::CloseSession { session });
    }
}

fn media(incoming: IncomingRtp) -> router::Incoming {
    let IncomingRtp { mid, rid, codec, packet, redundant, .. } = incoming;
    router::Incoming { mid, rid, codec, packet, redundant }
}
