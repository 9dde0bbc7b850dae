//! One participant: the simulator's virtual client over real sockets.
//!
//! Owns the wiring. The client says what it sends and judges what it gets, as in virtual time; here its messages go over a
//! WebSocket, its connectivity checks over UDP as they are, and its media through the keys of a DTLS handshake. The client is
//! told that its first check was answered once there are keys, so that nothing it says is lost.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use client::signal::Signal;
use client::{ConnectError, Trust};
use signalling::{ClientMessage, ServerMessage};
use simulator::links::event::Micros;
use simulator::links::rng::Rng;
use simulator::rooms::client::{Client, Effect};
use simulator::rooms::receiver::Counts;
use simulator::rooms::spec::ClientSpec;
use transport::CloseReason;
use transport::check;
use transport::demux::{self, Class};
use transport::peer::{Peer, PeerIdentity};
use units::Timestamp;

use super::socket::{Buffers, Socket};
use super::tally::{Phase, Tally, add};
use crate::clock::Clock;

/// How often somebody with nothing to do looks whether the run is over.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// Everything that a participant is made of.
pub(super) struct Participant {
    pub(super) spec: ClientSpec,
    pub(super) room: String,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) trust: Trust,
    pub(super) identity: Arc<PeerIdentity>,
    pub(super) clock: Clock,
    pub(super) tally: Rc<Tally>,
    pub(super) buffers: Rc<Buffers>,
}

/// Why a participant ended before the run did.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("signalling: {0}")]
    Signalling(#[from] ConnectError),
    #[error("the server closed the signalling connection")]
    HungUp,
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
    #[error("media: {0}")]
    Media(CloseReason),
    #[error("the answer lacks an address or a fingerprint")]
    Answer,
}

impl Participant {
    /// Joins, takes part until the run is over, leaves.
    pub(super) async fn run(self) {
        let name = self.spec.name.clone();
        let tally = self.tally.clone();
        if let Err(reason) = self.take_part().await {
            tracing::warn!(name, %reason, "a participant ended early");
            add(&tally.failed, 1);
        }
    }

    async fn take_part(self) -> Result<(), Ended> {
        let started = self.clock.now();
        let signal = Signal::connect(&self.url, self.trust).await?;
        let seed = u64::from(self.spec.index);
        let slots = self.spec.slots.len();
        let mut client = Client::new(self.spec.clone(), Rng::new(seed, 1));
        // A browser sends a frame at once when its link is wide.
        client.set_pacing(PACING);
        client.join(started.as_micros(), &self.room, false);
        let mut session = Session {
            signal,
            client,
            link: None,
            before: vec![Counts::default(); slots],
            frames: vec![0; slots],
            began: false,
            seen: false,
            started,
            effects: Vec::new(),
            common: self,
        };
        session.effects().await?;
        while session.common.tally.phase.get() != Phase::Over {
            session.step().await?;
        }
        session.leave().await;
        Ok(())
    }
}

/// Percent of the rate of its encoders: one packet behind the other.
const PACING: u64 = 100_000;

/// A media path in the making, or made.
struct Link {
    socket: Socket,
    peer: Peer,
    /// The answer to the client's first check, kept back until there are keys.
    answered: Option<Bytes>,
}

struct Session {
    common: Participant,
    signal: Signal,
    client: Client,
    link: Option<Link>,
    /// What each slot had counted when measuring began.
    before: Vec<Counts>,
    /// Frames that each slot had shown at the last look.
    frames: Vec<u64>,
    /// Measuring has begun.
    began: bool,
    /// There was a first picture.
    seen: bool,
    started: Timestamp,
    effects: Vec<Effect>,
}

impl Session {
    fn now(&self) -> Micros {
        self.common.clock.now().as_micros()
    }

