//! The hot paths, each for a counter of instructions: without an argument the names of the cases, with one it does that case
//! and prints how many operations that were. Run by `cargo xtask instructions` under callgrind, which counts what happens in
//! functions named `counted`.
#![expect(clippy::print_stdout, reason = "it answers a program on its standard output")]

use std::hint::black_box;

use benches::camera::{Camera, datagram, extension_ids};
use benches::fanout::Fanout;
use benches::gallery::{input, ladder, settled};
use benches::node::{Node, made_up};
use benches::path::{PACKETS, SteadyPath};
use packet::codec::vp8::Descriptor;
use packet::{Codec, OutgoingHeader, RtpPacket, codec};
use selector::allocate;
use units::Timestamp;

/// A case: its name, and what it does. Returns how many operations were counted.
type Case = (&'static str, fn() -> u64);

const CASES: [Case; 10] = [
    ("parse/rtp", parse),
    ("parse/vp8", peek),
    ("write/header", header),
    ("rewrite/descriptor", descriptor),
    ("select/50x3", || select(1)),
    ("select/50x9", || select(3)),
    ("estimate/packet", estimate),
    ("room/plain/100", || room(false)),
    ("room/acknowledged/100", || room(true)),
    ("node/acknowledged/20", node),
];

/// Enough that what surrounds the operation does not show.
const REPEATED: u64 = 1_000;

fn main() {
    match std::env::args().nth(1) {
        None => CASES.iter().for_each(|(name, _)| println!("{name}")),
        Some(wanted) => {
            let (_, run) = CASES.iter().find(|(name, _)| *name == wanted).expect("a case by that name");
            println!("{}", run());
        }
    }
}

/// What is done in here is counted.
#[inline(never)]
fn counted<T>(act: impl FnOnce() -> T) -> T {
    black_box(act())
}

/// Counts one operation many times.
fn repeated<T>(mut act: impl FnMut() -> T) -> u64 {
    // Once before: caches of the allocator, lazy tables.
    black_box(act());
    counted(|| {
        for _ in 0..REPEATED {
            black_box(act());
        }
    });
    REPEATED
}

fn parse() -> u64 {
    let (datagram, ids) = (datagram(), extension_ids());
    repeated(|| RtpPacket::parse(datagram.clone(), &ids))
}

fn peek() -> u64 {
    let payload = Camera::default().frame(Timestamp::from_secs(1), true).swap_remove(0).payload;
    repeated(|| codec::peek(Codec::Vp8, black_box(&payload), false))
}

fn header() -> u64 {
    let ids = extension_ids();
    let header =
        OutgoingHeader { csrc: Some(1), transport_wide: Some(7), ..OutgoingHeader::new(1, 96, 2, 3, true) };
    let mut out = Vec::with_capacity(64);
    repeated(|| {
        out.clear();
        black_box(&header).write(&ids, false, &mut out)
    })
}

fn descriptor() -> u64 {
    let payload = Camera::default().frame(Timestamp::from_secs(1), true).swap_remove(0).payload;
    let mut out = Vec::with_capacity(16);
    repeated(|| {
        out.clear();
        let (descriptor, length) = Descriptor::parse(black_box(&payload)).expect("well-formed");
        descriptor.write(&mut out) + length
    })
}

fn select(layers: usize) -> u64 {
    let ladder = ladder(layers);
    let input = settled(input(50, &ladder));
    counted(|| {
        for _ in 0..20 {
            black_box(allocate(black_box(&input)));
        }
    });
    20
}

fn estimate() -> u64 {
    let mut path = SteadyPath::settled();
    let rounds = 100;
    for _ in 0..rounds {
        path.round(&mut Counted, &mut Counted);
    }
    rounds * PACKETS
}

fn room(acknowledged: bool) -> u64 {
    let mut fanout = Fanout::settled(100, acknowledged);
    fanout.forward_in(20_000, &mut Counted)
}

fn node() -> u64 {
    let mut node = Node::settled(20, 4, true, made_up);
    (0..30).map(|_| node.frame(|turn| counted(|| turn.take(|_| {})))).sum()
}

/// A [`benches::Measure`] that counts instructions.
struct Counted;

impl benches::Measure for Counted {
    fn measure<T>(&mut self, act: impl FnOnce() -> T) -> T {
        counted(act)
    }
}
