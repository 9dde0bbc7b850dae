//! What a virtual client sends over its media path: its packets at the pace of a browser, and its reports.
//!
//! Owns pacing and the content of reports. Leaves when they are due to the client.

use bytes::BytesMut;
use packet::{ReportBlock, RtcpItem, write_rtcp};
use signalling::{ClientMessage, SlotReport};

use super::{Client, DECODE_REPORT_INTERVAL, Effect};
use crate::links::event::{MILLI, Micros, SECOND};
use crate::rooms::camera::Ready;
use crate::rooms::sdp;

/// The least that the pacer goes by, in bits per second.
const PACING_LEAST: u64 = 300_000;

impl Client {
    pub(super) fn report(&mut self, now: Micros) {
        // A participant's clock: seconds since 1900 and a fraction, that of nobody else.
        let own = now + u64::from(self.spec.index) * 7 * SECOND;
        let ntp = ((3_900_000_000 + own / SECOND) << 32) | (((own % SECOND) << 32) / SECOND);
        let mut items = Vec::new();
        for (camera, _) in &self.cameras {
            camera.reports(now, ntp, &mut items);
        }
        let blocks: Vec<ReportBlock> = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot.ssrc, slot.receiver().highest()?)))
            .map(|(ssrc, highest)| {
                let (last, at) = self.reports_seen.get(&ssrc).copied().unwrap_or_default();
                ReportBlock {
                    ssrc,
                    // RFC 3550 §A.1: the first cycle is number zero.
                    highest_sequence: (highest - (1 << 16)) as u32,
                    last_sender_report: last,
                    delay_since_sender_report: if last == 0 {
                        0
                    } else {
                        ((now - at) * 65_536 / SECOND) as u32
                    },
                    ..ReportBlock::default()
                }
            })
            .collect();
        for blocks in blocks.chunks(31) {
            items.push(RtcpItem::ReceiverReport { ssrc: 1, reports: blocks.iter().copied().collect() });
        }
        if !items.is_empty() {
            self.send_rtcp(&items);
        }
    }

    pub(super) fn report_decoding(&mut self) {
        let interval_ms = (DECODE_REPORT_INTERVAL / MILLI) as u32;
        let own = self.slots.iter_mut().enumerate();
        let slots: Vec<SlotReport> =
            own.filter_map(|(at, slot)| slot.take_report(sdp::video_slot(at))).collect();
        if !slots.is_empty() {
            let report = signalling::Report { interval_ms, slots };
            self.say(ClientMessage::Report(report));
        }
    }

    /// Sends what the pacer lets go.
    pub(super) fn pace(&mut self, now: Micros) {
        let target: u64 = self.cameras.iter().map(|(camera, _)| camera.encoder().target()).sum();
        let rate = target.max(PACING_LEAST) * self.pacing / 100;
        while self.next_send <= now
            && let Some(ready) = self.outbox.pop_front()
        {
            self.send(&ready);
            let time = ready.size() as u64 * 8 * SECOND / rate;
            self.next_send = self.next_send.max(now.saturating_sub(5 * MILLI)) + time;
        }
    }

    pub(super) fn send(&mut self, ready: &Ready) {
        let datagram = ready.write(&self.ids, self.transport_wide);
        self.repeated += if ready.is_repeated() { datagram.len() as u64 } else { 0 };
        self.transport_wide = self.transport_wide.wrapping_add(1);
        self.out.push(Effect::Datagram(datagram));
    }

    pub(super) fn send_rtcp(&mut self, items: &[RtcpItem]) {
        let mut bytes = Vec::new();
        write_rtcp(items, &mut bytes);
        self.out.push(Effect::Datagram(BytesMut::from(&bytes[..])));
    }
}
