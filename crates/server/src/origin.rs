//! Which web pages may open a signalling socket here. Owns the type [`Origin`] and the decision; reads no sockets.
//!
//! Browsers let any page open a WebSocket to any host and say in `Origin` who asks (RFC 6455 §10.2, RFC 6454 §7).
//! A page of this server is always welcome, others only when the operator listed them. A request *without* `Origin`
//! does not come from a browser, which always sends one; native clients are not bound by it, and refusing them would
//! stop nobody, as they can write any header they like. So they are let in, and what protects a room is its token.

use std::fmt;
use std::str::FromStr;

use crate::config::serde_as_text;

/// Scheme, host and port of a page, lower case, default ports left out (RFC 6454 §4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    /// Host and, unless it is the scheme's default, port: `example.org:8443`, `[::1]`.
    authority: String,
}

/// The schemes a page with a camera can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scheme {
    Http,
    Https,
}

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not an origin: write scheme and host as in https://example.org or https://example.org:8443"
)]
pub struct OriginError(String);

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> &'static str {
        match self {
            Self::Http => ":80",
            Self::Https => ":443",
        }
    }
}

/// Host and port in lower case without the scheme's default port.
fn normalise(scheme: Scheme, authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    authority.strip_suffix(scheme.default_port()).map_or(authority.clone(), str::to_owned)
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let parts = text.split_once("://").and_then(|(scheme, authority)| {
            let scheme = [Scheme::Http, Scheme::Https]
                .into_iter()
                .find(|known| scheme.eq_ignore_ascii_case(known.name()))?;
            // A path, a query or a user name would make it a URL and hide what is compared.
            let plain = !authority.is_empty()
                && authority.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@\\".contains(&b));
            plain.then(|| Self { scheme, authority: normalise(scheme, authority) })
        });
        parts.ok_or_else(|| OriginError(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority)
    }
}

serde_as_text!(Origin);

/// May a request with these headers open a signalling socket? `listed` are the operator's additions.
pub(crate) fn allowed(origin: Option<&str>, host: Option<&str>, listed: &[Origin]) -> bool {
    let Some(origin) = origin else { return true };
    // `Origin: null` (sandboxed frames, files) fails to parse and is refused with all else that is no origin.
    let Ok(origin) = origin.parse::<Origin>() else { return false };
    let own = host.is_some_and(|host| normalise(origin.scheme, host) == origin.authority);
    own || listed.contains(&origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_own_pages_listed_pages_and_native_clients() {
        let listed = ["https://app.example.org".parse().unwrap()];
        for (origin, host, expected, why) in [
            (None, Some("localhost:8443"), true, "native clients send no origin"),
            (Some("https://localhost:8443"), Some("localhost:8443"), true, "own page"),
            (Some("https://LOCALHOST:8443"), Some("localhost:8443"), true, "hosts have no case"),
            (Some("https://a.example"), Some("a.example:443"), true, "default port written out"),
            (Some("https://a.example:443"), Some("a.example"), true, "default port written out by the page"),
            (Some("http://a.example"), Some("a.example"), true, "behind a proxy without TLS"),
            (Some("https://[::1]:8443"), Some("[::1]:8443"), true, "an address of version 6"),
            (Some("https://localhost:9999"), Some("localhost:8443"), false, "another port is another origin"),
            (Some("https://evil.example"), Some("localhost:8443"), false, "a stranger's page"),
            (Some("https://app.example.org"), Some("localhost:8443"), true, "listed"),
            (Some("http://app.example.org"), Some("localhost:8443"), false, "listed under another scheme"),
            (
                Some("https://app.example.org.evil.example"),
                Some("localhost:8443"),
                false,
                "not a prefix match",
            ),
            (Some("null"), Some("null"), false, "a sandboxed frame"),
            (Some("https://"), Some(""), false, "no host on both sides is not equality"),
            (Some("https://localhost:8443"), None, false, "no Host header to compare with"),
        ] {
            assert_eq!(allowed(origin, host, &listed), expected, "{why}: {origin:?} to {host:?}");
        }
    }

    #[test]
    fn origins_are_not_urls() {
        for (text, expected) in [
            ("https://example.org", Some("https://example.org")),
            ("HTTPS://Example.org:443", Some("https://example.org")),
            ("https://example.org/", None),
            ("https://user@example.org", None),
            ("wss://example.org", None),
            ("*", None),
            ("example.org", None),
        ] {
            assert_eq!(text.parse::<Origin>().ok().map(|o| o.to_string()).as_deref(), expected, "{text}");
        }
    }
}
