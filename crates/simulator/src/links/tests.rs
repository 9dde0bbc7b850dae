//! The simulator checked against what has a closed form, and against itself.

use estimator::Ecn;

use super::capacity::{Capacity, Opportunities, Schedule};
use super::case::{Case, FlowKind, FlowSpec, Group};
use super::controller::ControllerKind;
use super::event::{MILLI, Micros, SECOND};
use super::link::{Limit, Link, LinkSpec, Outcome, Policer};
use super::loss::LossModel;
use super::packet::{Direction, Packet, Payload};
use super::queue::QueueKind;
use super::source::SourceSpec;
use super::tcp::{TcpLoad, TcpVariant};
use super::{Metrics, run_case, world};

const QUEUE: Limit = Limit::Time(300 * MILLI);

fn constant(mbps: f64) -> LinkSpec {
    LinkSpec { delay: Schedule::constant(20 * MILLI), ..LinkSpec::new(Capacity::mbps(&[(0.0, mbps)]), QUEUE) }
}

fn case(link: LinkSpec, flows: Vec<FlowSpec>) -> Case {
    let back = constant(10.0);
    Case::new("test", Group::Extra, 60 * SECOND, vec![link, back], flows)
}

fn media(max: u64) -> FlowSpec {
    FlowSpec::media(SourceSpec::Video { max }, 0, 60 * SECOND)
}

fn tcp(variant: TcpVariant) -> FlowSpec {
    FlowSpec::new(FlowKind::Tcp { variant, load: TcpLoad::Long }, 0, 60 * SECOND)
}

fn fixed(link: LinkSpec, kbps: u64) -> Metrics {
    run_case(&case(link, vec![media(10_000_000)]), ControllerKind::Fixed(kbps * 1_000), 1)
}

fn near(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance, "{what}: {value}, not {expected} ± {tolerance}");
}

#[test]
fn half_the_capacity_waits_for_its_own_transmission_only() {
    let m = fixed(constant(2.0), 1_000);
    near("utilisation", m.util, 0.5, 0.01);
    near("loss", m.loss, 0.0, 0.0);
    // Frames of 4167 bytes ± 15 % in four packets (five when over 4800) at 2 Mbit/s.
    near("delay", m.qd_p50, 4.1, 0.3);
    assert!(m.qd_p99 <= 4.8, "{}", m.qd_p99);
}

#[test]
fn half_more_than_the_capacity_fills_the_queue_and_loses_a_third() {
    let m = fixed(constant(1.0), 1_500);
    near("utilisation", m.util, 1.0, 0.01);
    near("loss", m.loss, 1.0 / 3.0, 0.01);
    // Full but for what the next packet does not fit into.
    near("median delay", m.qd_p50, 300.0, 12.0);
    assert!(m.qd_p99 <= 300.0, "{}", m.qd_p99);
}

#[test]
fn a_policer_passes_its_rate_and_queues_nothing() {
    let policer = Some(Policer { rate: 2_000_000, burst: 30_000 });
    let m = fixed(LinkSpec { policer, ..constant(20.0) }, 4_000);
    near("utilisation", m.util, 1.0, 0.02);
    near("loss", m.loss, 0.5, 0.02);
    assert!(m.qd_p99 < 3.0, "{}", m.qd_p99);
}

#[test]
fn loss_of_the_path_is_measured_and_forgiven() {
    let loss = LossModel::Independent(0.1);
    let m = fixed(LinkSpec { loss, ..constant(4.0) }, 2_000);
    near("loss", m.loss, 0.1, 0.01);
    near("score", m.score, m.util * (-m.qd_p95 / 300.0f64).exp(), 0.03);
}

fn packet(flow: usize, size: u64, ecn: Ecn) -> Packet {
    let payload = Payload::Cross;
    Packet { flow, direction: Direction::Forward, hop: 0, size, ecn, queued_at: 0, queued_for: 0, payload }
}

/// Offers `n` packets of `size` at once and collects when each arrives.
fn drain(spec: LinkSpec, n: usize, size: u64) -> Vec<Micros> {
    let mut link = Link::new(spec, 1, 1);
    let mut outcome = Outcome::default();
    for flow in 0..n {
        link.offer(0, packet(flow, size, Ecn::NotEct), &mut outcome);
    }
    while let Some(at) = link.next_event() {
        link.ready(at, &mut outcome);
    }
    assert!(outcome.dropped.is_empty(), "there is room for all");
    assert!(outcome.departures.iter().enumerate().all(|(i, d)| d.packet.flow == i), "in order");
    outcome.departures.iter().map(|departure| departure.at).collect()
}

