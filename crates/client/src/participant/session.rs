//! The task of one participant: signalling, media connection and time, in one loop.
//!
//! Owns the order of things: what is offered and when, what a message changes, what is sent back, and how a lost
//! signalling connection is made anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use packet::MediaKind;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use signalling::{ClientMessage, Demand, ErrorCode, Joined, Offer, Report, ServerMessage};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use units::Bitrate;
use webrtc::data_channel::DataChannel;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::RTCPeerConnectionState;

use super::publish::{spawn_camera, spawn_microphone};
use super::{Command, Event, PATIENCE, Shared, enter};
use crate::clock::Clock;
use crate::error::JoinError;
use crate::link::Link;
use crate::options::Options;
use crate::peer::{AudioSender, Peer, PeerEvent, VideoSender};
use crate::receiver::Receiver;
use crate::sdp;
use crate::signal::Signal;
use crate::synthetic::Wanted;

/// How often missing packets are given up and keyframes asked for.
const TICK: Duration = Duration::from_millis(50);
/// How often the server is told how decoding goes.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The first wait before connecting again; doubled each time, up to the longest one: a server that restarts is met soon.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// What a session starts with.
pub(super) struct Start {
    pub(super) url: String,
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    pub(super) signal: Signal,
    pub(super) joined: Joined,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
}

/// See the module.
pub(super) struct Session {
    start: Start,
    peer: Peer,
    peer_events: mpsc::UnboundedReceiver<PeerEvent>,
    camera: Option<VideoSender>,
    microphone: Option<AudioSender>,
    /// For messages and reports; `None` where it was not asked for or is gone.
    channel: Option<Arc<dyn DataChannel>>,
    channel_open: bool,
    /// The path through which media goes. It ends with the session.
    link: Option<Link>,
    /// By MID, for asking for keyframes.
    tracks: BTreeMap<String, (u32, Arc<dyn TrackRemote>)>,
    /// Everybody who waits for the answer to the last offer.
    waiting: Vec<oneshot::Sender<()>>,
    /// An offer is out.
    offering: bool,
    /// Slots to offer when the answer is in.
    slots_to_add: usize,
    tasks: JoinSet<()>,
    last_report: Instant,
    rng: ChaCha8Rng,
}

/// Why the loop ended.
enum End {
    /// Asked for, here or by the server.
    Over,
    /// The signalling connection was lost.
    Lost,
    /// The server asked to go on at that address.
    Moved(String),
}

/// A media connection that has not been offered, and what sends on it.
struct Media {
    peer: Peer,
    events: mpsc::UnboundedReceiver<PeerEvent>,
    camera: Option<VideoSender>,
    microphone: Option<AudioSender>,
    channel: Option<Arc<dyn DataChannel>>,
}

impl Media {
    async fn new(local: std::net::IpAddr, options: &Options) -> Result<Self, JoinError> {
        let (told, events) = mpsc::unbounded_channel();
        let mut peer = Peer::new(local, told).await?;
        // The first section carries the transport for the life of the connection, so it is one that nobody removes.
        peer.add_slots(RtpCodecKind::Audio, 1).await?;
        let camera = match &options.camera {
            Some(config) => {
                let rids: Vec<String> =
                    config.encodings.iter().map(|encoding| encoding.rid.clone()).collect();
                Some(peer.add_video(config.codec, &rids, options.seed).await?)
            }
            None => None,
        };
        let microphone =
            if options.microphone { Some(peer.add_audio(options.seed.wrapping_add(1)).await?) } else { None };
        peer.add_slots(RtpCodecKind::Audio, options.audio_slots.saturating_sub(1)).await?;
        peer.add_slots(RtpCodecKind::Video, options.video_slots).await?;
        let channel = if options.data_channel { Some(peer.add_channel().await?) } else { None };
        Ok(Self { peer, events, camera, microphone, channel })
    }
}

