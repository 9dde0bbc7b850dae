//! Situations beside the published table: other queues, other feedback, other losses, and paths on which estimators
//! have been seen to go wrong. Each says what is to be learnt from it.

use std::sync::Arc;

use estimator::Ecn;

use super::super::capacity::{Capacity, Schedule};
use super::super::case::{Case, FlowKind, FlowSpec, Group};
use super::super::event::{MILLI, Micros, SECOND};
use super::super::link::{Limit, LinkSpec, Policer};
use super::super::loss::LossModel;
use super::super::queue::QueueKind;
use super::super::receiver::Format;
use super::super::source::SourceSpec;
use super::super::tcp::{TcpLoad, TcpVariant};
use super::video::{both_ways, handover_link, single, variable, with_tcp};
use super::{VIDEO_MAX, VIDEO_WIDE, bottleneck, constant, sfu_flow, video_flow, way_back, without_steps};

/// All of them.
pub fn extra() -> Vec<Case> {
    let mut cases = queues();
    cases.extend(feedback());
    cases.extend(losses());
    cases.extend(company());
    cases.extend(paths());
    cases.extend(rfc_8868_sweep());
    for case in &mut cases {
        case.group = Group::Extra;
    }
    cases
}

fn usual(mbps: f64) -> LinkSpec {
    bottleneck(Capacity::mbps(&[(0.0, mbps)]))
}

fn wide(seconds: u64) -> Vec<FlowSpec> {
    vec![video_flow(VIDEO_WIDE, 0, seconds)]
}

fn tcp(variant: TcpVariant, from_s: u64, to_s: u64) -> FlowSpec {
    FlowSpec::new(FlowKind::Tcp { variant, load: TcpLoad::Long }, from_s * SECOND, to_s * SECOND)
}

/// A token bucket of 2 Mbit/s and 30 kB before a link that is never full.
fn policed() -> LinkSpec {
    LinkSpec { policer: Some(Policer { rate: 2_000_000, burst: 30_000 }), ..usual(20.0) }
}

/// A flow whose packets carry `ecn` and whose receiver reports the marks (RFC 8888).
fn marked(ecn: Ecn, seconds: u64) -> FlowSpec {
    let mut flow = video_flow(VIDEO_WIDE, 0, seconds);
    flow.receiver_mut().format = Format::Ccfb;
    if let FlowKind::Media { ecn: codepoint, .. } = &mut flow.kind {
        *codepoint = ecn;
    }
    flow
}

/// Bottlenecks that are not a plain FIFO.
fn queues() -> Vec<Case> {
    let with =
        |queue| LinkSpec { queue, ..bottleneck(Capacity::mbps(&[(0.0, 3.0), (30.0, 1.0), (60.0, 3.0)])) };
    let beside_tcp = || vec![video_flow(VIDEO_WIDE, 0, 90), tcp(TcpVariant::Cubic, 10, 80)];
    let mut coupled = beside_tcp();
    coupled[0] = marked(Ecn::Ect1, 90);
    vec![
        // Loss without a queue that does react to the rate.
        single("policer", 90, policed(), wide(90)),
        single("codel", 90, with(QueueKind::Codel), wide(90)),
        single("pie", 90, with(QueueKind::Pie), wide(90)),
        single("fq-codel", 90, with(QueueKind::FqCodel), wide(90)),
        single("fq-codel-tcp", 90, LinkSpec { queue: QueueKind::FqCodel, ..usual(3.0) }, beside_tcp()),
        single("dualpi2", 90, with(QueueKind::DualPi2), wide(90)),
        // RFC 9331: marked instead of dropped, in the low-latency queue.
        single("dualpi2-l4s", 90, with(QueueKind::DualPi2), vec![marked(Ecn::Ect1, 90)]),
        single("dualpi2-l4s-tcp", 90, LinkSpec { queue: QueueKind::DualPi2, ..usual(3.0) }, coupled),
        // RFC 8867 §6.2: with marks not worse than with delay alone.
        single("codel-ecn", 90, with(QueueKind::Codel), vec![marked(Ecn::Ect0, 90)]),
    ]
}