#[test]
fn a_trace_is_replayed_opportunity_by_opportunity() {
    let times = vec![1, 1, 4, 9, 9, 9, 20];
    let trace = Opportunities::new(times).expect("valid");
    for size in [1_500, 500, 700, 1_200, 40] {
        let spec = LinkSpec::new(Capacity::Trace(trace.clone()), Limit::Bytes(1_000_000));
        for (i, at) in drain(spec, 100, size).into_iter().enumerate() {
            // The packet is through when so many chances have come as its last byte needs.
            let chances = ((i as u64 + 1) * size).div_ceil(1_500);
            assert_eq!(at, trace.at(chances - 1), "packet {i} of {size} bytes");
        }
    }
}

#[test]
fn unused_opportunities_are_lost() {
    let trace = Opportunities::new(vec![1, 2, 3, 4, 5, 100]).expect("valid");
    let mut link = Link::new(LinkSpec::new(Capacity::Trace(trace), Limit::Bytes(100_000)), 1, 1);
    let mut outcome = Outcome::default();
    link.offer(4_500, packet(0, 1_500, Ecn::NotEct), &mut outcome);
    link.offer(4_500, packet(1, 1_500, Ecn::NotEct), &mut outcome);
    while let Some(at) = link.next_event() {
        link.ready(at, &mut outcome);
    }
    let at: Vec<_> = outcome.departures.iter().map(|d| d.at / MILLI).collect();
    assert_eq!(at, [5, 100], "what passed before they came is gone");
}

#[test]
fn batching_holds_to_multiples_and_jitter_keeps_order() {
    let spec = LinkSpec { batch: 8 * MILLI, limit: Limit::Bytes(1_000_000), ..constant(10.0) };
    for at in drain(spec, 50, 1_200) {
        assert_eq!((at - 20 * MILLI) % (8 * MILLI), 0);
    }
    let spec = LinkSpec { jitter: 5 * MILLI, limit: Limit::Bytes(1_000_000), ..constant(10.0) };
    let jittered = drain(spec, 500, 1_200);
    assert!(jittered.is_sorted());
    let late = jittered.iter().enumerate().map(|(i, at)| at - (20 * MILLI + (i as u64 + 1) * 960));
    assert!(late.clone().all(|late| late <= 15 * MILLI) && late.max() > Some(10 * MILLI));
}

#[test]
fn reordering_and_duplication_happen_as_often_as_asked() {
    let spec = LinkSpec { reorder: 0.1, duplicate: 0.05, limit: Limit::Bytes(10_000_000), ..constant(10.0) };
    let mut link = Link::new(spec, 1, 1);
    let mut outcome = Outcome::default();
    for flow in 0..5_000 {
        link.offer(0, packet(flow, 1_000, Ecn::NotEct), &mut outcome);
    }
    while let Some(at) = link.next_event() {
        link.ready(at, &mut outcome);
    }
    near("duplicates", outcome.departures.len() as f64 / 5_000.0, 1.05, 0.015);
    outcome.departures.sort_by_key(|departure| departure.at);
    let mut newest = 0;
    let late = outcome.departures.iter().filter(|d| {
        newest = newest.max(d.packet.flow);
        d.packet.flow + 2 < newest
    });
    near("late", late.count() as f64 / 5_000.0, 0.1 * 1.05, 0.02);
}

#[test]
fn tcp_alone_fills_a_link_and_two_share_it() {
    for variant in [TcpVariant::Reno, TcpVariant::Cubic] {
        let alone = run_case(&case(constant(2.0), vec![tcp(variant)]), ControllerKind::Fixed(0), 1);
        near("alone", alone.tcp_kbps.expect("there is TCP"), 2_000.0, 60.0);

        let both = case(constant(2.0), vec![tcp(variant), tcp(variant)]);
        let record = world::simulate(&both, ControllerKind::Fixed(0), 1);
        let bytes: Vec<u64> = record.flows.iter().map(|flow| flow.tcp.iter().sum()).collect();
        near("share of the first", bytes[0] as f64 / (bytes[0] + bytes[1]) as f64, 0.5, 0.12);
    }
}

