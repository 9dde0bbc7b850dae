//! How often one address may try: joins, and tokens that turn out bad.
//!
//! Owns the buckets per address and the counts of what was refused. What counts as one address, and who is exempt, is
//! `admission`'s.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Extensions;
use signalling::RateLimit;
use units::Timestamp;

use crate::access::Denied;
use crate::admission::Permit;
use crate::clock::Clock;
use crate::config::Limits;

/// Addresses that are remembered. With more, all are forgotten at once: the bound is on memory, not on attackers with so
/// many addresses.
const ADDRESSES: usize = 50_000;

/// Bounds per address.
#[derive(Debug)]
pub(crate) struct Gate {
    clock: Clock,
    joins: Buckets,
    bad_tokens: Buckets,
    pub(crate) counts: Counts,
}

/// What was refused.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Joins, by an address that joined too often.
    pub(crate) joins_too_fast: AtomicU64,
    /// Anything, by an address with too many bad tokens.
    pub(crate) tokens_too_fast: AtomicU64,
    /// Bad tokens, by why, in the order of [`Denied::ALL`].
    pub(crate) denied: [AtomicU64; Denied::ALL.len()],
}

impl Gate {
    pub(crate) fn new(limits: &Limits, clock: Clock) -> Self {
        Self {
            clock,
            joins: Buckets::new(limits.joins_per_second_per_address, limits.join_burst_per_address),
            // One a second in the long run guesses nothing of 128 bits and more; the burst forgives a mistaken page.
            bad_tokens: Buckets::new(1, limits.bad_tokens_per_address),
            counts: Counts::default(),
        }
    }

    /// Whether this client may try to join. `None` is somebody to whom no bound per address applies.
    pub(crate) fn may_join(&self, now: Timestamp, client: Option<IpAddr>) -> bool {
        if client.is_some_and(|ip| self.bad_tokens.is_empty(now, ip)) {
            self.counts.tokens_too_fast.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let may = client.is_none_or(|ip| self.joins.take(now, ip));
        if !may {
            self.counts.joins_too_fast.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// A client's token was bad.
    pub(crate) fn denied(&self, now: Timestamp, client: Option<IpAddr>, denied: Denied) {
        if let Some(count) = Denied::ALL.iter().position(|known| *known == denied) {
            self.counts.denied[count].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(ip) = client {
            self.bad_tokens.take(now, ip);
        }
    }

    /// Whether whoever sent this request has not had too many bad tokens.
    pub(crate) fn may_try(&self, with: &Extensions) -> bool {
        let may = client(with).is_none_or(|ip| !self.bad_tokens.is_empty(self.clock.now(), ip));
        if !may {
            self.counts.tokens_too_fast.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// Whether whoever sent this request may join once more.
    pub(crate) fn may_open(&self, with: &Extensions) -> bool {
        self.may_join(self.clock.now(), client(with))
    }

    /// The token of a request was bad.
    pub(crate) fn refused(&self, with: &Extensions, denied: Denied) {
        self.denied(self.clock.now(), client(with), denied);
    }
}

fn client(with: &Extensions) -> Option<IpAddr> {
    with.get::<Arc<Permit>>().and_then(|permit| permit.client())
}

/// A bucket for each address.
#[derive(Debug)]
struct Buckets {
    per_second: u32,
    burst: u32,
    buckets: Mutex<BTreeMap<IpAddr, RateLimit>>,
}

impl Buckets {
    fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst, buckets: Mutex::default() }
    }

    fn with<T>(&self, now: Timestamp, ip: IpAddr, act: impl FnOnce(&mut RateLimit) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&ip) {
            buckets.clear();
        }
        act(buckets.entry(ip).or_insert_with(|| RateLimit::new(now, self.per_second, self.burst)))
    }

    fn take(&self, now: Timestamp, ip: IpAddr) -> bool {
        self.with(now, ip, |bucket| bucket.admit(now))
    }

    fn is_empty(&self, now: Timestamp, ip: IpAddr) -> bool {
        // A copy is asked, so that asking costs nothing.
        self.with(now, ip, |bucket| !bucket.clone().admit(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_address_that_guesses_is_not_heard_for_a_while() {
        let limits = Limits { bad_tokens_per_address: 3, join_burst_per_address: 100, ..Limits::default() };
        let gate = Gate::new(&limits, Clock::start());
        let (guesser, neighbour) = (Some([192, 0, 2, 1].into()), Some([192, 0, 2, 2].into()));
        let now = Timestamp::from_secs(10);
        for _ in 0..3 {
            assert!(gate.may_join(now, guesser));
            gate.denied(now, guesser, Denied::Invalid);
        }
        assert!(!gate.may_join(now, guesser), "three were bad");
        assert!(gate.may_join(now, neighbour), "nobody else pays for it");
        assert!(gate.may_join(now + Duration::from_secs(1), guesser), "one more a second");
        for _ in 0..100 {
            gate.denied(now, None, Denied::Invalid);
        }
        assert!(gate.may_join(now, None), "a proxy speaks for everybody");
        assert_eq!(gate.counts.tokens_too_fast.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn joins_are_bounded_per_address() {
        let limits =
            Limits { joins_per_second_per_address: 1, join_burst_per_address: 2, ..Limits::default() };
        let gate = Gate::new(&limits, Clock::start());
        let client = Some([192, 0, 2, 1].into());
        let joins: Vec<bool> =
            [0, 0, 0, 1_000, 1_000].map(|ms| gate.may_join(Timestamp::from_millis(ms), client)).into();
        assert_eq!(joins, [true, true, false, true, false]);
        assert_eq!(gate.counts.joins_too_fast.load(Ordering::Relaxed), 2);
    }
}
