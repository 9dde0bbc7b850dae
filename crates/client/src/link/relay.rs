//! The sockets of a path and the tasks between them.
//!
//! Owns waiting until a datagram's time has come. A datagram waits in memory; how many do is bounded by the queue's length
//! in time and by [`MAX_WAITING`] whatever the configuration says.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use units::Timestamp;

use super::queue::{Fate, LinkConfig, Queue};

/// Datagrams on their way in one direction; further ones are dropped.
const MAX_WAITING: usize = 16_384;
/// The largest UDP datagram.
const MAX_DATAGRAM: usize = 65_536;

/// What happened to the datagrams of one direction.
#[derive(Debug, Default)]
pub struct LinkCounters {
    delivered: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
    bytes: AtomicU64,
}

impl LinkCounters {
    /// Datagrams that arrived.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Datagrams that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Datagrams lost at random.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Bytes that arrived, without IP and UDP headers.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A path between one participant and a server. It ends when it is dropped.
#[derive(Debug)]
pub struct Link {
    near: SocketAddr,
    up: Arc<Direction>,
    down: Arc<Direction>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Direction {
    queue: Mutex<Queue>,
    counters: LinkCounters,
}

impl Link {
    /// A path to `server`, whose near end is on `local`. The participant sends to [`Link::near`]; whoever sent there last
    /// gets what the server sends back.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub async fn start(
        local: IpAddr,
        server: SocketAddr,
        up: LinkConfig,
        down: LinkConfig,
        seed: u64,
    ) -> io::Result<Self> {
        let near = Arc::new(UdpSocket::bind((local, 0)).await?);
        let far = Arc::new(UdpSocket::bind((local, 0)).await?);
        far.connect(server).await?;
        let participant = Arc::new(Mutex::new(None));
        let direction = |config, seed| {
            Arc::new(Direction {
                queue: Mutex::new(Queue::new(config, seed)),
                counters: LinkCounters::default(),
            })
        };
        let (up, down) = (direction(up, seed), direction(down, seed.wrapping_add(1)));
        let address = near.local_addr()?;
        let upwards = carry(near.clone(), far.clone(), up.clone(), participant.clone(), Way::Up);
        let downwards = carry(far, near, down.clone(), participant, Way::Down);
        Ok(Self { near: address, up, down, tasks: [tokio::spawn(upwards), tokio::spawn(downwards)] })
    }

    /// Where the participant sends to instead of the server.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// Changes the path towards the server.
    pub fn set_up(&self, config: LinkConfig) {
        self.up.queue.lock().expect("a queue does not panic").set_config(config);
    }

    /// Changes the path towards the participant.
    pub fn set_down(&self, config: LinkConfig) {
        self.down.queue.lock().expect("a queue does not panic").set_config(config);
    }

    /// What happened on the way to the server.
    pub fn up(&self) -> &LinkCounters {
        &self.up.counters
    }

    /// What happened on the way to the participant.
    pub fn down(&self) -> &LinkCounters {
        &self.down.counters
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Takes datagrams from one socket to the other, each in its time.
async fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    direction: Arc<Direction>,
    participant: Arc<Mutex<Option<SocketAddr>>>,
    way: Way,
) {
    let start = Instant::now();
    let mut waiting: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let next = waiting.front().map(|(at, _)| *at);
        tokio::select! {
            received = from.recv_from(&mut buffer) => {
                // A server that is not there yet answers with ICMP, which is no end of the path.
                let Ok((length, source)) = received else { continue };
                if way == Way::Up {
                    *participant.lock().expect("nothing panics while it is held") = Some(source);
                }
                let now = Timestamp::from_micros(start.elapsed().as_micros() as u64);
                let fate = direction.queue.lock().expect("a queue does not panic").send(now, length);
                match fate {
                    Fate::Arrives(at) if waiting.len() < MAX_WAITING => {
                        let at = start + at.since(Timestamp::ZERO);
                        let place = waiting.partition_point(|(other, _)| *other <= at);
                        waiting.insert(place, (at, Bytes::copy_from_slice(&buffer[..length])));
                    }
                    Fate::Lost => _ = direction.counters.lost.fetch_add(1, Ordering::Relaxed),
                    Fate::Dropped | Fate::Arrives(_) => _ = direction.counters.dropped.fetch_add(1, Ordering::Relaxed),
                }
            }
            () = sleep_until(next) => {
                let Some((_, datagram)) = waiting.pop_front() else { continue };
                let destination = *participant.lock().expect("nothing panics while it is held");
                let sent = match (way, destination) {
                    (Way::Up, _) => to.send(&datagram).await.is_ok(),
                    (Way::Down, Some(address)) => to.send_to(&datagram, address).await.is_ok(),
                    (Way::Down, None) => false,
                };
                if sent {
                    direction.counters.delivered.fetch_add(1, Ordering::Relaxed);
                    direction.counters.bytes.fetch_add(datagram.len() as u64, Ordering::Relaxed);
                }
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use units::Bitrate;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn carries_both_ways_and_counts() {
        let server = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        let limited =
            LinkConfig { queue: std::time::Duration::ZERO, ..LinkConfig::limited(Bitrate::from_kbps(8)) };
        let link = Link::start(LOCAL, server.local_addr().unwrap(), LinkConfig::default(), limited, 1)
            .await
            .unwrap();
        let participant = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        let mut buffer = [0; 2_000];

        participant.send_to(b"up", link.near()).await.unwrap();
        let (length, far) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"up");
        assert_ne!(far, participant.local_addr().unwrap(), "the server sees the link, not the participant");

        // 8 kbit/s and no queue: while the first datagram is being served there is no room for a second.
        server.send_to(&[7; 100], far).await.unwrap();
        server.send_to(&[8; 1_000], far).await.unwrap();
        let (length, from) = participant.recv_from(&mut buffer).await.unwrap();
        assert_eq!((length, buffer[0], from), (100, 7, link.near()));
        assert_eq!((link.up().delivered(), link.down().bytes(), link.down().dropped()), (1, 100, 1));
    }
}