    /// Waits for the next thing to happen and does what follows from it.
    async fn step(&mut self) -> Result<(), Ended> {
        let wake = self.next_wake();
        let socket = self.link.as_ref().map(|link| &link.socket);
        let readable = async {
            match socket {
                Some(socket) => socket.readable().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.signal.receive() => {
                let message = message.ok_or(Ended::HungUp)?;
                self.hear(message)?;
            }
            outcome = readable => {
                outcome?;
                self.receive()?;
            }
            () = tokio::time::sleep_until(self.common.clock.instant(wake)) => {}
        }
        let now = self.now();
        if let Some(link) = &mut self.link {
            let due = |at: Timestamp| at.as_micros() <= now;
            if link.peer.poll_timeout().is_some_and(due) {
                link.peer.handle_timeout(Timestamp::from_micros(now));
                link.flush();
            }
        }
        if self.client.poll_timeout().is_some_and(|at| at <= now) {
            self.client.handle_timeout(now);
        }
        self.begin_to_count();
        self.effects().await
    }

    fn next_wake(&self) -> Timestamp {
        let look = self.common.clock.now() + LOOK;
        let client = self.client.poll_timeout().map(Timestamp::from_micros);
        let peer = self.link.as_ref().and_then(|link| link.peer.poll_timeout());
        client.into_iter().chain(peer).fold(look, Ord::min)
    }

    fn hear(&mut self, message: ServerMessage) -> Result<(), Ended> {
        let now = self.now();
        match &message {
            ServerMessage::Joined(_) => add(&self.common.tally.joined, 1),
            ServerMessage::Answer(answer) if self.link.is_none() => self.link = Some(self.link(&answer.sdp)?),
            ServerMessage::Error(error) => {
                tracing::warn!(name = self.common.spec.name, code = ?error.code, error.message, "refused");
                add(&self.common.tally.errors, 1);
            }
            _ => {}
        }
        self.client.handle_message(now, &message);
        Ok(())
    }

    fn link(&self, answer: &str) -> Result<Link, Ended> {
        let line = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key));
        let candidate = line("a=candidate:").ok_or(Ended::Answer)?;
        let mut words = candidate.split_whitespace().skip(4);
        let ip = words.next().and_then(|ip| ip.parse().ok()).ok_or(Ended::Answer)?;
        let port = words.next().and_then(|port| port.parse().ok()).ok_or(Ended::Answer)?;
        let fingerprint = line("a=fingerprint:sha-256 ").ok_or(Ended::Answer)?;
        let now = self.common.clock.now();
        let peer =
            Peer::connect(now, self.common.identity.clone(), fingerprint.trim()).map_err(Ended::Media)?;
        Ok(Link { socket: Socket::open(SocketAddr::new(ip, port))?, peer, answered: None })
    }

    fn receive(&mut self) -> Result<(), Ended> {
        let now = self.now();
        let Some(link) = &mut self.link else { return Ok(()) };
        let Link { socket, peer, answered } = link;
        let (client, tally) = (&mut self.client, &self.common.tally);
        let measuring = tally.is_measuring();
        let (mut packets, mut outcome, mut connected) = (0, Ok(false), false);
        socket.receive(&self.common.buffers, |datagram| {
            let plain = match demux::classify(datagram) {
                Class::Stun if !peer.is_connected() => {
                    let first = answered.is_none() && check::succeeded(datagram).is_some();
                    *answered = answered.take().or_else(|| first.then(|| Bytes::copy_from_slice(datagram)));
                    None
                }
                Class::Stun => Some(BytesMut::from(datagram)),
                Class::Dtls => {
                    outcome = peer.handle_dtls(Timestamp::from_micros(now), BytesMut::from(datagram));
                    connected |= outcome == Ok(true);
                    None
                }
                Class::Rtp => {
                    packets += 1;
                    if measuring {
                        add(&tally.bytes, datagram.len() as u64);
                    }
                    peer.open_rtp(datagram)
                }
                Class::Rtcp => peer.open_rtcp(datagram),
                Class::Unknown => None,
            };
            if let Some(plain) = plain {
                client.handle_datagram(now, plain.freeze());
            }
        });
        if measuring && packets > 0 {
            add(&tally.packets, packets);
            add(&tally.receives, 1);
        }
        link.flush();
        outcome.map_err(Ended::Media)?;
        if connected {
            let kept = link.answered.take();
            add(&self.common.tally.connected, 1);
            let took = self.common.clock.now() - self.started;
            self.common.tally.connect.borrow_mut().add(took.as_micros() as u64);
            if let Some(answer) = kept {
                self.client.handle_datagram(now, answer);
            }
        }
        self.look(now);
        Ok(())
    }

    /// Takes note of new pictures.
    fn look(&mut self, now: Micros) {
        let tally = &self.common.tally;
        for (slot, frames) in self.client.slots().iter().zip(&mut self.frames) {
            let shown = slot.receiver().counts().frames;
            if std::mem::replace(frames, shown) == shown {
                continue;
            }
            if !std::mem::replace(&mut self.seen, true) {
                tally.first_frame.borrow_mut().add(now - self.started.as_micros());
            }
            if let Some(picture) = slot.newest().filter(|_| tally.is_measuring()) {
                tally.latency.borrow_mut().add(now.saturating_sub(picture.captured));
                *tally.layers.borrow_mut().entry(picture.encoding).or_default() += 1;
            }
        }
    }

    /// Remembers what was counted before it counts.
    fn begin_to_count(&mut self) {
        if self.began || !self.common.tally.is_measuring() {
            return;
        }
        self.began = true;
        for (slot, before) in self.client.slots().iter().zip(&mut self.before) {
            before.clone_from(slot.receiver().counts());
        }
    }

    /// Carries out what the client wants done.
    async fn effects(&mut self) -> Result<(), Ended> {
        let mut effects = std::mem::take(&mut self.effects);
        self.client.take_effects(&mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Message(mut message) => {
                    if let ClientMessage::Join(join) = &mut *message {
                        join.token.clone_from(&self.common.token);
                    }
                    self.say(*message).await?;
                }
                Effect::Datagram(datagram) => self.send(&datagram),
                // Made with the answer that says where it leads; a connection that was lost is made anew.
                Effect::NewSocket => self.link = None,
            }
        }
        self.effects = effects;
        Ok(())
    }

    async fn say(&mut self, message: ClientMessage) -> Result<(), Ended> {
        let message = match message {
            ClientMessage::Offer(offer) => {
                let sdp = with_fingerprint(&offer.sdp, self.common.identity.fingerprint());
                ClientMessage::Offer(signalling::Offer { sdp })
            }
            other => other,
        };
        Ok(self.signal.send(&message).await?)
    }

    fn send(&mut self, datagram: &[u8]) {
        let Some(link) = &mut self.link else { return };
        let class = demux::classify(datagram);
        let sealed = match class {
            Class::Stun => {
                link.socket.send(datagram);
                // The handshake follows the check, which opens the way.
                link.flush();
                return;
            }
            Class::Rtp => link.peer.seal_rtp(datagram),
            Class::Rtcp => link.peer.seal_rtcp(datagram),
            Class::Dtls | Class::Unknown => None,
        };
        if let Some(sealed) = sealed {
            link.socket.send(&sealed);
            if class == Class::Rtp && self.common.tally.is_measuring() {
                add(&self.common.tally.packets_sent, 1);
            }
        }
    }

    async fn leave(mut self) {
        if self.began {
            for (slot, before) in self.client.slots().iter().zip(&self.before) {
                self.common.tally.add(before, slot.receiver().counts());
            }
        }
        if let Some(link) = &mut self.link {
            link.peer.close(self.common.clock.now());
            link.flush();
        }
        // The server notices either way.
        let _ = self.signal.send(&ClientMessage::Leave).await;
        self.signal.close().await;
    }
}

impl Link {
    /// Sends what the handshake wants to send, once the server knows this address.
    fn flush(&mut self) {
        while let Some(datagram) = self.peer.poll_transmit() {
            self.socket.send(&datagram);
        }
    }
}

/// The offer with the certificate that will be shown.
fn with_fingerprint(sdp: &str, fingerprint: &str) -> String {
    let line = |line: &str| match line.strip_prefix("a=fingerprint:") {
        Some(_) => format!("a=fingerprint:sha-256 {fingerprint}\r\n"),
        None => format!("{line}\r\n"),
    };
    sdp.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_names_the_certificate_in_every_section() {
        let offer =
            "v=0\r\nm=audio\r\na=fingerprint:sha-256 00:11\r\nm=video\r\na=fingerprint:sha-256 00:11\r\n";
        let expected =
            "v=0\r\nm=audio\r\na=fingerprint:sha-256 AB\r\nm=video\r\na=fingerprint:sha-256 AB\r\n";
        assert_eq!(with_fingerprint(offer, "AB"), expected);
    }
}
