//! Why an offer is refused. Owns the words a client's developer reads; each names what is wrong, where, and
//! what to do.

use packet::Mid;

/// An offer that cannot be answered. The transport is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// The transport is closed.
    #[error("the connection is closed; join again")]
    Closed,
    /// The offer is by another connection than the ones before: its certificate is a new one, so there would
    /// have to be a new handshake (RFC 8842 §5.3). The owner may make a new transport for it.
    #[error("a=fingerprint has changed; a new certificate needs a new connection")]
    OtherConnection,
    /// Longer than the limit.
    #[error(
        "the offer has {bytes} bytes, {limit} are allowed; offer fewer sections or fewer codecs per section"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A line that is no SDP.
    #[error("line {line} is not SDP (`{text}`): {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// The start of the line.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More sections than the limit.
    #[error(
        "the offer has {count} media sections, {limit} are allowed; reuse stopped transceivers or ask for fewer slots"
    )]
    TooManySections {
        /// How many.
        count: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A problem of the description as a whole.
    #[error("{0}")]
    Session(&'static str),
    /// A problem of one section.
    #[error("section {index} (mid {mid}): {problem}")]
    Section {
        /// Its position, counted from 0.
        index: usize,
        /// Its identification.
        mid: Mid,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A section without usable `a=mid`.
    #[error("section {index}: {problem}")]
    Mid {
        /// Its position, counted from 0.
        index: usize,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}