impl Session {
    /// Makes the media connection, offers it, and applies the answer.
    pub(super) async fn start(start: Start) -> Result<Self, JoinError> {
        let media = Media::new(start.signal.local(), &start.options).await?;
        let rng = ChaCha8Rng::seed_from_u64(start.options.seed);
        let mut session = Self {
            start,
            peer: media.peer,
            peer_events: media.events,
            camera: media.camera,
            microphone: media.microphone,
            channel: media.channel,
            channel_open: false,
            link: None,
            tracks: BTreeMap::new(),
            waiting: Vec::new(),
            offering: false,
            slots_to_add: 0,
            tasks: JoinSet::new(),
            last_report: Instant::now(),
            rng,
        };
        session.negotiate().await?;
        Ok(session)
    }

    /// The server took us for somebody new: a media connection from the beginning, and what was measured with it.
    async fn start_anew(&mut self) -> Result<(), JoinError> {
        self.peer.close().await;
        self.tasks.shutdown().await;
        let media = Media::new(self.start.signal.local(), &self.start.options).await?;
        self.peer = media.peer;
        self.peer_events = media.events;
        self.camera = media.camera;
        self.microphone = media.microphone;
        self.channel = media.channel;
        self.channel_open = false;
        self.link = None;
        self.tracks.clear();
        self.waiting.clear();
        self.offering = false;
        *self.start.shared.receiver() = Receiver::default();
        self.start.shared.set_id(self.start.joined.own.clone());
        self.negotiate().await
    }

