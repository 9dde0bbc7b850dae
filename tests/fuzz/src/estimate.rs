//! The estimator under whatever a path and its receiver can do.

use std::time::Duration;

use estimator::twcc::{Status, Unwrapper};
use estimator::{Config, DemandRates, Estimator, Feedback, Pacer, PacketKind, Probe, SentPacket};
use units::{Bitrate, DataSize, Timestamp};

use crate::input::Input;

/// A sender, a report now and then with any arrival times, silence, demands and route changes.
pub(crate) fn estimator(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = Timestamp::from_secs(1);
    let config = Config::default();
    let mut estimator = Estimator::new(now, config);
    let mut pacer = Pacer::new(now, &estimator.estimate());
    let mut unwrapper = Unwrapper::new();
    let (mut newest, mut reference, mut probe): (u64, i32, Option<Probe>) = (0, 0, None);
    while !input.is_empty() {
        match input.below(8) {
            0..=2 => {
                for _ in 0..=input.below(32) {
                    newest += 1;
                    let size = DataSize::from_bytes(u64::from(input.byte()) * 8);
                    let kind = match input.below(8) {
                        0 => PacketKind::Audio,
                        1 => PacketKind::Rtx,
                        2 => PacketKind::Padding,
                        _ => PacketKind::Media,
                    };
                    let probe = probe.map(|probe| probe.id).filter(|_| kind == PacketKind::Padding);
                    estimator.on_packet_sent(now, SentPacket { seq: newest, size, kind, probe });
                    pacer.on_sent(now, size, kind);
                }
            }
            3 | 4 => {
                let base = (newest as u16).wrapping_sub(u16::from(input.byte()));
                reference = reference.wrapping_add(i32::from(input.byte().cast_signed()));
                let statuses: Vec<Status> = (0..=input.below(64))
                    .map(|_| match input.byte() {
                        0xf0.. => Status::NotReceived,
                        0xef => Status::Received(input.short().cast_signed()),
                        small => Status::Received(i16::from(small)),
                    })
                    .collect();
                if let Ok(results) = unwrapper.unwrap(newest, base, reference & 0xff_ffff, statuses) {
                    estimator.on_feedback(now, &Feedback { results, sent: None });
                }
            }
            5 => {
                let rate = |byte: u8| Bitrate::from_kbps(u64::from(byte) * 40);
                let demand = DemandRates {
                    current: rate(input.byte()),
                    next_useful: rate(input.byte()),
                    max_useful: rate(input.byte()),
                };
                estimator.set_demand(now, demand);
                probe = estimator.poll_probe(now).or(probe);
            }
            6 => match input.below(3) {
                0 => estimator.on_route_change(now),
                1 => estimator.on_rtt(now, Duration::from_millis(u64::from(input.byte()) * 8)),
                _ => now += Duration::from_secs(u64::from(input.byte())),
            },
            _ => now += Duration::from_millis(u64::from(input.byte())),
        }
        if estimator.poll_timeout().is_some_and(|at| at <= now) {
            estimator.handle_timeout(now);
            assert!(estimator.poll_timeout().is_none_or(|at| at > now), "what was due has been done");
        }
        let estimate = estimator.estimate();
        assert!((config.min..=config.max).contains(&estimate.target), "{estimate:?}");
        assert!(estimate.pacing >= estimate.target, "media may not wait for its own target: {estimate:?}");
        pacer.set_estimate(now, &estimate);
        let insight = estimator.insight();
        let shares = [insight.loss, insight.inherent_loss];
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{insight:?}");
        let next = pacer.next_send(now, DataSize::from_bytes(1_200), estimator.in_flight());
        assert!(next >= now, "nothing leaves in the past");
    }
}
