//! Two links in the chain that every packet of a connection passes.
//!
//! Owns what the stock chain leaves out: its NACK generator never learns that a retransmission repaired a packet and goes
//! on asking for it, and it hands no RTCP to the application.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rtc::interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Position of [`RestoreRetransmissions`]: in front of the NACK generator at 7,000.
pub(super) const RESTORE_SLOT: usize = 6_500;
/// Position of [`DeliverKeyframeRequests`]: behind everything that acts on RTCP.
pub(super) const DELIVER_SLOT: usize = 14_000;

/// Turns retransmissions back into the packets they repeat (RFC 4588 §4), for everything behind it in the chain.
#[derive(Default)]
pub(super) struct RestoreRetransmissions {
    /// By the SSRC of the retransmissions: SSRC and payload type of what they repair.
    originals: BTreeMap<u32, (u32, u8)>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl RestoreRetransmissions {
    fn restore(&self, message: &mut TaggedPacket) {
        let Packet::Rtp(packet) = &mut message.message.packet else { return };
        let Some((ssrc, payload_type)) = self.originals.get(&packet.header.ssrc) else { return };
        // Padding sent as retransmission repeats nothing, and stays what it is.
        if packet.payload.len() <= packet::rtx::OSN_LENGTH {
            return;
        }
        packet.header.ssrc = *ssrc;
        packet.header.payload_type = *payload_type;
        packet.header.sequence_number = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
        packet.payload = packet.payload.slice(packet::rtx::OSN_LENGTH..);
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for RestoreRetransmissions {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        self.restore(&mut message);
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for RestoreRetransmissions {
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(repair) = info.ssrc_rtx {
            self.originals.insert(repair, (info.ssrc, info.payload_type));
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(repair) = info.ssrc_rtx {
            self.originals.remove(&repair);
        }
    }

    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
}

/// Hands requests for keyframes to the track they are for, and ends all other RTCP.
#[derive(Default)]
pub(super) struct DeliverKeyframeRequests {
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for DeliverKeyframeRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &mut message.message.packet {
            packets.retain(|packet| {
                let any = packet.as_any();
                any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>()
            });
            if packets.is_empty() {
                return Ok(());
            }
            message.message.add(Attribute::DeliverToApplication);
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for DeliverKeyframeRequests {
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::AttributedPacket;
    use rtc::rtcp::receiver_report::ReceiverReport;
    use rtc::rtp;
    use rtc::shared::TransportContext;

    use super::*;

    fn tagged(packet: Packet) -> TaggedPacket {
        let transport = TransportContext::default();
        TaggedPacket { now: Instant::now(), transport, message: AttributedPacket::new(packet) }
    }

    fn received(ssrc: u32, payload: &'static [u8]) -> TaggedPacket {
        let header = rtp::header::Header {
            ssrc,
            payload_type: 97,
            sequence_number: 7,
            ..rtp::header::Header::default()
        };
        tagged(Packet::Rtp(rtp::Packet { header, payload: bytes::Bytes::from_static(payload) }))
    }

    #[test]
    fn retransmissions_become_what_they_repeat() {
        let mut link = RestoreRetransmissions::default();
        let info = StreamInfo { ssrc: 1, payload_type: 96, ssrc_rtx: Some(2), ..StreamInfo::default() };
        link.bind_remote_stream(&info);
        // (SSRC, payload) in; (SSRC, payload type, sequence, payload) out
        type Seen = (u32, u8, u16, &'static [u8]);
        let cases: [(u32, &'static [u8], Seen, &str); 4] = [
            (2, &[0x12, 0x34, 9], (1, 96, 0x1234, &[9]), "a retransmission"),
            (2, &[0x12, 0x34], (2, 97, 7, &[0x12, 0x34]), "padding stays what it is"),
            (2, &[], (2, 97, 7, &[]), "so does empty padding"),
            (1, &[0x12, 0x34, 9], (1, 97, 7, &[0x12, 0x34, 9]), "media is left alone"),
        ];
        for (ssrc, payload, expected, why) in cases {
            link.handle_read(received(ssrc, payload)).unwrap();
            let out = link.poll_read().unwrap();
            let Packet::Rtp(packet) = out.message.packet else { panic!("RTP stays RTP") };
            let header = packet.header;
            let seen = (header.ssrc, header.payload_type, header.sequence_number, &packet.payload[..]);
            assert_eq!(seen, expected, "{why}");
        }
        link.unbind_remote_stream(&info);
        link.handle_read(received(2, &[0x12, 0x34, 9])).unwrap();
        let Packet::Rtp(packet) = link.poll_read().unwrap().message.packet else { panic!("RTP stays RTP") };
        assert_eq!(packet.header.ssrc, 2, "an ended stream has no retransmissions");
    }

    #[test]
    fn only_keyframe_requests_reach_the_application() {
        let mut link = DeliverKeyframeRequests::default();
        let report = || -> Box<dyn rtc::rtcp::Packet> { Box::new(ReceiverReport::default()) };
        link.handle_read(tagged(Packet::Rtcp(vec![report()]))).unwrap();
        assert!(link.poll_read().is_none(), "a report has done its work before");
        let request = Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc: 2 });
        link.handle_read(tagged(Packet::Rtcp(vec![report(), request]))).unwrap();
        let out = link.poll_read().unwrap().message;
        assert!(out.has(&Attribute::DeliverToApplication));
        let Packet::Rtcp(packets) = out.packet else { panic!("RTCP stays RTCP") };
        assert_eq!(packets.len(), 1);
        assert!(packets[0].as_any().is::<PictureLossIndication>());
    }
}