#[test]
fn tcp_survives_an_outage_and_heavy_loss() {
    let outage =
        LinkSpec { capacity: Capacity::mbps(&[(0.0, 2.0), (20.0, 0.0), (25.0, 2.0)]), ..constant(2.0) };
    let m = run_case(&case(outage, vec![tcp(TcpVariant::Reno)]), ControllerKind::Fixed(0), 1);
    assert!(m.util > 0.85, "{}", m.util);
    let lossy = LinkSpec { loss: LossModel::Independent(0.02), ..constant(2.0) };
    let m = run_case(&case(lossy, vec![tcp(TcpVariant::Reno)]), ControllerKind::Fixed(0), 1);
    // Mathis et al. 1997: 1.22 segments a round trip at the square root of the loss; 40 ms and some queue.
    let mathis = 1.22 / 0.02f64.sqrt() * 1_500.0 * 8.0 / 0.045 / 1e3;
    near("Mathis", m.tcp_kbps.expect("there is TCP"), mathis.min(2_000.0), 0.25 * mathis);
}

/// Queue of a TCP flow in steady state under each discipline, and what a small paced flow beside it sees.
#[test]
fn active_queues_hold_their_delay() {
    let mean_queue = |queue| {
        let record = world::simulate(
            &case(LinkSpec { queue, ..constant(10.0) }, vec![tcp(TcpVariant::Cubic)]),
            ControllerKind::Fixed(0),
            1,
        );
        let settled = &record.queues[0][100..];
        settled.iter().sum::<Micros>() as f64 / settled.len() as f64 / 1e3
    };
    let control = mean_queue(QueueKind::DropTail);
    assert!(control > 150.0, "drop tail is full: {control}");
    for (kind, low, high) in [
        (QueueKind::Codel, 1.0, 25.0),
        (QueueKind::FqCodel, 1.0, 25.0),
        (QueueKind::Pie, 4.0, 35.0),
        (QueueKind::DualPi2, 4.0, 35.0),
    ] {
        let mean = mean_queue(kind);
        assert!((low..high).contains(&mean), "{kind:?}: {mean} ms");
    }
}

#[test]
fn fq_codel_shields_a_small_flow_from_tcp() {
    let beside_tcp = |queue| {
        let flows = vec![media(10_000_000), tcp(TcpVariant::Cubic)];
        run_case(&case(LinkSpec { queue, ..constant(5.0) }, flows), ControllerKind::Fixed(1_000_000), 1)
    };
    let (control, shielded) = (beside_tcp(QueueKind::DropTail), beside_tcp(QueueKind::FqCodel));
    assert!(control.qd_p95 > 200.0, "{}", control.qd_p95);
    // Its own packet, and at most one turn of the other flow before it.
    assert!(shielded.qd_p95 < 8.0 && shielded.loss == 0.0, "{} {}", shielded.qd_p95, shielded.loss);
}

#[test]
fn dualpi2_marks_the_scalable_flow_and_keeps_it_fast() {
    let mut flow = media(10_000_000);
    if let FlowKind::Media { ecn, .. } = &mut flow.kind {
        *ecn = Ecn::Ect1;
    }
    let link = LinkSpec { queue: QueueKind::DualPi2, ..constant(5.0) };
    let m = run_case(&case(link, vec![flow, tcp(TcpVariant::Cubic)]), ControllerKind::Fixed(1_000_000), 1);
    assert!(m.qd_p95 < 8.0 && m.loss == 0.0, "{} {}", m.qd_p95, m.loss);
}

#[test]
fn same_seed_same_bytes_other_seed_other_bytes() {
    let cases = [super::suite::video(), super::suite::sfu(), super::suite::extra()].concat();
    // One of each kind of randomness: noise and jitter, loss of feedback, short TCP, marks, layers.
    for name in ["5.1", "fbloss20", "dualpi2", "S:tcp-3M"] {
        let case = cases.iter().find(|case| case.name == name).expect("in a suite");
        let run = |seed| format!("{:?}", world::simulate(case, ControllerKind::Terrace, seed));
        let first = run(1);
        assert_eq!(first, run(1), "{name}");
        assert_ne!(first, run(2), "{name}");
    }
}

#[test]
fn names_of_cases_are_unique_and_every_case_can_run() {
    let cases = [super::suite::video(), super::suite::sfu(), super::suite::extra()].concat();
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len());
    for case in &cases {
        for flow in &case.flows {
            let links = flow.forward.iter().chain(&flow.backward);
            assert!(links.clone().all(|link| *link < case.links.len()), "{}", case.name);
            assert!(flow.start < flow.stop && flow.stop <= case.duration, "{}", case.name);
        }
        assert!(
            case.scored.iter().all(|link| case.flows.iter().any(|f| f.forward.contains(link))),
            "{}",
            case.name
        );
    }
}
