//! A case: links, flows on them, and what its score is measured against. Plain data, built by [`super::suite`].

use std::fmt;
use std::sync::Arc;

use estimator::Ecn;

use super::capacity::{Capacity, Schedule};
use super::event::{MILLI, Micros, SECOND};
use super::link::LinkSpec;
use super::receiver::{Format, ReceiverClock, ReceiverSpec};
use super::source::SourceSpec;
use super::tcp::{TcpLoad, TcpVariant};

/// A fall of capacity counts as one if it still holds after this.
const LASTING: Micros = 2 * SECOND;

/// Which part of the table a case belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Adaptive video on made-up links.
    Video,
    /// Adaptive video on recorded links.
    Traces,
    /// An SFU that chooses layers.
    Sfu,
    /// Situations beside the published table.
    Extra,
    /// Paths drawn from a seed.
    Drawn,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Traces => "traces",
            Self::Sfu => "sfu",
            Self::Extra => "extra",
            Self::Drawn => "drawn",
        })
    }
}

/// What a flow is.
#[derive(Clone, Debug, PartialEq)]
pub enum FlowKind {
    /// Real-time media under the controller on test.
    Media {
        /// What it has to say.
        source: SourceSpec,
        /// Whether 20 kbit/s of audio go along.
        audio: bool,
        /// How its far end reports.
        receiver: ReceiverSpec,
        /// The codepoint of its packets.
        ecn: Ecn,
    },
    /// A TCP connection.
    Tcp {
        /// Its congestion control.
        variant: TcpVariant,
        /// What it has to send.
        load: TcpLoad,
    },
    /// Packets of 1200 bytes at a rate that does not care.
    Cross(Arc<Schedule>),
}

/// A flow and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSpec {
    /// What it is.
    pub kind: FlowKind,
    /// First microsecond.
    pub start: Micros,
    /// First microsecond after it.
    pub stop: Micros,
    /// Spans in which its source is silent.
    pub pauses: Vec<(Micros, Micros)>,
    /// When its transport is told that the path is another one now.
    pub route_changes: Vec<Micros>,
    /// Links of the way there, by index.
    pub forward: Vec<usize>,
    /// Links of the way back.
    pub backward: Vec<usize>,
    /// Delay of its own, each way, beside what the links have.
    pub access: Micros,
}

impl FlowSpec {
    /// A media flow over link 0 and back over link 1.
    pub fn media(source: SourceSpec, start: Micros, stop: Micros) -> Self {
        Self::new(
            FlowKind::Media {
                source,
                audio: false,
                receiver: ReceiverSpec {
                    interval: 50 * MILLI,
                    format: Format::TransportWide,
                    clock: ReceiverClock { offset: 1_000_000_000, skew_ppm: 0 },
                    lies: false,
                },
                ecn: Ecn::NotEct,
            },
            start,
            stop,
        )
    }

    /// A flow over link 0 and back over link 1.
    pub fn new(kind: FlowKind, start: Micros, stop: Micros) -> Self {
        Self {
            kind,
            start,
            stop,
            pauses: Vec::new(),
            route_changes: Vec::new(),
            forward: vec![0],
            backward: vec![1],
            access: 0,
        }
    }

    /// Whether its application is on at `now`.
    pub fn is_active(&self, now: Micros) -> bool {
        (self.start..self.stop).contains(&now)
            && !self.pauses.iter().any(|(from, to)| (*from..*to).contains(&now))
    }

    /// The source of a media flow.
    pub fn source(&self) -> Option<&SourceSpec> {
        match &self.kind {
            FlowKind::Media { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Its receiver, to change how it reports. Panics for anything but media: the case is written wrongly.
    pub fn receiver_mut(&mut self) -> &mut ReceiverSpec {
        match &mut self.kind {
            FlowKind::Media { receiver, .. } => receiver,
            other => panic!("only media flows have receivers, not {other:?}"),
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name in the table.
    pub name: String,
    /// Its part of the table.
    pub group: Group,
    /// How long it runs.
    pub duration: Micros,
    /// Its links.
    pub links: Vec<LinkSpec>,
    /// Its flows.
    pub flows: Vec<FlowSpec>,
    /// The links whose capacity is there to be used, usually the first.
    pub scored: Vec<usize>,
    /// What of that capacity the flows can have, when something outside the score takes a part.
    pub available: Option<Capacity>,
    /// Changes of conditions: oscillation is not counted for 10 s after each.
    pub steps: Vec<Micros>,
    /// The fall of the first scored link's capacity to measure the reaction to.
    pub fall: Option<Micros>,
    /// Whether the loss that the path has anyway is taken out of the score.
    pub forgive_loss: bool,
}

impl Case {
    /// A case on one bottleneck (link 0) with a way back (link 1). Its steps and falls are those of the bottleneck's
    /// schedule.
    pub fn new(
        name: &str,
        group: Group,
        duration: Micros,
        links: Vec<LinkSpec>,
        flows: Vec<FlowSpec>,
    ) -> Self {
        let mut case = Self {
            name: name.to_owned(),
            group,
            duration,
            links,
            flows,
            scored: vec![0],
            available: None,
            steps: Vec::new(),
            fall: None,
            forgive_loss: true,
        };
        case.note_steps();
        case
    }

    /// Takes the steps from the schedules of the scored links, and as the fall the last one of the first link. It has
    /// to last: an outage or a dip of less than two seconds leaves nothing to adapt to.
    pub fn note_steps(&mut self) {
        (self.steps, self.fall) = (Vec::new(), None);
        for (n, link) in self.scored.iter().enumerate() {
            let Capacity::Rate(rate) = &self.links[*link].capacity else { continue };
            for pair in rate.steps().windows(2) {
                let ((_, before), (at, _)) = (pair[0], pair[1]);
                self.steps.push(at);
                if n == 0 && (1..before).contains(&rate.at(at + LASTING)) {
                    self.fall = Some(at);
                }
            }
        }
        self.steps.sort_unstable();
    }

    /// The flows whose way there leads over scored link number `n`.
    pub fn flows_over(&self, n: usize) -> Vec<usize> {
        let over = |i: &usize| self.flows[*i].forward.contains(&self.scored[n]);
        (0..self.flows.len()).filter(over).collect()
    }

    /// Bits that the flows could have in each step of `step`, all scored links together.
    pub fn capacity_bits(&self, step: Micros) -> Vec<Vec<f64>> {
        match &self.available {
            Some(capacity) => vec![capacity.bits_per_step(step, self.duration)],
            None => {
                let of = |link: &usize| {
                    let spec = &self.links[*link];
                    let policed = spec.policer.map(|policer| Capacity::constant(policer.rate));
                    policed.as_ref().unwrap_or(&spec.capacity).bits_per_step(step, self.duration)
                };
                self.scored.iter().map(of).collect()
            }
        }
    }
}
