//! Adaptive video on made-up links: RFC 8867 §5, RFC 8868, and situations of our own.

use super::super::capacity::{Capacity, Schedule};
use super::super::case::{Case, FlowKind, FlowSpec, Group};
use super::super::event::{MILLI, SECOND};
use super::super::link::{Limit, LinkSpec};
use super::super::loss::LossModel;
use super::super::tcp::{TcpLoad, TcpVariant};
use super::{
    QUEUE, VIDEO_MAX, VIDEO_WIDE, bottleneck, constant, video_flow, way_back, wifi_link, without_steps,
};

/// All of them.
pub fn video() -> Vec<Case> {
    let mut cases = vec![ramp_jitter(), ramp_clean()];
    cases.extend(rfc_8867());
    cases.extend(own());
    cases
}

fn case(name: &str, seconds: u64, links: Vec<LinkSpec>, flows: Vec<FlowSpec>) -> Case {
    Case::new(name, Group::Video, seconds * SECOND, links, flows)
}

pub(super) fn single(name: &str, seconds: u64, link: LinkSpec, flows: Vec<FlowSpec>) -> Case {
    let back = way_back(link.delay.at(0));
    case(name, seconds, vec![link, back], flows)
}

fn ramp_jitter() -> Case {
    single("ramp-2.5M", 60, bottleneck(Capacity::mbps(&[(0.0, 2.5)])), vec![video_flow(VIDEO_WIDE, 0, 60)])
}

fn ramp_clean() -> Case {
    let link =
        LinkSpec { delay: constant(25 * MILLI), ..LinkSpec::new(Capacity::mbps(&[(0.0, 5.0)]), QUEUE) };
    single("ramp-5M-nojit", 60, link, vec![video_flow(VIDEO_WIDE, 0, 60)])
}

/// RFC 8867 §5.1: the capacity that most others vary.
pub(super) fn variable() -> Capacity {
    Capacity::mbps(&[(0.0, 1.0), (40.0, 2.5), (60.0, 0.6), (80.0, 1.0)])
}

/// RFC 8867 §5.1 to §5.8.
fn rfc_8867() -> Vec<Case> {
    let usual = |mbps: f64| bottleneck(Capacity::mbps(&[(0.0, mbps)]));
    let far = LinkSpec { delay: constant(100 * MILLI), ..bottleneck(variable()) };
    let shared = Capacity::mbps(&[(0.0, 4.0), (25.0, 2.0), (50.0, 3.5), (75.0, 1.0), (100.0, 2.0)]);
    let paused = {
        let mut flows: Vec<_> = (0..3).map(|_| video_flow(VIDEO_MAX, 0, 119)).collect();
        flows[1].pauses.push((40 * SECOND, 60 * SECOND));
        flows
    };
    vec![
        single("5.1", 100, bottleneck(variable()), vec![video_flow(VIDEO_MAX, 0, 99)]),
        single("5.1-owd100", 100, far, vec![video_flow(VIDEO_MAX, 0, 99)]),
        single("5.2", 125, bottleneck(shared), (0..2).map(|_| video_flow(VIDEO_MAX, 0, 125)).collect()),
        both_ways(),
        single("5.4", 120, usual(3.5), (0..3).map(|i| video_flow(VIDEO_MAX, 20 * i, 119)).collect()),
        round_trip_fairness(),
        with_tcp("5.6-q300", 300),
        with_tcp("5.6-q1000", 1_000),
        with_short_tcp(),
        single("5.8", 120, usual(3.5), paused),
    ]
}

/// RFC 8867 §5.3: a flow each way, feedback of the one shares the queue of the other.
pub(super) fn both_ways() -> Case {
    let forward = bottleneck(Capacity::mbps(&[(0.0, 2.0), (20.0, 1.0), (40.0, 0.5), (60.0, 2.0)]));
    let backward = bottleneck(Capacity::mbps(&[(0.0, 2.0), (35.0, 0.8), (70.0, 2.0)]));
    let there = video_flow(VIDEO_MAX, 0, 100);
    let back = FlowSpec { forward: vec![1], backward: vec![0], ..there.clone() };
    let mut case = case("5.3", 100, vec![forward, backward], vec![there, back]);
    case.scored = vec![0, 1];
    case.note_steps();
    case
}

