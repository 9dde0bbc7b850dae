//! The whole estimator on a path of its own: one queue, one delay, a sender that sends what it may.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::{ClusterId, Ecn, Estimate, PacketResult, RemoteTime};
use units::Bitrate;

/// A bottleneck and a sender of 1 000 byte packets at the target.
struct World {
    estimator: Estimator,
    now: Timestamp,
    seq: u64,
    /// When the link is free, µs, and what is under way: number and arrival.
    free: u64,
    under_way: VecDeque<(u64, u64)>,
    carry: f64,
    link: f64,
    delay: u64,
    /// Media is sent up to this rate.
    most: f64,
    kind: PacketKind,
    probe: Option<(Probe, Timestamp, f64, u32)>,
    padding: u64,
    /// How often the estimator asked for time.
    looks: u32,
}

const TICK: Duration = Duration::from_millis(5);

impl World {
    fn new(link: f64) -> Self {
        let now = Timestamp::from_secs(1);
        Self {
            estimator: Estimator::new(now, Config::default()),
            now,
            seq: 0,
            free: 0,
            under_way: VecDeque::new(),
            carry: 0.0,
            link,
            delay: 50_000,
            most: f64::INFINITY,
            kind: PacketKind::Media,
            probe: None,
            padding: 0,
            looks: 0,
        }
    }

    fn run(&mut self, seconds: f64) -> Estimate {
        for tick in 0..(seconds / TICK.as_secs_f64()) as u64 {
            self.now += TICK;
            if self.estimator.poll_timeout().is_some_and(|at| at <= self.now) {
                self.estimator.handle_timeout(self.now);
                self.looks += 1;
            }
            self.send_probe();
            let estimate = self.estimator.estimate();
            self.carry += estimate.target.as_f64().min(self.most) / 8_000.0 * TICK.as_secs_f64();
            while self.carry >= 1.0 {
                self.carry -= 1.0;
                self.send(self.kind, None);
            }
            if tick % 10 == 9 {
                self.report();
            }
        }
        self.estimator.estimate()
    }

    fn send_probe(&mut self) {
        if self.probe.is_none() {
            self.probe = self.estimator.poll_probe(self.now).map(|probe| (probe, self.now, 0.0, 0));
        }
        let Some((probe, since, mut carry, mut packets)) = self.probe else { return };
        carry += probe.rate.as_f64() / 8_000.0 * TICK.as_secs_f64();
        while carry >= 1.0 {
            carry -= 1.0;
            (self.padding, packets) = (self.padding + 1, packets + 1);
            self.send(PacketKind::Padding, Some(probe.id));
        }
        let over = self.now >= since + probe.duration && packets >= probe.min_packets;
        self.probe = (!over).then_some((probe, since, carry, packets));
    }

    fn send(&mut self, kind: PacketKind, probe: Option<ClusterId>) {
        let size = DataSize::from_bytes(1_000);
        self.estimator.on_packet_sent(self.now, SentPacket { seq: self.seq, size, kind, probe });
        if self.link > 0.0 {
            self.free = self.free.max(self.now.as_micros()) + (8e9 / self.link) as u64;
            self.under_way.push_back((self.seq, self.free + self.delay));
        }
        self.seq += 1;
    }

    fn report(&mut self) {
        let mut results = Vec::new();
        while let Some((seq, arrival)) =
            self.under_way.front().copied().filter(|(_, at)| *at <= self.now.as_micros())
        {
            self.under_way.pop_front();
            let arrival = Some(RemoteTime::from_micros(arrival as i64 - 77_000_000));
            results.push(PacketResult { seq, arrival, ecn: Ecn::NotEct });
        }
        if !results.is_empty() {
            self.estimator.on_feedback(self.now, &Feedback { results: &results, sent: None });
        }
    }

    fn demand(&mut self, current: u64, next: u64, max: u64) {
        let kbps = Bitrate::from_kbps;
        let demand = DemandRates { current: kbps(current), next_useful: kbps(next), max_useful: kbps(max) };
        self.estimator.set_demand(self.now, demand);
    }
}

#[test]
fn finds_a_link_and_follows_it_down_and_up() {
    let mut world = World::new(2e6);
    let found = world.run(5.0).target.as_f64();
    assert!((1.6e6..2.2e6).contains(&found), "{found}");
    world.link = 0.6e6;
    let fallen = world.run(4.0).target.as_f64();
    assert!((0.4e6..0.7e6).contains(&fallen), "{fallen}");
    assert!(world.estimator.insight().queue < Duration::from_millis(30), "{:?}", world.estimator.insight());
    world.link = 2e6;
    let back = world.run(12.0).target.as_f64();
    assert!(back > 1.5e6, "{back}");
}

