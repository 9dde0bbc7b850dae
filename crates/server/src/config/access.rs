//! The settings of `access`: keys, and who needs no token.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may join.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessConfig {
    /// Let anybody join without a token, also from other machines. The operator's interface still needs one.
    pub open: bool,
    /// Listen on all interfaces and print links that let a device in once each.
    pub lan: bool,
    /// Keys that sign tokens. With keys a token is needed to join. Several at once are for rotating them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TokenKey>,
}

/// A key that signs tokens: a shared secret (HS256), or an Ed25519 key pair (EdDSA) of which only the public half has to
/// be here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Names the key in the header of tokens (`kid`).
    pub id: String,
    /// The shared secret itself, at least 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// File with the shared secret; white space around it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// PEM file with the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<PathBuf>,
    /// PEM file with the private key. Only `terrace token` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_file: Option<PathBuf>,
}

/// A text that is never shown: printed, it is a row of dots.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

/// `<id>:<secret>`, the form of `TERRACE_TOKEN_KEY`.
impl FromStr for TokenKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((id, secret)) if !id.is_empty() => {
                Ok(Self { id: id.to_owned(), secret: Some(Secret::new(secret)), ..Self::default() })
            }
            _ => Err("write a name for the key, a colon and its secret, as `terrace token --new-key` does"
                .to_owned()),
        }
    }
}
