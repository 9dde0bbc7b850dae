//! Session descriptions: what a client offers, and what we answer (RFC 8866, RFC 8829, RFC 9143). `offer`
//! reads, `negotiate` agrees, `answer` writes; `model` is what passes between them.

pub(crate) mod answer;
mod error;
pub(crate) mod model;
pub(crate) mod negotiate;
pub(crate) mod offer;

pub use error::OfferError;

use packet::ExtensionIds;

use crate::config::Config;
use crate::section::{Acknowledgement, Section};

/// The result of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer for the client.
    pub sdp: String,
    /// All sections, in the order of the offer: the whole current state, not the difference.
    pub sections: Vec<Section>,
    /// The header extensions in both directions. One table for the transport: under BUNDLE an id means the
    /// same everywhere (RFC 9143 §7.1.1).
    pub extensions: ExtensionIds,
    /// How the client acknowledges what is sent to it.
    pub acknowledgement: Acknowledgement,
    /// The client restarted ICE (RFC 8445 §9): [`crate::Transport::ufrag`] has changed. Checks by the old one
    /// are answered until the new one is used.
    pub ice_restarted: bool,
}

/// Whether an offer has a section in which the client would send.
///
/// # Errors
/// [`OfferError`] as [`crate::Transport::handle_offer`] would give it for what does not depend on earlier offers.
pub fn offers_to_send(sdp: &str, config: &Config) -> Result<bool, OfferError> {
    let offer = offer::parse(sdp, config)?;
    let sends = |media: &model::OfferedMedia| {
        matches!(media.direction, model::Direction::SendReceive | model::Direction::Send)
    };
    Ok(offer.sections.iter().filter_map(|section| section.content.as_ref()).any(sends))
}
