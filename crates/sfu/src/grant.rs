//! What somebody may do in a room. Owns the values; who is granted what is decided by whoever drives the node.

use signalling::Rights;

/// What a participant may do, and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The subject of its token, where there was one.
    pub identity: Option<String>,
    /// May send media.
    pub publish: bool,
    /// May receive media.
    pub subscribe: bool,
    /// May act upon others by the operator's interface. Only told to the client; the driver enforces it.
    pub administrate: bool,
}

impl Default for Grant {
    /// Of somebody of whom nothing is asked: may send and receive.
    fn default() -> Self {
        Self { identity: None, publish: true, subscribe: true, administrate: false }
    }
}

impl Grant {
    /// As signalling tells it.
    pub(crate) fn rights(&self) -> Rights {
        Rights { publish: self.publish, subscribe: self.subscribe, administrate: self.administrate }
    }
}

/// What the driver found out about somebody who wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// May join, with these rights. Who resumes keeps the rights it had.
    Granted(Grant),
    /// May only return to a participant whose `resume` it holds; otherwise it is told this. For a token that expired
    /// during the call.
    ReturnOnly(String),
}
