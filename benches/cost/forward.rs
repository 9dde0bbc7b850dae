//! What it costs to forward a packet to many receivers, encryption and system calls included, beside the floor.
//!
//! The node is the real one with real keys, and its socket is the server's. One camera sends frames of so many packets
//! (`run`), and what one receiver gets of a frame leaves in one segmented send. The floor encrypts and sends the same number of
//! packets of the same size in the same runs, and does nothing else; both take turns, frame by frame, in one process, and both
//! count the time of this thread on a processor. Gate on the ratio: absolute times are those of a machine.
//!
//! `acknowledged` receivers report arrivals (the reports' own cost is not in the figure), `plain` ones do not, which leaves out
//! the estimate. Run with `-- --json` for programs.
#![expect(clippy::print_stdout, reason = "a bench tells what it found on its standard output")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use benches::cpu_time;
use benches::node::Node;
use bytes::BytesMut;
use quinn_udp::{Transmit, UdpSocketState};
use server::udp::MediaSocket;
use transport::peer::SrtpSender;

/// Packets that are measured of each, frame by frame, a turn of each kind after the other; and the least number of frames.
const PACKETS: u64 = 150_000;
const FRAMES: u64 = 60;
/// Bytes of a packet before encryption: header with CSRC and one extension, descriptor, body of the camera.
const PLAIN: usize = 1_132;

/// What one combination came to.
struct Row {
    name: &'static str,
    receivers: usize,
    run: u64,
    ns: f64,
    floor_ns: f64,
    allocations: f64,
    packets_per_send: f64,
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let _entered = runtime.enter();
    let mut rows = Vec::new();
    for (name, acknowledged) in [("fanout-plain", false), ("fanout", true)] {
        for receivers in [10, 100, 1_000] {
            for run in [1, 2, 4, 8] {
                let row = measure(name, receivers, run, acknowledged);
                if !json {
                    println!("{row}");
                }
                rows.push(row.json());
            }
        }
    }
    if json {
        println!("{}", serde_json::json!({ "rows": rows }));
    }
}

fn measure(name: &'static str, receivers: usize, run: u64, acknowledged: bool) -> Row {
    // Nobody reads them: what they cannot hold the kernel drops, for node and floor alike.
    let ends: Vec<UdpSocket> =
        (0..=receivers).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    let mut addresses: Vec<SocketAddr> = ends.iter().map(|end| end.local_addr().expect("bound")).collect();
    addresses.sort_unstable();
    let mut node = Node::settled(receivers, run, acknowledged, |at| addresses[at]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_nonblocking(true).expect("any socket can");
    let mut socket = MediaSocket::new(socket).expect("a socket of the server");
    let mut floor = Floor::new(&addresses[1..], run);
    let (mut spent, mut floor_spent, mut packets, mut allocations) = (Duration::ZERO, Duration::ZERO, 0, 0);
    let frames = (PACKETS / (run * receivers as u64)).max(FRAMES);
    for _ in 0..frames {
        packets += node.frame(|turn| {
            let start = cpu_time();
            let counted = allocation_counter::measure(|| {
                turn.take(|transmit| socket.send(transmit));
                socket.flush();
            });
            spent += cpu_time() - start;
            allocations += counted.count_total;
        });
        floor_spent += floor.frame();
    }
    let per_packet = |spent: Duration| spent.as_nanos() as f64 / packets as f64;
    let (sent, sends) = (socket.counters().sent, socket.counters().sends);
    Row {
        name,
        receivers,
        run,
        ns: per_packet(spent),
        floor_ns: floor_spent.as_nanos() as f64 / (frames * run * receivers as u64) as f64,
        allocations: allocations as f64 / packets as f64,
        packets_per_send: sent as f64 / sends as f64,
    }
}

impl Row {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "receivers": self.receivers,
            "run": self.run,
            "ns_per_packet": self.ns.round(),
            "floor_ns_per_packet": self.floor_ns.round(),
            "ratio": (self.ns / self.floor_ns * 100.0).round() / 100.0,
            "allocations_per_packet": (self.allocations * 100.0).round() / 100.0,
            "packets_per_send": (self.packets_per_send * 100.0).round() / 100.0,
        })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, receivers, run, ns, floor_ns, allocations, packets_per_send } = self;
        write!(
            f,
            "{name:<13} {receivers:>5} receivers, runs of {run}: {ns:>6.0} ns per packet, floor {floor_ns:>6.0}, \
             ratio {:.2}, {allocations:.2} allocations, {packets_per_send:.2} packets per send",
            ns / floor_ns
        )
    }
}

/// Encrypts and sends, and nothing else.
struct Floor {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    receivers: Vec<(SocketAddr, SrtpSender)>,
    run: u64,
    sequence: u16,
    plain: Vec<u8>,
    contents: BytesMut,
}

impl Floor {
    fn new(addresses: &[SocketAddr], run: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("any socket can");
        let state = UdpSocketState::new((&socket).into()).expect("a socket");
        let io = tokio::net::UdpSocket::from_std(socket).expect("a runtime");
        let mut plain = vec![0; PLAIN];
        // Version 2, one CSRC, an extension block of one word.
        plain[..2].copy_from_slice(&[0x91, 96]);
        plain[16..20].copy_from_slice(&[0xbe, 0xde, 0, 1]);
        let receivers = addresses.iter().map(|address| (*address, SrtpSender::with_made_up_keys())).collect();
        Self { io, state, receivers, run, sequence: 0, plain, contents: BytesMut::new() }
    }

    fn frame(&mut self) -> Duration {
        let start = cpu_time();
        let first = self.sequence;
        for (destination, sender) in &mut self.receivers {
            self.contents.clear();
            let mut size = 0;
            for at in 0..self.run {
                let sequence = first.wrapping_add(at as u16);
                self.plain[2..4].copy_from_slice(&sequence.to_be_bytes());
                let start = self.contents.len();
                self.contents.extend_from_slice(&self.plain);
                sender.seal_rtp(&mut self.contents, start).expect("a number that was not used");
                size = self.contents.len() - start;
            }
            let transmit = Transmit {
                destination: *destination,
                ecn: None,
                contents: &self.contents,
                segment_size: (self.run > 1).then_some(size),
                src_ip: None,
            };
            // What a full buffer does not take is lost, here as there.
            let _ = self.state.try_send((&self.io).into(), &transmit);
        }
        self.sequence = first.wrapping_add(self.run as u16);
        cpu_time() - start
    }
}
