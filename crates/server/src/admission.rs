//! How many connections are open, in total and per address, and whether one more may be.
//!
//! Owns the counts and the rule which addresses count as one. A [`Permit`] counts until it is dropped; it goes with
//! the connection wherever that goes, from the handshake through HTTP into a signalling session, so that "no permit
//! is left" means that every client has been dealt with.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Counts connections against two bounds.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: u32,
    per_client: u32,
    counts: Mutex<BTreeMap<IpAddr, u32>>,
    /// Connections that are open.
    open: watch::Sender<u32>,
}

/// One connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    /// `None` for clients that are exempt from the bound per client.
    client: Option<IpAddr>,
}

/// Which bound a refused connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Total,
    PerClient,
}

/// What counts as one client, or `None` for loopback: a reverse proxy there speaks for everybody.
///
/// A home or a phone has a whole /64 of IPv6 to choose from (RFC 6177), so the lower half of an address says nothing.
fn client_of(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V6(ip) => Some(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()),
        ip => Some(ip),
    }
}

impl Shared {
    /// The counts. They are whole between statements, so a panic elsewhere while they were held did no harm.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<IpAddr, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// At most `total` connections, of which one client holds at most `per_client`.
    pub(crate) fn new(total: u32, per_client: u32) -> Self {
        let (open, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { total, per_client, counts: Mutex::default(), open }) }
    }

    /// A place for a connection from this address, if there is one.
    pub(crate) fn admit(&self, ip: IpAddr) -> Result<Permit, Refusal> {
        let shared = &self.shared;
        let client = client_of(ip);
        let mut counts = shared.counts();
        if *shared.open.borrow() >= shared.total {
            return Err(Refusal::Total);
        }
        if let Some(client) = client {
            let count = counts.entry(client).or_insert(0);
            if *count >= shared.per_client {
                return Err(Refusal::PerClient);
            }
            *count += 1;
        }
        shared.open.send_modify(|open| *open += 1);
        Ok(Permit { shared: Arc::clone(shared), client })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> u32 {
        *self.shared.open.borrow()
    }

    /// Waits until no connection is open.
    pub(crate) async fn idle(&self) {
        let mut open = self.shared.open.subscribe();
        // An error would mean that the sender is gone, but `self` holds it.
        let _ = open.wait_for(|open| *open == 0).await;
    }
}

impl Permit {
    /// What counts as the client; `None` where it is exempt from bounds per client.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.shared.counts();
        if let Some(client) = self.client
            && let Some(count) = counts.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
        self.shared.open.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_cannot_take_all_places() {
        let admission = Admission::new(10, 2);
        let mut held = Vec::new();
        for (address, expected, why) in [
            ("192.0.2.1", Ok(()), "first"),
            ("::ffff:192.0.2.1", Ok(()), "second, through a socket for both versions"),
            ("192.0.2.1", Err(Refusal::PerClient), "third"),
            ("192.0.2.2", Ok(()), "a neighbour"),
            ("2001:db8::1", Ok(()), "first of a /64"),
            ("2001:db8::2", Ok(()), "second of the same /64"),
            ("2001:db8::3", Err(Refusal::PerClient), "third of the same /64"),
            ("2001:db8:0:1::1", Ok(()), "the next /64"),
            ("127.0.0.1", Ok(()), "loopback"),
            ("127.0.0.1", Ok(()), "loopback"),
            ("::1", Ok(()), "loopback is exempt from the bound per client"),
            ("::1", Ok(()), "tenth and last"),
            ("::1", Err(Refusal::Total), "but not from the total"),
            ("198.51.100.1", Err(Refusal::Total), "nor is anybody"),
        ] {
            let permit = admission.admit(ip(address));
            assert_eq!(permit.as_ref().map(|_| ()).map_err(|refusal| *refusal), expected, "{why}");
            held.extend(permit);
        }
    }

    #[tokio::test]
    async fn a_place_comes_back_with_its_permit() {
        let admission = Admission::new(1, 1);
        let permit = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.2")).unwrap_err(), Refusal::Total);
        drop(permit);
        admission.idle().await;
        assert!(admission.shared.counts().is_empty(), "clients that left are not remembered");
        drop(admission.admit(ip("192.0.2.2")).unwrap());
    }
}
