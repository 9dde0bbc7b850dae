//! Connectivity checks of a virtual client, at the pace of a browser.
//!
//! Owns when to check and what an answer means. Leaves the bytes to `transport`.

use std::collections::VecDeque;

use bytes::BytesMut;
use transport::check::{self, Check};

use super::sdp::Answer;
use crate::links::event::{MILLI, Micros, SECOND};

/// Between checks while all is well, and while there is no answer.
const INTERVAL: Micros = 2_500 * MILLI;
const RETRY: Micros = 100 * MILLI;
/// After that long without any answer a browser calls the connection failed, and the page restarts ICE.
const PATIENCE: Micros = 10 * SECOND;
/// Checks remembered.
const PENDING: usize = 32;
/// Until a check was answered.
const DEFAULT_RTT: Micros = 100 * MILLI;

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Send this.
    Check(BytesMut),
    /// Offer again with new credentials.
    Restart,
}

/// The checks of one client.
#[derive(Debug, Default)]
pub struct Ice {
    /// The client's own user name fragment.
    pub own_ufrag: String,
    next_transaction: u32,
    /// Checks without an answer, the newest last: on a long way several are under way.
    pending: VecDeque<(u64, Micros)>,
    next_check: Micros,
    last_answer: Micros,
    answered: bool,
    rtt: Option<Micros>,
}

impl Ice {
    /// The server's credentials are known, or new.
    pub fn start(&mut self, now: Micros) {
        self.answered = false;
        self.last_answer = now;
        self.next_check = now;
    }

    /// The client's address is another one.
    pub fn moved(&mut self, now: Micros) {
        self.answered = false;
        self.next_check = now;
    }

    /// When to ask for [`Ice::due`].
    pub fn next_check(&self) -> Micros {
        self.next_check
    }

    /// How long an answer takes, at least 20 ms: nobody asks more often than that.
    pub fn rtt(&self) -> Micros {
        self.rtt.unwrap_or(DEFAULT_RTT).max(20 * MILLI)
    }

    /// What to do at `now`. `who` tells the checks of one client from those of others.
    pub fn due(&mut self, now: Micros, who: u16, server: &Answer) -> Due {
        if now < self.next_check {
            return Due::Nothing;
        }
        let silence = now - self.last_answer;
        if silence > PATIENCE {
            // RFC 8445 §9: new credentials; everything else goes on.
            self.last_answer = now;
            self.next_check = now + RETRY;
            return Due::Restart;
        }
        self.next_transaction += 1;
        let transaction = u64::from(who) << 32 | u64::from(self.next_transaction);
        // A check that stays without an answer is followed sooner.
        self.answered &= silence <= INTERVAL + SECOND;
        self.next_check = now + if self.answered { INTERVAL } else { RETRY.max(self.rtt()) };
        if self.pending.len() == PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((transaction, now));
        let check = Check {
            ufrag: &server.ufrag,
            password: &server.password,
            own_ufrag: &self.own_ufrag,
            transaction,
            tie_breaker: u64::from(who),
            nominate: true,
        };
        Due::Check(check.request())
    }

    /// A STUN datagram came. Whether it answers the last check.
    pub fn handle(&mut self, now: Micros, datagram: &[u8]) -> bool {
        let Some(transaction) = check::succeeded(datagram) else { return false };
        let Some(at) = self.pending.iter().position(|(pending, _)| *pending == transaction) else {
            return false;
        };
        let (_, sent) = self.pending[at];
        self.pending.drain(..=at);
        self.rtt = Some(now - sent);
        self.last_answer = now;
        if !self.answered {
            self.answered = true;
            self.next_check = now + INTERVAL;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_come_fast_until_one_is_answered_and_give_up_in_the_end() {
        let mut ice = Ice::default();
        ice.start(0);
        let server = Answer {
            ufrag: "abcd".to_owned(),
            password: "0123456789abcdefghijkl".to_owned(),
            ..Answer::default()
        };
        let mut sent = 0;
        for now in (0..1_000).map(|ms| ms * MILLI) {
            sent += u64::from(matches!(ice.due(now, 1, &server), Due::Check(_)));
        }
        assert_eq!(sent, 10, "every 100 ms");
        assert!(!ice.handle(SECOND, b"not an answer"));
        for now in (1_000..12_000).map(|ms| ms * MILLI) {
            if ice.due(now, 1, &server) == Due::Restart {
                assert!(now > PATIENCE && now < PATIENCE + SECOND, "{now}");
                return;
            }
        }
        panic!("a silent server is not given up");
    }
}
