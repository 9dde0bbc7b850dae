//! When a question is asked, what an answer says, and how a denied question waits.

use units::DataSize;

use super::*;
use crate::{Ecn, PacketKind};

fn ms(at: u64) -> Timestamp {
    Timestamp::from_millis(at)
}

fn occasion(at: u64) -> Occasion {
    Occasion {
        now: ms(at),
        target: 600_000.0,
        next_useful: 1_590_000.0,
        max_useful: 2_750_000.0,
        bounded: true,
        limited: true,
        calm: true,
        dead: false,
        wanted: None,
    }
}

/// A prober past its start.
fn settled() -> Prober {
    Prober { first_left: 0, ..Prober::new(ms(0), Bitrate::from_kbps(300)) }
}

/// Sends the cluster evenly from `at` on and lets it arrive over a link of `link` bit/s; `lose` of ten packets are lost.
fn answer(prober: &mut Prober, at: u64, link: f64, lose: u64) -> Option<Answer> {
    let probe = prober.poll(ms(at)).expect("a probe is due");
    let packets = (probe.rate * probe.duration).as_bytes() / 1_000 + 1;
    let packets = packets.max(u64::from(probe.min_packets));
    let gap = DataSize::from_bytes(1_000) / probe.rate;
    let mut free = 0.0;
    let mut sent_at = ms(at);
    for n in 0..packets {
        sent_at = ms(at) + gap * n as u32;
        let seq = n;
        let packet = SentPacket {
            seq,
            size: DataSize::from_bytes(1_000),
            kind: PacketKind::Padding,
            probe: Some(probe.id),
        };
        prober.on_sent(sent_at, &packet);
        free = f64::max(free, sent_at.as_secs_f64()) + 8_000.0 / link;
        let tag = crate::feedback::history::probe_tag(probe.id.0);
        if n % 10 < lose {
            prober.on_lost(tag);
            continue;
        }
        prober.on_acked(&Acked {
            seq,
            sent: sent_at,
            arrival: (free * 1e6) as i64,
            size: 1_000,
            burst: 0,
            kind: PacketKind::Padding,
            probe: tag,
            ecn: Ecn::NotEct,
            credited: false,
        });
    }
    prober.answer(sent_at + Duration::from_millis(200), Duration::from_millis(50), Some(5.0))
}

#[test]
fn asks_for_what_is_useful_when_the_path_is_calm() {
    type Change = fn(&mut Occasion);
    let cases: [(Change, Option<u64>, &str); 11] = [
        (|_| {}, Some(1_780), "12 % over the next useful rate"),
        (|o| o.target = 1_500_000.0, Some(2_887), "not over 1.05 of what can be used"),
        (|o| o.target = 100_000.0, Some(300), "not over three times the target"),
        (|o| o.target = 2_750_000.0, None, "all that can be used is there"),
        (|o| o.limited = false, None, "media is its own probe"),
        (|o| o.calm = false, None, "a queue stands"),
        (|o| (o.dead, o.target) = (true, 71_000.0), Some(477), "a sign of life: 0.3 of the next useful rate"),
        (|o| o.dead = true, Some(1_200), "and more than the last one, else nobody would ever come back"),
        (
            |o| (o.dead, o.next_useful) = (true, 400_000.0),
            Some(1_200),
            "also where the figures say that there is enough: somebody finds that there is not",
        ),
        (|o| (o.dead, o.target) = (true, 3e6), Some(477), "all that is of use is known: a sign of life"),
        (|o| (o.limited, o.wanted) = (false, Some(2e6)), Some(2_000), "the path changed"),
    ];
    for (change, expected, why) in cases {
        let mut prober = settled();
        let mut occasion = occasion(5_000);
        change(&mut occasion);
        prober.consider(&occasion);
        assert_eq!(prober.poll(ms(5_000)).map(|probe| probe.rate.as_kbps()), expected, "{why}");
    }
}

#[test]
fn an_answer_is_a_bound_or_a_capacity() {
    let cases = [
        (10e6, 0, Some((1_727_000.0, false)), "it arrived as it was sent"),
        (1e6, 0, Some((940_000.0, true)), "slower: that is the capacity"),
        (10e6, 2, Some((1_727_000.0, false)), "a fifth was lost: still a rate"),
        (10e6, 4, None, "too much was lost"),
    ];
    for (link, lose, expected, why) in cases {
        let mut prober = settled();
        prober.consider(&occasion(5_000));
        let got = answer(&mut prober, 5_000, link, lose).map(|a| (a.rate, a.limited));
        match (got, expected) {
            (Some((rate, limited)), Some((wanted, expected))) => {
                assert!((rate / wanted - 1.0).abs() < 0.25 && limited == expected, "{why}: {rate} {limited}");
            }
            (got, expected) => assert_eq!(got, expected, "{why}"),
        }
    }
}

/// The instants at which a path that always denies is asked, and how long each probe is.
fn denials(seconds: u64, mut occasion_at: impl FnMut(u64) -> Occasion) -> Vec<(u64, Duration)> {
    let mut prober = settled();
    let mut asked = Vec::new();
    for at in (5_000..5_000 + seconds * 1_000).step_by(100) {
        prober.consider(&occasion_at(at));
        if let Some((_, length)) = prober.pending {
            asked.push((at, length));
            assert!(answer(&mut prober, at, 700_000.0, 0).is_some_and(|answer| answer.limited));
        }
    }
    asked
}

#[test]
fn a_denied_rate_is_asked_for_less_and_less_and_more_shortly() {
    let asked = denials(60, occasion);
    let waits: Vec<u64> = asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(
        waits.is_sorted() && waits[0] < 2_500 && waits.last().is_some_and(|w| (5_500..8_000).contains(w)),
        "{waits:?}"
    );
    assert_eq!(asked[0].1, LENGTH);
    assert!(asked[1..].iter().all(|(_, length)| *length == LENGTH_DOUBTFUL), "{asked:?}");
}

#[test]
fn a_denied_rate_does_not_delay_a_lower_one() {
    let mut prober = settled();
    prober.consider(&occasion(5_000));
    assert!(answer(&mut prober, 5_000, 700_000.0, 0).is_some());
    let lower = Occasion { target: 160_000.0, next_useful: 530_000.0, ..occasion(5_400) };
    prober.consider(&lower);
    assert_eq!(prober.poll(ms(5_400)).map(|probe| probe.rate.as_kbps()), Some(480), "three times the target");
}

#[test]
fn a_yes_that_brought_a_queue_was_a_no() {
    let mut prober = settled();
    prober.consider(&occasion(5_000));
    assert!(answer(&mut prober, 5_000, 10e6, 0).is_some_and(|answer| !answer.limited));
    prober.on_congestion(ms(6_000));
    prober.consider(&occasion(6_800));
    assert_eq!(prober.poll(ms(6_800)), None, "0.9 s after the congestion");
    prober.consider(&occasion(7_000));
    assert!(prober.poll(ms(7_000)).is_some());
}

#[test]
fn a_probe_excuses_its_own_queue_for_a_while() {
    let mut prober = settled();
    prober.consider(&occasion(5_000));
    answer(&mut prober, 5_000, 1e6, 0);
    assert!(prober.excuses_queue(ms(5_300)) && !prober.excuses_queue(ms(6_000)));
}
