//! What arrives at a virtual client over its media path.
//!
//! Owns which stream a packet is of and what feedback means. Leaves pictures to `slot` and repair to
//! `camera`.

use bytes::Bytes;
use packet::{RtcpItem, RtpPacket, parse_rtcp};

use super::Client;
use crate::links::event::Micros;
use crate::rooms::receiver::Arrived;

impl Client {
    pub(super) fn handle_rtp(&mut self, now: Micros, datagram: Bytes) {
        let wire = datagram.len() as u64;
        let csrc = first_csrc(&datagram);
        let Ok(packet) = RtpPacket::parse(datagram, &self.ids) else {
            self.traffic.malformed += 1;
            return;
        };
        if let Some(number) = packet.extensions.transport_wide {
            self.arrivals.add(now, number);
        }
        if let Some(stream) = self.audio_streams.get_mut(&packet.ssrc) {
            stream.highest = u32::from(packet.sequence);
            self.traffic.audio_packets += 1;
            return;
        }
        let Some((at, is_rtx)) = self.streams.get(&packet.ssrc).copied() else {
            self.traffic.unknown += 1;
            return;
        };
        let (sequence, payload) = match (is_rtx, packet.payload.len()) {
            (true, 0..2) => {
                // Padding in the retransmission stream.
                self.traffic.padding_bytes += wire;
                return;
            }
            (true, _) => {
                self.traffic.rtx_bytes += wire;
                (u16::from_be_bytes([packet.payload[0], packet.payload[1]]), packet.payload.slice(2..))
            }
            (false, _) => (packet.sequence, packet.payload.clone()),
        };
        if payload.is_empty() {
            self.traffic.padding_bytes += wire;
        } else {
            self.traffic.video_bytes += wire;
        }
        let arrived =
            Arrived { sequence, timestamp: packet.timestamp, marker: packet.marker, csrc, payload, wire };
        if let Some(slot) = self.slots.get_mut(at) {
            self.traffic.dropped_pictures += slot.handle(now, arrived, &mut self.decoder);
        }
    }

    pub(super) fn handle_rtcp(&mut self, now: Micros, datagram: &[u8]) {
        let batch = parse_rtcp(datagram);
        self.traffic.malformed += u64::from(batch.malformed);
        for item in &batch.items {
            match item {
                RtcpItem::Nack { media_ssrc, lost, .. } => {
                    for (camera, _) in &mut self.cameras {
                        camera.repair(now, self.ice.rtt(), *media_ssrc, lost, &mut self.outbox);
                    }
                }
                RtcpItem::Pli { media_ssrc, .. } | RtcpItem::Fir { media_ssrc, .. } => {
                    for (camera, _) in &mut self.cameras {
                        if camera.encoding_of(*media_ssrc).is_some() {
                            camera.encoder_mut().request_keyframe();
                        }
                    }
                }
                RtcpItem::TransportFeedback(_) => self.traffic.feedbacks += 1,
                RtcpItem::SenderReport { ssrc, ntp, .. } => {
                    // RFC 3550 §6.4.1: the middle 32 bits.
                    self.reports_seen.insert(*ssrc, ((ntp >> 16) as u32, now));
                }
                _ => {}
            }
        }
        self.pace(now);
    }
}

/// Who is in a packet (RFC 3550 §5.1): the crate `packet` does not read CSRC, as no publisher sends any.
fn first_csrc(datagram: &[u8]) -> Option<u32> {
    let word = datagram.get(12..16).filter(|_| datagram[0] & 0x0f > 0)?;
    Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}
