//! Messages over a participant's data channel: the same ones as over its WebSocket, under the same limits.
//!
//! Owns which messages go there. A client may say in it whatever describes a state or is for others; it hears in it what others
//! say, and while its WebSocket is lost everything that would have been said there. What messages do is in `session`, their
//! form in `signalling`, the channel itself in `transport`.

use router::ParticipantId;
use signalling::{Error, ErrorCode, Limits, MessageRate, Pace, ServerMessage};
use units::Timestamp;

use crate::{SessionId, Sfu};

/// Where a message came from, and where an error about it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Session(SessionId),
    Channel(ParticipantId),
}

impl From<SessionId> for Asker {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

/// What is kept of an open channel.
pub(crate) struct OpenChannel {
    rate: MessageRate,
}

impl Sfu {
    pub(crate) fn channel_opened(&mut self, now: Timestamp, id: ParticipantId) {
        let limits = &self.config.advertised;
        let channel =
            OpenChannel { rate: MessageRate::new(now, limits.messages_per_second, limits.message_burst) };
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.channel = Some(channel);
            self.stats.channels += 1;
        }
    }

    pub(crate) fn channel_closed(&mut self, id: ParticipantId) {
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.channel = None;
        }
    }

    /// Takes what a client said in its channel.
    pub(crate) fn channel_text(&mut self, now: Timestamp, id: ParticipantId, text: &[u8]) {
        let Some(channel) = self.participants.get_mut(&id).and_then(|who| who.channel.as_mut()) else {
            return;
        };
        let asker = Asker::Channel(id);
        let pace = channel.rate.judge(now);
        self.stats.channel_refused += u64::from(pace != Pace::Fine);
        match pace {
            Pace::Fine => {}
            Pace::TooFast => {
                let text = "send fewer messages; the limits are in the answer to join".to_owned();
                return self.refuse(asker, ErrorCode::TooFast, text, None);
            }
            Pace::FarTooFast => return self.close_channel(now, id),
        }
        let advertised = &self.config.advertised;
        let limits = Limits {
            message_bytes: advertised.message_bytes as usize,
            offer_bytes: advertised.offer_bytes as usize,
            data_bytes: advertised.data_bytes as usize,
        };
        let Ok(text) = str::from_utf8(text) else {
            self.stats.channel_refused += 1;
            return self.close_channel(now, id);
        };
        match signalling::decode(text, &limits) {
            Ok(message) => {
                self.stats.channel_texts += 1;
                self.hear(now, asker, id, message);
            }
            Err(problem) => {
                self.stats.channel_refused += 1;
                self.answer(asker, problem.reply());
            }
        }
    }

    fn close_channel(&mut self, now: Timestamp, id: ParticipantId) {
        if let Some(transport) = self.participants.get_mut(&id).and_then(|who| who.transport.as_mut()) {
            transport.close_channel(now);
            self.flush_transport(id);
        }
        self.channel_closed(id);
    }

    /// Answers whoever asked, where it asked.
    pub(crate) fn answer(&mut self, asker: Asker, message: ServerMessage) {
        match asker {
            Asker::Session(session) => self.say(session, message),
            Asker::Channel(id) => {
                // A client that closed its channel meanwhile does not want the answer.
                let _ = self.tell_by_channel(id, &message.encode());
            }
        }
    }

    /// Answers with an error and goes on.
    pub(crate) fn refuse(
        &mut self,
        asker: impl Into<Asker>,
        code: ErrorCode,
        text: String,
        about: Option<&str>,
    ) {
        let error = Error { code, message: text, fatal: false, about: about.map(str::to_owned) };
        self.answer(asker.into(), ServerMessage::Error(error));
    }

    /// Sends a message over a participant's channel. False when there is none.
    pub(crate) fn tell_by_channel(&mut self, id: ParticipantId, text: &str) -> bool {
        let now = self.latest;
        let Some(participant) = self.participants.get_mut(&id).filter(|who| who.channel.is_some()) else {
            return false;
        };
        let sent =
            participant.transport.as_mut().is_some_and(|transport| transport.send_text(now, text).is_ok());
        self.flush_transport(id);
        sent
    }
}