/// Feedback that comes seldom, late, twice, with another clock, or from a liar.
fn feedback() -> Vec<Case> {
    let reporting = |name: &str, seconds, change: &dyn Fn(&mut FlowSpec)| {
        let mut flow = video_flow(VIDEO_MAX, 0, seconds);
        change(&mut flow);
        single(name, seconds, bottleneck(variable()), vec![flow])
    };
    // 24 bits of 64 ms, a minute before they are used up.
    let before_wrap = (1i64 << 24) * 64_000 - 60_000_000;
    let mut bad_way_back = reporting("dupfb", 100, &|_| {});
    bad_way_back.links[1] =
        LinkSpec { duplicate: 0.05, reorder: 0.05, jitter: 5 * MILLI, ..bad_way_back.links[1].clone() };
    let mut shared_way_back = reporting("revtcp", 100, &|_| {});
    shared_way_back.links[1] = LinkSpec { delay: constant(50 * MILLI), ..usual(1.0) };
    let mut upload = tcp(TcpVariant::Reno, 10, 90);
    (upload.forward, upload.backward) = (vec![1], vec![0]);
    shared_way_back.flows.push(upload);
    vec![
        reporting("fb250", 100, &|flow| flow.receiver_mut().interval = 250 * MILLI),
        reporting("ccfb", 100, &|flow| flow.receiver_mut().format = Format::Ccfb),
        reporting("skew+100", 100, &|flow| flow.receiver_mut().clock.skew_ppm = 100),
        reporting("skew-100", 100, &|flow| flow.receiver_mut().clock.skew_ppm = -100),
        reporting("wrap", 100, &|flow| flow.receiver_mut().clock.offset = before_wrap),
        reporting("liar", 100, &|flow| flow.receiver_mut().lies = true),
        bad_way_back,
        shared_way_back,
    ]
}

/// Loss that does not depend on the rate, in other shapes than the table has.
fn losses() -> Vec<Case> {
    let lossy = |loss| LinkSpec { loss, ..usual(3.0) };
    let spell = LossModel::During { from: 30 * SECOND, to: 40 * SECOND, p: 0.3 };
    vec![
        single("gilbert", 90, lossy(LossModel::bursts(0.05, 5.0)), wide(90)),
        single("loss30burst", 90, lossy(spell), wide(90)),
        // What an SFU makes of a tenth lost, and of a policer.
        single("S:loss10", 90, lossy(LossModel::Independent(0.10)), vec![sfu_flow(0, 90)]),
        single("S:policer", 90, policed(), vec![sfu_flow(0, 90)]),
        // A start in the same building: few packets, a path that is never full, and some loss of it.
        single("S:near-loss3", 20, near_loss(), vec![seldom(small_sfu_flow(0, 20))]),
        single("near-loss3", 20, near_loss(), vec![seldom(wide(20).remove(0))]),
        single("reorder", 90, LinkSpec { reorder: 0.01, ..usual(3.0) }, wide(90)),
    ]
}

/// Half a millisecond away, 50 Mbit/s that nothing fills, and 3 % of all packets lost.
fn near_loss() -> LinkSpec {
    let loss = LossModel::Independent(0.03);
    LinkSpec { delay: constant(MILLI / 2), jitter: MILLI / 4, loss, ..usual(50.0) }
}

/// Layers of a picture that is shown small: one packet a frame at most times.
fn small_sfu_flow(start_s: u64, stop_s: u64) -> FlowSpec {
    let layers = SourceSpec::Layers(vec![70_000, 200_000, 500_000]);
    FlowSpec::media(layers, start_s * SECOND, stop_s * SECOND)
}

/// A flow whose receiver reports each 100 ms.
fn seldom(mut flow: FlowSpec) -> FlowSpec {
    flow.receiver_mut().interval = 100 * MILLI;
    flow
}

