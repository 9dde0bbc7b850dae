//! What a run came to, for people and for programs. Owns the names and units of the JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::process::Usage;
use super::tally::Tally;

/// RIDs by the place of an encoding.
const RIDS: [&str; 3] = ["q", "h", "f"];

/// The server before anybody came, with everybody there, and around the measurement; and the generator's own use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    pub(super) idle: Option<Usage>,
    pub(super) joined: Option<Usage>,
    pub(super) before: Option<Usage>,
    pub(super) after: Option<Usage>,
    pub(super) own: Duration,
}

/// Times in ms, rates in kbit/s, shares as fractions.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    seconds: f64,
    participants: u64,
    joined: u64,
    connected: u64,
    failed: u64,
    errors: u64,
    connect_ms: Percentiles,
    first_frame_ms: Percentiles,
    packets_per_second: f64,
    kbps: f64,
    published_packets_per_second: f64,
    /// Datagrams that the kernel handed over together: what left the server as one send, at least.
    packets_per_receive: f64,
    frames_per_second: f64,
    lost_packets: u64,
    loss: f64,
    bad_frames: u64,
    freezes: u64,
    switches: u64,
    retransmissions_asked: u64,
    latency_ms: Percentiles,
    /// Share of shown frames by encoding.
    layers: Vec<Layer>,
    /// CPU seconds of the generator while measuring.
    own_cpu_seconds: f64,
    server: Option<Server>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Percentiles {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Layer {
    rid: &'static str,
    share: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Server {
    cpu_seconds: f64,
    /// Of one core.
    cpu_share: f64,
    cpu_us_per_forwarded_packet: Option<f64>,
    cpu_ms_per_join: Option<f64>,
    resident_kib: u64,
    resident_kib_per_participant: Option<f64>,
}

impl Report {
    pub(super) fn new(tally: &Tally, participants: u64, span: Duration, costs: &Costs) -> Self {
        let seconds = span.as_secs_f64();
        let rate = |count: u64| count as f64 / seconds;
        let (packets, lost) = (tally.packets.get(), tally.lost.get());
        let shown: u64 = tally.layers.borrow().values().sum();
        let layer = |(encoding, frames): (&u8, &u64)| Layer {
            rid: RIDS.get(usize::from(*encoding)).copied().unwrap_or("?"),
            share: ratio(*frames as f64, shown as f64).unwrap_or(0.0),
        };
        let percentiles = |histogram: &std::cell::RefCell<super::histogram::Histogram>| {
            let at = |share| histogram.borrow().percentile(share).map(|us| us as f64 / 1_000.0);
            Percentiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
        };
        Self {
            seconds,
            participants,
            joined: tally.joined.get(),
            connected: tally.connected.get(),
            failed: tally.failed.get(),
            errors: tally.errors.get(),
            connect_ms: percentiles(&tally.connect),
            first_frame_ms: percentiles(&tally.first_frame),
            packets_per_second: rate(packets),
            kbps: rate(tally.bytes.get()) * 8.0 / 1_000.0,
            published_packets_per_second: rate(tally.packets_sent.get()),
            packets_per_receive: ratio(packets as f64, tally.receives.get() as f64).unwrap_or(0.0),
            frames_per_second: rate(tally.frames.get()),
            lost_packets: lost,
            loss: ratio(lost as f64, (packets + lost) as f64).unwrap_or(0.0),
            bad_frames: tally.bad.get(),
            freezes: tally.freezes.get(),
            switches: tally.switches.get(),
            retransmissions_asked: tally.asked.get(),
            latency_ms: percentiles(&tally.latency),
            layers: tally.layers.borrow().iter().map(layer).collect(),
            own_cpu_seconds: costs.own.as_secs_f64(),
            server: costs.server(seconds, packets, tally.connected.get()),
        }
    }
}

impl Costs {
    fn server(&self, seconds: f64, packets: u64, connected: u64) -> Option<Server> {
        let (idle, joined, before, after) = (self.idle?, self.joined?, self.before?, self.after?);
        let cpu = (after.cpu - before.cpu).as_secs_f64();
        let joining = (joined.cpu - idle.cpu).as_secs_f64();
        let grown = after.resident.saturating_sub(idle.resident) as f64 / 1_024.0;
        Some(Server {
            cpu_seconds: cpu,
            cpu_share: cpu / seconds,
            cpu_us_per_forwarded_packet: ratio(cpu * 1e6, packets as f64),
            cpu_ms_per_join: ratio(joining * 1e3, connected as f64),
            resident_kib: after.resident / 1_024,
            resident_kib_per_participant: ratio(grown, connected as f64),
        })
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(p50), Some(p95), Some(p99)) = (self.p50, self.p95, self.p99) else {
            return f.write_str("none");
        };
        write!(f, "p50 {p50:.2}  p95 {p95:.2}  p99 {p99:.2} ms")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "participants   {} of {} connected, {} failed",
            self.connected, self.participants, self.failed
        )?;
        writeln!(f, "connect        {}", self.connect_ms)?;
        writeln!(f, "first frame    {}", self.first_frame_ms)?;
        writeln!(
            f,
            "received       {:.0} packets/s, {:.0} kbit/s, {:.0} frames/s, {:.2} packets per receive",
            self.packets_per_second, self.kbps, self.frames_per_second, self.packets_per_receive
        )?;
        writeln!(f, "published      {:.0} packets/s", self.published_packets_per_second)?;
        writeln!(
            f,
            "trouble        {} lost ({:.3} %), {} bad frames, {} freezes, {} errors",
            self.lost_packets,
            self.loss * 100.0,
            self.bad_frames,
            self.freezes,
            self.errors
        )?;
        writeln!(f, "latency        {}", self.latency_ms)?;
        let layers: Vec<String> =
            self.layers.iter().map(|layer| format!("{} {:.1} %", layer.rid, layer.share * 100.0)).collect();
        writeln!(f, "layers         {}, {} switches", layers.join("  "), self.switches)?;
        writeln!(f, "this generator {:.1} % of a core", self.own_cpu_seconds / self.seconds * 100.0)?;
        let Some(server) = &self.server else { return Ok(()) };
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        writeln!(
            f,
            "server         {:.1} % of a core, {} us per forwarded packet, {} ms per join",
            server.cpu_share * 100.0,
            shown(server.cpu_us_per_forwarded_packet),
            shown(server.cpu_ms_per_join)
        )?;
        writeln!(
            f,
            "memory         {} KiB, {} KiB per participant",
            server.resident_kib,
            shown(server.resident_kib_per_participant)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::tally::add;

    #[test]
    fn figures_are_per_second_per_packet_and_per_participant() {
        let tally = Tally::default();
        add(&tally.packets, 200_000);
        add(&tally.lost, 50_000);
        add(&tally.connected, 10);
        let usage = |cpu, kib: u64| Some(Usage { cpu: Duration::from_millis(cpu), resident: kib * 1_024 });
        let costs = Costs {
            idle: usage(100, 1_000),
            joined: usage(130, 1_500),
            before: usage(200, 1_500),
            after: usage(800, 2_000),
            own: Duration::from_millis(1),
        };
        let report = Report::new(&tally, 12, Duration::from_secs(2), &costs);
        let server = report.server.unwrap();
        assert!((report.packets_per_second - 100_000.0).abs() < 1e-6);
        assert!((report.loss - 0.2).abs() < 1e-9);
        assert!((server.cpu_us_per_forwarded_packet.unwrap() - 3.0).abs() < 1e-9);
        assert!((server.cpu_ms_per_join.unwrap() - 3.0).abs() < 1e-9);
        assert!((server.resident_kib_per_participant.unwrap() - 100.0).abs() < 1e-9);
        let text = report.to_string();
        assert!(
            text.contains("10 of 12 connected") && text.contains("3.00 us per forwarded packet"),
            "{text}"
        );
    }
}
