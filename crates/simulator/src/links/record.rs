//! What a run leaves behind: samples of every 100 ms and the delay of every packet. No judgement; that is
//! [`super::metrics`].

use estimator::PacketKind;

use super::event::{MILLI, Micros};

/// Distance of the samples.
pub const STEP: Micros = 100 * MILLI;

/// The samples of one flow, one per [`STEP`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowRecord {
    /// Whether its application was on.
    pub active: Vec<bool>,
    /// The controller's target in bits per second; zero before the start.
    pub target: Vec<u64>,
    /// The rate of the layer that an SFU sends; zero before the start and for video.
    pub layer: Vec<u64>,
    /// Media and audio bytes delivered in the step.
    pub media: Vec<u64>,
    /// Padding bytes delivered in the step.
    pub padding: Vec<u64>,
    /// TCP bytes delivered for the first time in the step.
    pub tcp: Vec<u64>,
    /// Changes of layer.
    pub switches: u32,
}

/// A run's record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// By flow.
    pub flows: Vec<FlowRecord>,
    /// Age of the oldest packet in each scored queue, per link and step.
    pub queues: Vec<Vec<Micros>>,
    /// Time in queues of each delivered video packet.
    pub queued: Vec<u32>,
    /// The same plus the wait in the sender.
    pub total: Vec<u32>,
    /// The step in which each of those was delivered.
    pub delivered_in: Vec<u32>,
    /// Time in queues of each delivered audio packet.
    pub audio: Vec<u32>,
    /// Packets of media flows that were sent.
    pub sent: u64,
    /// Packets of media flows that were lost.
    pub lost: u64,
    /// Sum over the sent packets of the probability that the path loses it anyway.
    pub expected_lost: f64,
}

impl Record {
    /// Room for `flows` flows and `links` scored links over `duration`.
    pub fn new(flows: usize, links: usize, duration: Micros) -> Self {
        let steps = usize::try_from(duration.div_ceil(STEP)).unwrap_or(0);
        let flow = FlowRecord {
            active: vec![false; steps],
            target: vec![0; steps],
            layer: vec![0; steps],
            media: vec![0; steps],
            padding: vec![0; steps],
            tcp: vec![0; steps],
            switches: 0,
        };
        Self { flows: vec![flow; flows], queues: vec![vec![0; steps]; links], ..Self::default() }
    }

    /// How many steps the run has.
    pub fn steps(&self) -> usize {
        self.flows.first().map_or(0, |flow| flow.target.len())
    }

    /// The longest of the scored queues at each step.
    pub fn worst_queue(&self) -> impl Iterator<Item = Micros> {
        (0..self.steps()).map(|step| self.queues.iter().map(|queue| queue[step]).max().unwrap_or(0))
    }

    fn step(&self, now: Micros) -> usize {
        usize::try_from(now / STEP).unwrap_or(usize::MAX).min(self.steps() - 1)
    }

    /// A packet of a media flow arrived.
    pub fn on_media(
        &mut self,
        now: Micros,
        flow: usize,
        kind: PacketKind,
        size: u64,
        queued: Micros,
        waited: Micros,
    ) {
        let step = self.step(now);
        // An hour in a queue is beyond any case.
        let short = |time: Micros| u32::try_from(time).unwrap_or(u32::MAX);
        match kind {
            PacketKind::Padding => self.flows[flow].padding[step] += size,
            PacketKind::Audio => {
                self.flows[flow].media[step] += size;
                self.audio.push(short(queued));
            }
            PacketKind::Media | PacketKind::Rtx => {
                self.flows[flow].media[step] += size;
                self.queued.push(short(queued));
                self.total.push(short(queued + waited));
                self.delivered_in.push(step as u32);
            }
        }
    }

    /// A TCP segment was acknowledged for the first time.
    pub fn on_tcp(&mut self, now: Micros, flow: usize, size: u64) {
        let step = self.step(now);
        self.flows[flow].tcp[step] += size;
    }
}