/// Other traffic on the same links.
fn company() -> Vec<Case> {
    let with_audio = |case: Case| {
        let mut case = Case { name: format!("{}-audio", case.name), ..case };
        for flow in &mut case.flows {
            if let FlowKind::Media { audio, .. } = &mut flow.kind {
                *audio = true;
            }
        }
        case
    };
    let sixteen: Vec<_> = (0..16).map(|_| video_flow(VIDEO_MAX, 0, 120)).collect();
    let mut mixed = sixteen.clone();
    mixed.extend((0..5).map(|_| tcp(TcpVariant::Cubic, 40, 80)));
    let wifi = || LinkSpec { batch: 4 * MILLI, ..usual(20.0) };
    let mut cubic = with_tcp("5.6-cubic", 300);
    cubic.flows[1] = tcp(TcpVariant::Cubic, 0, 119);
    vec![
        with_audio(single("5.1", 100, bottleneck(variable()), vec![video_flow(VIDEO_MAX, 0, 99)])),
        with_audio(with_tcp("5.6-q300", 300)),
        cubic,
        by_cross_traffic("5.1-cross", 100, &[(0.0, 3.0), (40.0, 1.5), (60.0, 3.4), (80.0, 3.0)], 1),
        by_cross_traffic(
            "5.2-cross",
            125,
            &[(0.0, 0.0), (25.0, 2.0), (50.0, 0.5), (75.0, 3.0), (100.0, 2.0)],
            2,
        ),
        single("wifi16", 120, wifi(), sixteen),
        single("wifi16-tcp", 120, wifi(), mixed),
        parking_lot(),
        clean_way_back(),
    ]
}

/// RFC 8867 §5.1 and §5.2 in their other form: 4 Mbit/s of which unresponsive traffic takes a part.
fn by_cross_traffic(name: &str, seconds: u64, taken: &[(f64, f64)], flows: u64) -> Case {
    let cross = FlowSpec::new(FlowKind::Cross(Arc::new(Schedule::mbps(taken))), 0, seconds * SECOND);
    let mut all: Vec<_> = (0..flows).map(|_| video_flow(VIDEO_MAX, 0, seconds)).collect();
    all.push(cross);
    let mut case = single(name, seconds, usual(4.0), all);
    let left: Vec<_> = taken.iter().map(|(at, mbps)| (*at, 4.0 - mbps)).collect();
    case.available = Some(Capacity::mbps(&left));
    case.steps = taken.iter().skip(1).map(|(at, _)| (at * 1e6) as Micros).collect();
    case
}

/// RFC 8867 §5.3 without the flow on the way back: what sharing that way costs.
fn clean_way_back() -> Case {
    let mut case = Case { name: "5.3-clean".to_owned(), scored: vec![0], ..both_ways() };
    case.links[1] = way_back(case.links[0].delay.at(0));
    case.flows.truncate(1);
    case.note_steps();
    case
}

/// RFC 8867 §6.3: one flow over two bottlenecks, each of which has another flow.
fn parking_lot() -> Case {
    let link = |mbps| LinkSpec { delay: constant(20 * MILLI), ..usual(mbps) };
    let route = |forward: Vec<usize>, access| FlowSpec {
        forward,
        backward: vec![3],
        access: access * MILLI,
        ..video_flow(VIDEO_MAX, 0, 300)
    };
    let flows = vec![route(vec![0, 1, 2], 40), route(vec![0], 20), route(vec![2], 20)];
    let links = vec![link(2.0), link(8.0), link(1.5), way_back(20 * MILLI)];
    let mut case = Case::new("6.3", Group::Extra, 300 * SECOND, links, flows);
    case.scored = vec![0, 2];
    case
}