    /// The first offer and its answer.
    async fn negotiate(&mut self) -> Result<(), JoinError> {
        let sdp = self.peer.offer().await?;
        self.start.signal.send(&ClientMessage::Offer(Offer { sdp })).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let received = tokio::time::timeout_at(deadline, self.start.signal.receive()).await;
            match received.ok().flatten() {
                Some(ServerMessage::Answer(answer)) => return self.apply_answer(answer.sdp).await,
                Some(ServerMessage::Error(error)) => return Err(JoinError::Refused(error)),
                Some(message) => self.handle_message(message),
                None => return Err(JoinError::NoAnswer),
            }
        }
    }

    async fn apply_answer(&mut self, answer: String) -> Result<(), JoinError> {
        let sections = sdp::sections_by_ssrc(&answer);
        let answer = match self.start.options.link {
            Some((up, down)) => {
                let near = self.near_end(&answer, up, down).await?;
                near.map_or(answer.clone(), |near| sdp::replace_candidates(&answer, near))
            }
            None => answer,
        };
        // Slots are known before media can arrive in them.
        let slots = self.peer.slots().await?;
        let kind = |kind| if kind == RtpCodecKind::Audio { MediaKind::Audio } else { MediaKind::Video };
        let slots = slots.into_iter().map(|(mid, codec_kind)| (mid, kind(codec_kind))).collect();
        self.start.shared.receiver().set_slots(slots, sections);
        self.peer.apply_answer(answer).await?;
        for done in self.waiting.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
        Ok(())
    }

    /// The near end of the path to the server, which is made on the first answer.
    async fn near_end(
        &mut self,
        answer: &str,
        up: crate::link::LinkConfig,
        down: crate::link::LinkConfig,
    ) -> Result<Option<std::net::SocketAddr>, JoinError> {
        if self.link.is_none()
            && let Some(server) = sdp::first_candidate(answer)
        {
            let local = self.start.signal.local();
            let link = Link::start(local, server, up, down, self.start.options.seed).await;
            self.link = Some(link.map_err(JoinError::Link)?);
        }
        Ok(self.link.as_ref().map(Link::near))
    }

    /// Runs until it is over.
    pub(super) async fn run(mut self) {
        loop {
            let wait = match self.serve().await {
                End::Over => break,
                End::Lost => FIRST_RETRY,
                End::Moved(url) => {
                    self.start.url = url;
                    Duration::ZERO
                }
            };
            match self.resume(wait).await {
                Some(true) => self.tell(Event::Resumed),
                Some(false) => match self.start_anew().await {
                    Ok(()) => self.tell(Event::Rejoined),
                    Err(error) => {
                        tracing::warn!(%error, "joining anew");
                        break;
                    }
                },
                None => break,
            }
        }
        self.peer.close().await;
        self.tasks.shutdown().await;
        self.start.signal.close().await;
        // Nobody may be listening, and that is what ends a participant, too.
        let _ = self.start.events.try_send(Event::Closed);
    }

    async fn serve(&mut self) -> End {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.start.signal.receive() => match message {
                    Some(message) if self.ends(&message) => return End::Over,
                    Some(ServerMessage::Answer(answer)) => self.handle_answer(answer.sdp).await,
                    Some(ServerMessage::Moved(moved)) => return End::Moved(moved.url),
                    Some(message) => self.handle_message(message),
                    None => return End::Lost,
                },
                command = self.start.commands.recv() => match command {
                    Some(Command::Send(message)) => {
                        if self.say(&message).await.is_err() {
                            return End::Lost;
                        }
                    }
                    Some(Command::AddVideoSlots(count, done)) => {
                        self.slots_to_add += count;
                        self.waiting.push(done);
                    }
                    // Leaving is a courtesy: the server notices a closed connection as well.
                    Some(Command::Leave) | None => {
                        let _ = self.start.signal.send(&ClientMessage::Leave).await;
                        return End::Over;
                    }
                },
                Some(event) = self.peer_events.recv() => {
                    if self.handle_peer_event(event) {
                        return End::Over;
                    }
                }
                _ = ticks.tick() => {
                    if self.handle_tick().await.is_err() {
                        return End::Lost;
                    }
                }
            }
            if self.slots_to_add > 0 && !self.offering && self.offer_slots().await.is_err() {
                return End::Lost;
            }
        }
    }

    /// Says something over the data channel, if it is of the kind that goes there, or over the signalling connection.
    async fn say(&mut self, message: &ClientMessage) -> Result<(), JoinError> {
        let is_free = matches!(message, ClientMessage::Message(_) | ClientMessage::Report(_));
        if !is_free || !self.say_by_channel(message).await {
            self.start.signal.send(message).await?;
        }
        Ok(())
    }

    /// False when there is no data channel, or it does not take the message.
    async fn say_by_channel(&mut self, message: &ClientMessage) -> bool {
        match &self.channel {
            Some(channel) if self.channel_open => channel.send_text(&message.encode()).await.is_ok(),
            _ => false,
        }
    }

    fn ends(&self, message: &ServerMessage) -> bool {
        match message {
            ServerMessage::Error(error) if error.fatal => {
                self.tell(Event::Error(error.clone()));
                !passes(error.code)
            }
            _ => false,
        }
    }

    async fn offer_slots(&mut self) -> Result<(), JoinError> {
        let count = std::mem::take(&mut self.slots_to_add);
        self.peer.add_slots(RtpCodecKind::Video, count).await?;
        let sdp = self.peer.offer().await?;
        self.offering = true;
        self.start.signal.send(&ClientMessage::Offer(Offer { sdp })).await?;
        Ok(())
    }

    async fn handle_answer(&mut self, answer: String) {
        self.offering = false;
        if let Err(error) = self.apply_answer(answer).await {
            tracing::warn!(%error, "an answer that cannot be applied");
        }
    }

    fn handle_message(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Slots(slots) => {
                let now = self.start.clock.now();
                self.start.shared.receiver().handle_estimate(slots.estimate_bps);
                for state in &slots.slots {
                    self.start.shared.receiver().handle_state(now, state.clone());
                }
                self.tell(Event::Slots(slots.slots));
            }
            ServerMessage::Demand(demand) => {
                self.obey(&demand);
                self.tell(Event::Demand(demand));
            }
            ServerMessage::Room(change) => self.tell(Event::Room(change)),
            ServerMessage::Speakers(speakers) => self.tell(Event::Speakers(speakers.speakers)),
            ServerMessage::Message(message) => self.tell(Event::Message(message)),
            ServerMessage::Error(error) => {
                if error.code == ErrorCode::OfferRejected {
                    self.offering = false;
                    self.waiting.clear();
                }
                self.tell(Event::Error(error));
            }
            // The loop that reads messages acts on the first three; the last two are for whoever asks for them.
            ServerMessage::Joined(_)
            | ServerMessage::Answer(_)
            | ServerMessage::Moved(_)
            | ServerMessage::Pair(_)
            | ServerMessage::Direct(_) => {}
        }
    }

    /// Switches encodings as the room wants them.
    fn obey(&self, demand: &Demand) {
        let Some(camera) = &self.start.shared.camera else { return };
        let mut camera = camera.lock().expect("a camera does not panic");
        for wanted in &demand.encodings {
            let rid = wanted.rid.as_deref().unwrap_or_default();
            if let Some(index) = camera.config().encodings.iter().position(|encoding| encoding.rid == rid) {
                let max_bitrate = wanted.max_bitrate_bps.map(Bitrate::from_bps);
                camera.set_demand(
                    index,
                    Wanted { active: wanted.active, max_bitrate, max_fps: wanted.max_fps },
                );
            }
        }
    }

    /// `true` when media has ended for good.
    fn handle_peer_event(&mut self, event: PeerEvent) -> bool {
        match event {
            PeerEvent::State(RTCPeerConnectionState::Connected) => {
                self.tell(Event::Connected);
                let (clock, seed) = (self.start.clock, self.start.options.seed);
                if let Some(sender) = self.camera.take() {
                    spawn_camera(&mut self.tasks, &self.start.shared, clock, sender);
                }
                if let Some(sender) = self.microphone.take() {
                    spawn_microphone(&mut self.tasks, seed, sender);
                }
                false
            }
            PeerEvent::State(RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed) => {
                tracing::warn!(name = self.start.options.name, "the media path has failed");
                true
            }
            PeerEvent::State(_) => false,
            PeerEvent::Track(track) => {
                self.follow(track);
                false
            }
            PeerEvent::ChannelOpened => {
                self.channel_open = true;
                self.tell(Event::ChannelOpened);
                false
            }
            PeerEvent::Text(text) => {
                match signalling::decode_server(&text) {
                    Ok(Some(message)) => self.handle_message(message),
                    // The contract has clients ignore what they do not know.
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%error, "a message that is not understood"),
                }
                false
            }
            PeerEvent::ChannelClosed => {
                self.channel = None;
                if std::mem::take(&mut self.channel_open) {
                    self.tell(Event::ChannelClosed);
                }
                false
            }
        }
    }

    /// Reads a track until it ends.
    fn follow(&mut self, track: Arc<dyn TrackRemote>) {
        let (shared, clock) = (self.start.shared.clone(), self.start.clock);
        let reader = track.clone();
        self.tasks.spawn(async move {
            while let Some(event) = reader.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                let ssrc = packet.header.ssrc;
                let ask = shared.receiver().handle_rtp(clock.now(), packet);
                if ask {
                    ask_for_keyframe(reader.as_ref(), ssrc).await;
                }
            }
        });
        let shared = self.start.shared.clone();
        let found = futures_util::FutureExt::now_or_never(track.ssrcs()).unwrap_or_default();
        for ssrc in found {
            if let Some(mid) = shared.receiver().section(ssrc).cloned() {
                self.tracks.insert(mid, (ssrc, track.clone()));
            }
        }
    }

    async fn handle_tick(&mut self) -> Result<(), JoinError> {
        let now = self.start.clock.now();
        let starving = self.start.shared.receiver().handle_timeout(now);
        for mid in starving {
            if let Some((ssrc, track)) = self.tracks.get(&mid) {
                ask_for_keyframe(track.as_ref(), *ssrc).await;
            }
        }
        if self.last_report.elapsed() >= REPORT_INTERVAL {
            let interval_ms = self.last_report.elapsed().as_millis() as u32;
            self.last_report = Instant::now();
            let slots = self.start.shared.receiver().take_reports(now);
            if !slots.is_empty() {
                self.say(&ClientMessage::Report(Report { interval_ms, slots })).await?;
            }
        }
        Ok(())
    }

    /// Connects again after `wait`, and then after ever longer ones, for as long as the server keeps this participant.
    /// `true` when it was taken over, `false` when the server knew nothing of it, `None` when there was no way in. Meanwhile
    /// the data channel goes on.
    async fn resume(&mut self, wait: Duration) -> Option<bool> {
        self.tell(Event::Reconnecting);
        let again = Again {
            url: self.start.url.clone(),
            options: self.start.options.clone(),
            resume: self.start.joined.resume.clone(),
            kept: Duration::from_secs(u64::from(self.start.joined.limits.resume_seconds)),
            rng: ChaCha8Rng::seed_from_u64(self.rng.random()),
        };
        let attempts = again.connect(wait);
        tokio::pin!(attempts);
        let (signal, joined) = loop {
            tokio::select! {
                found = &mut attempts => match found {
                    Ok(found) => break found,
                    Err(refused) => {
                        refused.into_iter().for_each(|error| self.tell(Event::Error(error)));
                        return None;
                    }
                },
                Some(event) = self.peer_events.recv() => {
                    if self.handle_peer_event(event) {
                        return None;
                    }
                }
                // Without a channel commands wait until somebody hears them.
                Some(command) = self.start.commands.recv(), if self.channel_open => match command {
                    Command::Send(message) => {
                        if !self.say_by_channel(&message).await {
                            tracing::debug!("a message is lost with the connections");
                        }
                    }
                    Command::AddVideoSlots(count, done) => {
                        self.slots_to_add += count;
                        self.waiting.push(done);
                    }
                    Command::Leave => return None,
                },
            }
        };
        self.start.signal = signal;
        let resumed = joined.resumed;
        self.start.joined = joined;
        Some(resumed)
    }

    fn tell(&self, event: Event) {
        // A participant whose events nobody reads goes on all the same.
        let _ = self.start.events.try_send(event);
    }
}

