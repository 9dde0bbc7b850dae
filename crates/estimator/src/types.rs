//! The words that the estimator and its caller share: packets, feedback, demand, the estimate and the reason for it.
//!
//! Owns plain values only. What they mean for the rate is decided in the modules next door; how feedback looks on
//! the wire belongs to `packet`, how it is unwrapped to [`crate::twcc`].

use std::fmt;
use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

/// An instant of the receiver's clock in microseconds. The offset against the node's clock is arbitrary and is never
/// asked for: only differences count. Signed, as the transport-wide reference time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteTime(i64);

impl RemoteTime {
    /// From microseconds of the receiver's clock.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds of the receiver's clock.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

/// What a packet carries, as far as estimation is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// Video, first transmission.
    Media,
    /// A retransmission (RFC 4588) of something that was asked for.
    Rtx,
    /// Sent only to learn: padding, or a repeated packet nobody asked for.
    Padding,
    /// Audio. Never waits in a pacer, always charged to it.
    Audio,
}

/// Names one probe cluster, so that the packets of a probe find their way back to its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u32);

/// One packet at the moment the socket takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Transport-wide sequence number, unwrapped. Grows by one per packet that feedback can name.
    pub seq: u64,
    /// What the path carries: IP, UDP and SRTP overhead included (28 bytes of IPv4 and UDP, 48 with IPv6).
    pub size: DataSize,
    /// What it carries.
    pub kind: PacketKind,
    /// The probe that this packet belongs to, if any.
    pub probe: Option<ClusterId>,
}

/// The two ECN bits of the IP header as the receiver saw them (RFC 3168 §5, RFC 9331 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// Not ECN-capable, or the feedback does not say.
    #[default]
    NotEct,
    /// ECT(0): classic.
    Ect0,
    /// ECT(1): low latency, low loss, scalable throughput (RFC 9331).
    Ect1,
    /// Congestion experienced.
    Ce,
}

/// What the receiver says about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// Transport-wide sequence number, unwrapped.
    pub seq: u64,
    /// When it arrived, or `None` when it had not when the feedback was written.
    pub arrival: Option<RemoteTime>,
    /// Its ECN mark. [`Ecn::NotEct`] when the feedback carries none.
    pub ecn: Ecn,
}

/// One feedback report, whichever format it came in.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// What is said about each packet, in any order.
    pub results: &'a [PacketResult],
    /// When the receiver wrote the report (RFC 8888 carries it, transport-wide feedback does not).
    pub sent: Option<RemoteTime>,
}

/// What the allocator could use, so that probing looks for something somebody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemandRates {
    /// What it sends now, in total.
    pub current: Bitrate,
    /// The total at which it could make its next upgrade; equal to `current` or zero when there is none.
    pub next_useful: Bitrate,
    /// The sum of all the desired top layers. Zero: nothing is wanted.
    pub max_useful: Bitrate,
}

/// Where the controller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Looking for the first estimate with probes.
    Startup,
    /// Climbing, or free to climb.
    Increase,
    /// Neither climbing nor draining: a test runs, or the sender does not use what it has.
    Hold,
    /// Emptying a queue that this sender made.
    Drain,
    /// Sharing a queue with somebody who fills it whatever this sender does.
    Competing,
    /// Nothing is heard from the receiver.
    Outage,
}