#[test]
fn silence_stops_the_sender_within_a_window() {
    let mut world = World::new(2e6);
    let before = world.run(5.0);
    world.link = 0.0;
    let silent = world.run(1.5);
    assert_eq!((silent.state, silent.reason), (State::Outage, Reason::Silence));
    assert!(silent.target.as_f64() < 0.4 * before.target.as_f64(), "{silent:?}");
    assert!(silent.window < DataSize::from_bytes(100_000), "{silent:?}");
}

#[test]
fn a_path_that_became_longer_is_not_a_queue() {
    let mut world = World::new(1e6);
    world.run(8.0);
    // A handover: faster, and 45 ms further.
    (world.link, world.delay) = (3e6, 95_000);
    let target = world.run(10.0).target.as_f64();
    assert!(target > 2e6, "{target}, {:?}", world.estimator.insight());
}

#[test]
fn layers_learn_of_room_by_probes_and_spend_little_on_them() {
    let mut world = World::new(3e6);
    world.most = 0.5e6;
    world.demand(500, 1_590, 2_750);
    let target = world.run(10.0).target.as_f64();
    assert!(target > 1.59e6, "the next layer fits, and that is known: {target}");
    let padding = world.padding as f64 * 8_000.0 / 10.0 / 3e6;
    assert!(padding < 0.05, "{padding} of the link is padding");
}

#[test]
fn a_layer_whose_measured_rate_wobbles_does_not_keep_probes_away() {
    let mut world = World::new(3e6);
    world.most = 0.5e6;
    for turn in 0..100 {
        // As encoders do it: never the same twice, and every other look sees less than the one before.
        world.demand(485 + turn * 37 % 30, 1_590, 2_750);
        world.run(0.1);
    }
    let target = world.estimator.estimate().target.as_f64();
    assert!(target > 1.59e6, "the next layer fits, and that is known: {target}");
}

#[test]
fn the_dead_end_at_the_bottom_has_a_way_out() {
    let mut world = World::new(2e6);
    world.most = 0.0;
    world.demand(0, 150, 2_750);
    world.run(4.0);
    let before = world.padding;
    world.run(20.0);
    assert!(world.padding > before, "with demand and nothing to send, probes go on");
    assert!(world.estimator.poll_timeout().is_some(), "somebody must come and look");
}

#[test]
fn whoever_wants_video_and_gets_none_is_asked_for_within_a_second_and_for_ever() {
    // What the allocator says of its next step: nothing better, a step that seems to fit, a step that does not.
    for (next, why) in [(100, "no next step"), (200, "seems to fit"), (700, "does not fit")] {
        let mut world = World::new(3e6);
        world.demand(500, 700, 2_000);
        world.most = 0.3e6;
        world.run(3.0);
        // An outage and a fall, and then only sound on a path that is fine again.
        world.link = 0.0;
        world.run(2.0);
        world.link = 3e6;
        (world.most, world.kind) = (0.1e6, PacketKind::Audio);
        world.demand(100, next, 2_000);
        let mut longest = 0;
        let (mut before, mut since) = (world.padding, 0);
        for _ in 0..250 {
            world.run(0.1);
            since += 1;
            if world.padding > before {
                (before, since) = (world.padding, 0);
            }
            longest = longest.max(since);
        }
        let target = world.estimator.estimate().target;
        assert!(longest <= 32, "{why}: no probe for {longest} tenths of a second");
        assert!(target > Bitrate::from_kbps(1_500), "{why}: {target}");
    }
}

#[test]
fn time_is_asked_for_only_where_no_report_brings_it() {
    type Change = fn(&mut World);
    let cases: [(Change, u32, &str); 4] = [
        (|_| {}, 0, "a busy sender has its reports"),
        (|world| (world.most, world.kind) = (0.1e6, PacketKind::Audio), 2, "sound alone has them too"),
        (
            |world| world.most = 0.0,
            60,
            "silence, and somebody who wants more: five times a second and probes",
        ),
        (
            |world| (world.most, world.estimator.demand) = (0.0, Some(DemandRates::default())),
            2,
            "silence, and nobody who wants anything",
        ),
    ];
    for (change, most, why) in cases {
        let mut world = World::new(3e6);
        world.demand(2_000, 4_000, 6_000);
        world.run(10.0);
        change(&mut world);
        let before = world.looks;
        world.run(8.0);
        let looks = world.looks - before;
        assert!(looks <= most, "{why}: {looks} looks in eight seconds");
    }
}

#[test]
fn audio_alone_does_not_teach_a_low_rate() {
    let mut world = World::new(2e6);
    world.run(5.0);
    world.most = 0.03e6;
    world.kind = PacketKind::Audio;
    let target = world.run(5.0).target.as_f64();
    assert!(target > 1e6, "30 kbit/s of audio say nothing about the path: {:?}", world.estimator.estimate());
}