/// RFC 8867 §5.5: five flows with different round-trip times on one bottleneck.
fn round_trip_fairness() -> Case {
    let link = LinkSpec { delay: constant(0), ..bottleneck(Capacity::mbps(&[(0.0, 4.0)])) };
    let flows = [10, 25, 50, 100, 150]
        .into_iter()
        .zip(0..)
        .map(|(one_way, i)| FlowSpec { access: one_way * MILLI, ..video_flow(VIDEO_MAX, 10 * i, 299) });
    case("5.5", 300, vec![link, way_back(0)], flows.collect())
}

/// RFC 8867 §5.6: one long TCP connection.
pub(super) fn with_tcp(name: &str, queue_ms: u64) -> Case {
    let link = LinkSpec { limit: Limit::Time(queue_ms * MILLI), ..bottleneck(Capacity::mbps(&[(0.0, 2.0)])) };
    let tcp = FlowKind::Tcp { variant: TcpVariant::Reno, load: TcpLoad::Long };
    let flows = vec![video_flow(VIDEO_MAX, 5, 119), FlowSpec::new(tcp, 0, 119 * SECOND)];
    single(name, 120, link, flows)
}

/// RFC 8867 §5.7: ten connections with short objects, two of them busy at the start.
fn with_short_tcp() -> Case {
    let mut flows = vec![video_flow(VIDEO_MAX, 5, 299), video_flow(VIDEO_MAX, 5, 299)];
    for i in 0..10 {
        let tcp = FlowKind::Tcp { variant: TcpVariant::Reno, load: TcpLoad::Short { starts_on: i < 2 } };
        flows.push(FlowSpec::new(tcp, 0, 300 * SECOND));
    }
    single("5.7", 300, bottleneck(Capacity::mbps(&[(0.0, 2.0)])), flows)
}

/// Situations that the documents leave out.
fn own() -> Vec<Case> {
    let lossy = |p| LinkSpec { loss: LossModel::Independent(p), ..bottleneck(Capacity::mbps(&[(0.0, 3.0)])) };
    let deep = LinkSpec {
        limit: Limit::Time(2_000 * MILLI),
        ..bottleneck(Capacity::mbps(&[(0.0, 3.0), (30.0, 0.5)]))
    };
    let wide = |seconds| vec![video_flow(VIDEO_WIDE, 0, seconds)];
    vec![
        single("loss2", 90, lossy(0.02), wide(90)),
        single("loss10", 90, lossy(0.10), wide(90)),
        single("fall-3to0.5-deepq", 60, deep, wide(60)),
        single("handover", 60, handover_link(), wide(60)),
        without_steps(single("wifi", 120, wifi_link(120 * SECOND), wide(120))),
        lost_feedback(),
    ]
}

/// An outage of 1.2 s, then a slower path that is 40 ms longer.
pub(super) fn handover_link() -> LinkSpec {
    let longer = (ONE_WAY_MS + 40) * MILLI;
    LinkSpec {
        limit: Limit::Time(1_000 * MILLI),
        delay: Schedule::new(vec![(0, ONE_WAY_MS * MILLI), (31_200 * MILLI, longer)]),
        ..bottleneck(Capacity::mbps(&[(0.0, 4.0), (30.0, 0.0), (31.2, 1.2)]))
    }
}

const ONE_WAY_MS: u64 = 50;

/// A fifth of the reports lost, one each 100 ms. The path also loses 1 % of the media, and unlike elsewhere that
/// counts against the score, as it does in the published table.
fn lost_feedback() -> Case {
    let link = LinkSpec { loss: LossModel::Independent(0.01), ..bottleneck(Capacity::mbps(&[(0.0, 2.0)])) };
    let back = LinkSpec { loss: LossModel::Independent(0.20), ..way_back(link.delay.at(0)) };
    let mut flow = video_flow(VIDEO_WIDE, 0, 90);
    flow.receiver_mut().interval = 100 * MILLI;
    let mut case = case("fbloss20", 90, vec![link, back], vec![flow]);
    case.forgive_loss = false;
    case
}