/// What it takes to come back.
struct Again {
    url: String,
    options: Options,
    resume: String,
    /// How long the server keeps the participant.
    kept: Duration,
    rng: ChaCha8Rng,
}

impl Again {
    /// A new connection that has joined. The error is the server's, if it is one that says not to come back.
    async fn connect(mut self, mut wait: Duration) -> Result<(Signal, Joined), Option<signalling::Error>> {
        let deadline = Instant::now() + self.kept;
        while Instant::now() + wait < deadline {
            // A random part, so that a crowd does not come back at once.
            sleep(wait.mul_f64(self.rng.random_range(0.5..1.0))).await;
            wait = (wait * 2).clamp(FIRST_RETRY, LONGEST_RETRY);
            let attempt = async {
                let mut signal = Signal::connect(&self.url, self.options.trust).await?;
                let joined = enter(&mut signal, &self.options, Some(self.resume.clone())).await?;
                Ok::<_, JoinError>((signal, joined))
            };
            match timeout(PATIENCE, attempt).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(JoinError::Refused(error))) if error.fatal && !passes(error.code) => {
                    return Err(Some(error));
                }
                Ok(Err(error)) => tracing::debug!(%error, "connecting again"),
                Err(_) => tracing::debug!("connecting again took too long"),
            }
        }
        Err(None)
    }
}

/// Errors that end a connection and after which trying again is right: the server restarts, or lost track of us, or lets in
/// no more than so many per second.
fn passes(code: ErrorCode) -> bool {
    use ErrorCode::{Internal, ShuttingDown, Timeout, TooFast};
    matches!(code, ShuttingDown | Internal | Timeout | TooFast)
}

async fn ask_for_keyframe(track: &dyn TrackRemote, media_ssrc: u32) {
    // RFC 4585 §6.3.1; a receiver without streams of its own has no SSRC to put in.
    let request = PictureLossIndication { sender_ssrc: 1, media_ssrc };
    if let Err(error) = track.write_rtcp(vec![Box::new(request)]).await {
        tracing::debug!(%error, "asking for a keyframe");
    }
}