/// Why the estimate last changed. For logs, for tests, and for people who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The configured start rate.
    Start,
    /// Far from any known limit: accelerated climb.
    Climb,
    /// Near the rate at which congestion was last seen: additive climb.
    Approach,
    /// The climb is bounded by what has been seen to arrive.
    AckedLimit,
    /// The sender does not use what it has, so nothing new is learnt.
    ApplicationLimited,
    /// A standing queue over the threshold: cut.
    Queue,
    /// The delay is rising and a queue exists: cut.
    Overuse,
    /// The queue is empty again: back to the capacity it told.
    Drained,
    /// Loss without a queue: cut and watch whether the loss follows.
    LossTest,
    /// Loss did not follow the cut: it belongs to the path, the rate is restored.
    LossOfPath,
    /// Loss followed the cut: it is ours, the cut stays.
    LossOfRate,
    /// A probe arrived at the rate it was sent with.
    ProbeArrived,
    /// A probe arrived slower than it was sent: that is the capacity.
    ProbeMeasured,
    /// The delay went up for good: the path became longer.
    PathLonger,
    /// A standing queue that does not answer to our rate.
    CompetingStarted,
    /// Growing in somebody else's queue.
    CompetingClimb,
    /// Loss in somebody else's queue.
    CompetingLoss,
    /// The queue went away, or was ours after all.
    CompetingEnded,
    /// No feedback while packets are in flight.
    Silence,
    /// Feedback is back.
    FeedbackReturned,
    /// The caller moved to another network path.
    RouteChanged,
    /// What was known is too old to be relied upon.
    Stale,
    /// Congestion experienced marks (RFC 3168, RFC 9331).
    Marks,
    /// A deliberate short fall, to see the path without a queue.
    BaseRefresh,
    /// More is in flight than the window allows.
    WindowFull,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Climb => "climb",
            Self::Approach => "approach",
            Self::AckedLimit => "acked_limit",
            Self::ApplicationLimited => "application_limited",
            Self::Queue => "queue",
            Self::Overuse => "overuse",
            Self::Drained => "drained",
            Self::LossTest => "loss_test",
            Self::LossOfPath => "loss_of_path",
            Self::LossOfRate => "loss_of_rate",
            Self::ProbeArrived => "probe_arrived",
            Self::ProbeMeasured => "probe_measured",
            Self::PathLonger => "path_longer",
            Self::CompetingStarted => "competing_started",
            Self::CompetingClimb => "competing_climb",
            Self::CompetingLoss => "competing_loss",
            Self::CompetingEnded => "competing_ended",
            Self::Silence => "silence",
            Self::FeedbackReturned => "feedback_returned",
            Self::RouteChanged => "route_changed",
            Self::Stale => "stale",
            Self::Marks => "marks",
            Self::BaseRefresh => "base_refresh",
            Self::WindowFull => "window_full",
        })
    }
}

/// A cluster of packets that the sender is asked to send evenly, to learn whether the path carries `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Goes into [`SentPacket::probe`] of each of its packets.
    pub id: ClusterId,
    /// How fast to send, everything that leaves meanwhile included.
    pub rate: Bitrate,
    /// Send at least this much.
    pub min_size: DataSize,
    /// Send at least so many packets.
    pub min_packets: u32,
    /// And go on for this long.
    pub duration: Duration,
}

/// What the path was last seen to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The rate.
    pub rate: Bitrate,
    /// When it was measured: a hint loses its worth with age.
    pub measured_at: Timestamp,
}

/// What the caller may do until the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// What media, retransmissions and audio may use together. Never more than the pacer lets through.
    pub target: Bitrate,
    /// The rate for the pacer.
    pub pacing: Bitrate,
    /// The bound on bytes in flight.
    pub window: DataSize,
    /// Padding to send besides probes, so that a path with demand and no media keeps being measured.
    pub padding: Bitrate,
    /// Where the controller stands.
    pub state: State,
    /// Why the estimate last changed.
    pub reason: Reason,
    /// The capacity as last measured under load, if ever.
    pub capacity: Option<Capacity>,
}

/// What the estimator sees of the path, for logs and plots. Decisions are in [`Estimate`]; this is why.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Insight {
    /// The queue above the path's own delay.
    pub queue: Duration,
    /// Above this the queue counts as congestion.
    pub threshold: Duration,
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// What arrived lately.
    pub acked: Option<Bitrate>,
    /// Part of the packets of the last 600 ms that were lost, and the part that is lost at any rate.
    pub loss: f64,
    /// Of the path, whatever is sent.
    pub inherent_loss: f64,
    /// Where the climb turns careful: the capacity at the last congestion.
    pub ceiling: Option<Bitrate>,
    /// Media does not use what the target allows.
    pub application_limited: bool,
}
