//! Fuzz targets: everything that reads what strangers send, and the state machines behind it.
//!
//! Owns the targets, which are ordinary functions of bytes that panic when a promise is broken, and the corpora in
//! `corpus/`: one file per target, one input per line in hexadecimal. Leaves the search for new inputs to libFuzzer,
//! which `cargo xtask fuzz` runs; the ordinary tests run what it has found before, so a crash once found stays found.
//!
//! | target | reads | promises besides "does not panic" |
//! |---|---|---|
//! | `rtp` | a packet and extension ids | what is parsed and written again parses the same |
//! | `rtcp` | a compound datagram | the same; bounded work |
//! | `feedback` | transport-wide and RFC 8888 reports, then their unwrapping | order, bounds, nothing that was not sent |
//! | `codec` | payloads | descriptors survive a round trip |
//! | `datagram` | datagrams to a transport, before and after its keys | nothing without a check; bounded queues |
//! | `channel` | chunks of SCTP behind a handshake | nothing too long, one life, bounded answers (see `channel.rs`) |
//! | `sdp` | offers | the same offer again is answered alike |
//! | `signalling` | messages of both directions | what is read is written and read the same |
//! | `estimator` | sends, reports, silence, route changes | bounds of the estimate, deadlines that lie ahead |
//! | `switching` | packets, views, losses, reconnects | receivers are never fooled (see [`switching`]) |

mod bytes;
mod channel;
mod estimate;
mod input;
pub mod switching;
mod text;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("rtp", bytes::rtp),
    ("rtcp", bytes::rtcp),
    ("feedback", bytes::feedback),
    ("codec", bytes::codec),
    ("datagram", bytes::datagram),
    ("channel", channel::channel),
    ("sdp", text::sdp),
    ("signalling", text::signalling),
    ("estimator", estimate::estimator),
    ("switching", switching::switching),
];

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn corpus(target: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).with_extension("hex")
    }

    fn bytes_of(line: &str) -> Vec<u8> {
        assert!(line.len().is_multiple_of(2), "half a byte in {line:.40}");
        let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal digits");
        (0..line.len()).step_by(2).map(byte).collect()
    }

    #[track_caller]
    fn holds(name: &str) {
        let (_, run) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
        let text = std::fs::read_to_string(corpus(name)).expect("its corpus");
        run(&[]);
        for (number, line) in text.lines().enumerate() {
            println!("line {}", number + 1);
            run(&bytes_of(line));
        }
        assert!(text.lines().count() >= 5, "a corpus of a handful shows little");
    }

    macro_rules! corpora {
        ($($name:ident)*) => {$(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )*
            #[test]
            fn every_target_has_a_test_and_every_corpus_a_target() {
                let tested = [$(stringify!($name)),*];
                assert_eq!(TARGETS.map(|(name, _)| name), tested);
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
                assert_eq!(std::fs::read_dir(folder).expect("the corpora").count(), tested.len());
            }
        };
    }

    corpora!(rtp rtcp feedback codec datagram channel sdp signalling estimator switching);
}
