//! Texts over the data channel: between the channel, DTLS that carries it, and the owner.

use bytes::Bytes;
use units::Timestamp;

use super::{Phase, SendError, Transport};
use crate::channel::{Channel, News};
use crate::dtls::Dtls;
use crate::event::Event;
use crate::section::Section;

impl Transport {
    /// Waits for a channel from the first offer on that has a section for one. Offers after that change nothing: one that
    /// lived is not followed by another.
    pub(super) fn expect_channel(&mut self) {
        let offered = self.session.agreement.sections.iter().find_map(|section| match section {
            Section::Data(data) => Some(data.longest_sent),
            _ => None,
        });
        if let (None, Some(longest_sent), Some(longest)) =
            (&self.channel, offered, self.config.channel_message_bytes)
        {
            self.channel = Some(Box::new(Channel::new(longest, longest_sent)));
        }
    }

    /// Gives the channel what DTLS brought.
    pub(super) fn receive_data(&mut self, now: Timestamp) {
        let received = self.dtls.as_mut().map(Dtls::take_received).unwrap_or_default();
        for packet in received {
            let Some(channel) = self.channel.as_mut().filter(|_| self.phase == Phase::Connected) else {
                self.stats.data_unexpected += 1;
                continue;
            };
            let news = channel.handle_packet(now, packet);
            self.settle_channel(now, news);
        }
    }

    /// Tells the owner, and has DTLS carry what the channel wants to send.
    pub(super) fn settle_channel(&mut self, now: Timestamp, news: Vec<News>) {
        for news in news {
            match news {
                News::Opened => self.emit(Event::ChannelOpened),
                News::Text(text) => {
                    self.stats.texts_in += 1;
                    self.emit(Event::ChannelText(text));
                }
                News::Closed => self.emit(Event::ChannelClosed),
            }
        }
        while let Some(packet) = self.next_packet() {
            if let Some(dtls) = &mut self.dtls {
                dtls.send(now, &packet);
            }
            self.flush_dtls();
        }
    }

    fn next_packet(&mut self) -> Option<Bytes> {
        self.channel.as_mut()?.poll_transmit()
    }

    /// Sends a text over the data channel.
    ///
    /// # Errors
    /// [`SendError::NotConnected`] when there is none, or the client takes none of that length; [`SendError::QueueFull`] when
    /// the client left so much unread that the channel was closed.
    pub fn send_text(&mut self, now: Timestamp, text: &str) -> Result<(), SendError> {
        let channel = self.channel.as_mut().filter(|channel| channel.is_open());
        let channel = channel.ok_or(SendError::NotConnected)?;
        let (sent, news) = channel.send(now, text);
        let failed = if channel.is_open() { SendError::NotConnected } else { SendError::QueueFull };
        self.settle_channel(now, news);
        if !sent {
            return Err(failed);
        }
        self.stats.texts_out += 1;
        Ok(())
    }

    /// Ends the data channel, for a client that does not keep to the rules. Media goes on.
    pub fn close_channel(&mut self, now: Timestamp) {
        let news = self.channel.as_mut().map(|channel| channel.end(now)).unwrap_or_default();
        self.settle_channel(now, news);
    }
}
