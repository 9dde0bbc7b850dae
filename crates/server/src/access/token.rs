//! Join tokens (RFC 7519): what is in one, signing one, and judging one.
//!
//! Owns the claims and the reasons for a refusal. Leaves keys to `keys` and what a right is worth to whoever asks for it.

use axum::http::StatusCode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::Key;

/// Clocks of the service that signs and of this machine may differ by so much, in seconds.
const LEEWAY_SECONDS: u64 = 10;
/// The room that stands for all.
pub(crate) const ANY_ROOM: &str = "*";

/// Something that a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Right {
    /// Send audio and video.
    Publish,
    /// Receive audio and video.
    Subscribe,
    /// See and change everything about the room by the operator's interface.
    Administrate,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Who it is for: told to the others as `identity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
    /// The room it is for, or `*`.
    pub(crate) room: String,
    /// What it allows there; to send and to receive when it does not say.
    #[serde(default = "ordinary")]
    pub(crate) rights: Vec<Right>,
    /// When it ends, in seconds since 1970.
    pub(crate) exp: u64,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<u64>,
}

fn ordinary() -> Vec<Right> {
    vec![Right::Publish, Right::Subscribe]
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// There is none, and one is needed.
    #[error("a token is needed here")]
    Missing,
    /// It is no token, of no key known here, or was changed.
    #[error("the token is not valid")]
    Invalid,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It is for another room.
    #[error("the token is for another room")]
    OtherRoom,
    /// It does not allow this.
    #[error("the token does not allow this")]
    NotAllowed,
}

impl Denied {
    /// Every reason.
    pub(crate) const ALL: [Self; 5] =
        [Self::Missing, Self::Invalid, Self::Expired, Self::OtherRoom, Self::NotAllowed];

    /// The status of the answer (RFC 6750 §3.1).
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::OtherRoom | Self::NotAllowed => StatusCode::FORBIDDEN,
        }
    }

    /// Its name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::OtherRoom => "other_room",
            Self::NotAllowed => "not_allowed",
        }
    }
}

impl Claims {
    pub(crate) fn allows(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    pub(crate) fn is_for(&self, room: &str) -> bool {
        self.room == ANY_ROOM || self.room == room
    }
}

/// Signs a token. `None` when the private half of the key is not known.
pub(super) fn sign(key: &Key, claims: &Claims) -> Option<String> {
    let header = Header { kid: Some(key.id.clone()), ..Header::new(key.algorithm) };
    jsonwebtoken::encode(&header, claims, key.sign.as_ref()?).ok()
}

/// What a token says, if one of these keys signed it and it is neither early nor late.
pub(super) fn read(keys: &[Key], token: &str) -> Result<Claims, Denied> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::Invalid)?;
    // RFC 7515 §4.1.11: what must be understood and is not makes the token invalid.
    if header.crit.is_some() {
        return Err(Denied::Invalid);
    }
    let key = match (&header.kid, keys) {
        (Some(id), keys) => keys.iter().find(|key| key.id == *id),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let key = key.ok_or(Denied::Invalid)?;
    // The algorithm is the key's, whatever the header says (RFC 8725 §3.1).
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = LEEWAY_SECONDS;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp"]);
    match jsonwebtoken::decode::<Claims>(token, &key.verify, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => Err(Denied::Expired),
        Err(_) => Err(Denied::Invalid),
    }
}
