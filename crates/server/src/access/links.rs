//! Links that work once: what `--lan` shows as a QR code, so that a phone gets a token without anybody typing one.
//!
//! Owns the codes that are still good. A link is exchanged for a token by opening it; whoever finds it later in a history
//! or over a shoulder finds nothing. The token itself goes into the fragment of the page's address, which browsers keep
//! from servers, proxies and logs (RFC 9110 §4.2.5).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{ANY_ROOM, Access, Claims, Right, random_secret, seconds_from_now};

/// Below this path are links.
pub(crate) const PATH: &str = "/l/";
/// Where they lead.
const ROOM: &str = "home";
/// A link that nobody opens is good for so long.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// And the token that it is exchanged for.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Hexadecimal digits of a code: 128 bits.
const CODE_DIGITS: usize = 32;
/// Links that wait to be opened; the oldest beyond this is void.
const WAITING: usize = 16;

/// The links that have not been opened.
#[derive(Debug, Default)]
pub(crate) struct Links {
    waiting: Mutex<BTreeMap<String, Instant>>,
    used: Notify,
}

impl Links {
    /// A path that works once.
    pub(crate) fn issue(&self, now: Instant) -> String {
        let mut code = random_secret();
        code.truncate(CODE_DIGITS);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, since| now.duration_since(*since) < PATIENCE);
        if waiting.len() >= WAITING
            && let Some(oldest) =
                waiting.iter().min_by_key(|(_, since)| **since).map(|(code, _)| code.clone())
        {
            waiting.remove(&oldest);
        }
        waiting.insert(code.clone(), now);
        format!("{PATH}{code}")
    }

    /// Waits until a link was opened.
    pub(crate) async fn used(&self) {
        self.used.notified().await;
    }

    /// Where the link leads, if it is still good. It no longer is after that.
    pub(crate) fn open(&self, code: &str, access: &Access, now: Instant) -> Option<String> {
        let since = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(code)?;
        if now.duration_since(since) >= PATIENCE {
            return None;
        }
        self.used.notify_one();
        let claims = Claims {
            sub: None,
            room: ANY_ROOM.to_owned(),
            rights: vec![Right::Publish, Right::Subscribe],
            exp: seconds_from_now(TOKEN_LIFE),
            nbf: None,
        };
        Some(format!("/r/{ROOM}#token={}", access.sign(&claims, None)?))
    }
}