#[test]
fn what_is_old_is_only_a_hint() {
    let mut world = World::new(3e6);
    let high = world.run(5.0).target;
    world.most = 0.0;
    let stale = world.run(11.0);
    assert!(high > Bitrate::from_kbps(2_000) && stale.target <= Bitrate::from_kbps(300), "{high} {stale:?}");
    assert_eq!(stale.reason, Reason::Stale);
}

#[test]
fn another_route_starts_low_and_asks_at_once() {
    let mut world = World::new(3e6);
    world.run(5.0);
    world.estimator.on_route_change(world.now);
    let estimate = world.estimator.estimate();
    assert_eq!((estimate.target, estimate.reason), (Bitrate::from_kbps(300), Reason::RouteChanged));
    assert!(world.estimator.poll_probe(world.now).is_some());
}

#[test]
fn forged_and_flooding_reports_change_nothing() {
    let mut world = World::new(2e6);
    let before = world.run(3.0);
    let forged =
        [PacketResult { seq: world.seq + 5, arrival: Some(RemoteTime::from_micros(0)), ecn: Ecn::NotEct }];
    world.estimator.on_feedback(world.now, &Feedback { results: &forged, sent: None });
    assert_eq!(world.estimator.estimate(), before, "a packet that was not sent");
    for _ in 0..1_000 {
        let nothing = [PacketResult { seq: 0, arrival: None, ecn: Ecn::NotEct }];
        world.estimator.on_feedback(world.now, &Feedback { results: &nothing, sent: None });
    }
    assert!(world.estimator.flood.1 > REPORTS_PER_SECOND, "counted");
    assert_eq!(world.estimator.estimate().target, before.target, "and ignored");
}

#[test]
fn memory_is_small_when_idle_and_bounded_when_not() {
    let mut world = World::new(50e6);
    assert!(size_of::<Estimator>() + world.estimator.heap_bytes() <= 4_096, "{}", size_of::<Estimator>());
    world.run(20.0);
    assert!(world.estimator.heap_bytes() <= 160 * 1_024, "{}", world.estimator.heap_bytes());
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Send(u64, u64, bool),
    Report(Vec<(u64, Option<i64>)>),
    Demand(u64, u64),
    Route,
    Timeout,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let report = proptest::collection::vec((0u64..80, proptest::option::of(any::<i64>())), 0..40);
    let step = prop_oneof![
        4 => (0u64..200_000).prop_map(Step::Wait),
        6 => (1u64..4, 40u64..70_000, any::<bool>()).prop_map(|(ahead, size, probe)| Step::Send(ahead, size, probe)),
        4 => report.prop_map(Step::Report),
        1 => (0u64..5_000, 0u64..10_000).prop_map(|(current, next)| Step::Demand(current, next)),
        1 => Just(Step::Route),
        2 => Just(Step::Timeout),
    ];
    proptest::collection::vec(step, 1..150)
}

proptest! {
    /// Whatever is sent and claimed: nothing panics, the target stays within its bounds, the pacer can honour it,
    /// and what is in flight is no more than what was sent.
    #[test]
    fn arbitrary_input_keeps_the_promises(steps in steps()) {
        let config = Config::default();
        let (mut now, mut seq, mut sent) = (Timestamp::ZERO, 0u64, 0u64);
        let mut estimator = Estimator::new(now, config);
        for step in steps {
            match step {
                Step::Wait(us) => now += Duration::from_micros(us),
                Step::Send(ahead, size, probe) => {
                    seq += ahead;
                    sent += size;
                    let probe = probe.then(|| estimator.poll_probe(now)).flatten().map(|probe| probe.id);
                    let size = DataSize::from_bytes(size);
                    estimator.on_packet_sent(now, SentPacket { seq, size, kind: PacketKind::Media, probe });
                }
                Step::Report(results) => {
                    let results: Vec<_> = results
                        .into_iter()
                        .map(|(back, at)| PacketResult {
                            seq: seq.saturating_sub(back),
                            arrival: at.map(RemoteTime::from_micros),
                            ecn: Ecn::NotEct,
                        })
                        .collect();
                    estimator.on_feedback(now, &Feedback { results: &results, sent: None });
                }
                Step::Demand(current, next) => {
                    let kbps = Bitrate::from_kbps;
                    let demand = DemandRates { current: kbps(current), next_useful: kbps(next), max_useful: kbps(next) };
                    estimator.set_demand(now, demand);
                }
                Step::Route => estimator.on_route_change(now),
                Step::Timeout => estimator.handle_timeout(now),
            }
            let estimate = estimator.estimate();
            prop_assert!((config.min..=config.max).contains(&estimate.target), "{:?}", estimate);
            prop_assert!(estimate.pacing >= estimate.target, "{:?}", estimate);
            prop_assert!(estimator.in_flight().as_bytes() <= sent);
        }
    }
}