/// Paths that change, and paths that are slow.
fn paths() -> Vec<Case> {
    let faster = LinkSpec {
        delay: Schedule::new(vec![(0, 50 * MILLI), (30_600 * MILLI, 95 * MILLI)]),
        limit: Limit::Time(1_000 * MILLI),
        ..bottleneck(Capacity::mbps(&[(0.0, 1.5), (30.0, 0.0), (30.6, 5.0)]))
    };
    let longer =
        LinkSpec { delay: Schedule::new(vec![(0, 50 * MILLI), (30 * SECOND, 95 * MILLI)]), ..usual(3.0) };
    let outage = bottleneck(Capacity::mbps(&[(0.0, 3.0), (30.0, 0.0), (35.0, 3.0)]));
    let drought = bottleneck(Capacity::mbps(&[(0.0, 2.0), (20.0, 0.06), (50.0, 3.0)]));
    let mut told = wide(60);
    told[0].route_changes.push(31_200 * MILLI);
    let sfu = |name: &str, seconds, link| single(name, seconds, link, vec![sfu_flow(0, seconds)]);
    vec![
        // The same handover as in the table, under an SFU, and once more when ICE says that the path is another one.
        sfu("S:handover", 60, handover_link()),
        single("handover-ice", 60, handover_link(), told),
        // A better network that is farther away must not read as a standing queue.
        single("longer-faster", 90, faster.clone(), wide(90)),
        sfu("S:longer-faster", 90, faster),
        single("longer", 90, longer, wide(90)),
        // One packet of 1200 bytes takes 32 and 64 ms here: serialisation is not a queue.
        single("slow-300k", 90, usual(0.3), vec![video_flow(VIDEO_MAX, 0, 90)]),
        single("slow-150k", 90, usual(0.15), vec![video_flow(VIDEO_MAX, 0, 90)]),
        sfu("S:slow-300k", 90, usual(0.3)),
        // What was true for 300 ms says little about the next ten seconds.
        single("spikes", 120, bottleneck(spikes()), wide(120)),
        sfu("S:spikes", 120, bottleneck(spikes())),
        // Application-limited at 500 kbit/s while the path slowly loses what was once proven.
        without_steps(sfu("S:swing", 160, bottleneck(swing()))),
        // Silence for 5 s, then everything as before.
        single("outage5", 90, outage, wide(90)),
        // Below the lowest layer for half a minute: it has to come back.
        sfu("S:drought", 110, drought),
    ]
}

/// 3 Mbit/s with 300 ms at a tenth of it, every 8 s.
fn spikes() -> Capacity {
    let mut steps = vec![(0, 3_000_000)];
    for i in 1..15 {
        steps.push((i * 8 * SECOND, 300_000));
        steps.push((i * 8 * SECOND + 300 * MILLI, 3_000_000));
    }
    Capacity::Rate(Arc::new(Schedule::new(steps)))
}

/// Between 0.7 and 1.5 Mbit/s and back in 40 s, in steps of half a second.
fn swing() -> Capacity {
    let triangle = |i: u64| if i % 80 < 40 { i % 80 } else { 80 - i % 80 };
    let steps = (0..320).map(|i| (i * SECOND / 2, 1_500_000 - triangle(i) * 20_000));
    Capacity::Rate(Arc::new(Schedule::new(steps.collect())))
}

/// RFC 8868 §4: the parameters of a path, one at a time, over RFC 8867 §5.1.
fn rfc_8868_sweep() -> Vec<Case> {
    let base = || bottleneck(variable());
    let case = |name: String, link| single(&name, 100, link, vec![video_flow(VIDEO_MAX, 0, 99)]);
    let mut cases = Vec::new();
    for ms in [70, 500, 2_000] {
        cases.push(case(format!("5.1-q{ms}"), LinkSpec { limit: Limit::Time(ms * MILLI), ..base() }));
    }
    for ms in [0, 150, 300] {
        cases.push(case(format!("5.1-owd{ms}"), LinkSpec { delay: constant(ms * MILLI), ..base() }));
    }
    for percent in [1, 5, 20] {
        let loss = LossModel::Independent(f64::from(percent) / 100.0);
        cases.push(case(format!("5.1-loss{percent}"), LinkSpec { loss, ..base() }));
    }
    cases
}
