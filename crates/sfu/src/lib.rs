//! The node: participants, their sessions and transports, and the rooms they are in, joined into one value. Sans-IO.
//!
//! Owns who is who: which datagram and which message belongs to which participant, what others are told, how long somebody
//! whose connection was lost is kept. Leaves media to `router`, cryptography and SDP to `transport`, JSON to `signalling`,
//! and sockets, threads and the clock to whoever drives it. The server and the simulator drive the same [`Sfu`].
//!
//! # Driving it
//!
//! One input, then outputs until [`Output::Wait`], then wait for the next input or for that deadline:
//!
//! ```
//! use sfu::{Config, Input, Output, SessionId, Sfu};
//! use units::Timestamp;
//!
//! let transport = transport::Config::new(transport::Security::Plaintext);
//! let mut sfu = Sfu::new(Config::new(transport), [7; 32]);
//! let now = Timestamp::ZERO;
//! let join = serde_json::from_str(r#"{"type":"join","room":"standup","name":"Ada"}"#).unwrap();
//! sfu.handle_input(now, Input::Message { session: SessionId(1), message: join });
//! loop {
//!     match sfu.poll_output() {
//!         Output::Datagram(transmit) => println!("send to {}", transmit.destination),
//!         Output::Message { session, message } => println!("tell {session}: {message:?}"),
//!         Output::CloseSession { session } => println!("close {session}"),
//!         Output::Relay { to, message } => println!("tell {to}: {message:?}"),
//!         Output::RoomHeld { room, participants } => println!("{room} has {participants:?}"),
//!         Output::Decision(line) => println!("log {line:?}"),
//!         Output::Wait(deadline) => break println!("call again at {deadline:?}"),
//!     }
//! }
//! ```
//!
//! Time is an argument and never goes back. All randomness (ICE credentials, SSRCs, first sequence numbers, resume secrets)
//! comes from the seed, so the same inputs give the same outputs; the server's seed comes from the operating system.

mod capability;
mod channel;
mod config;
mod event;
mod grant;
mod hold;
mod negotiation;
mod node;
mod notice;
mod operator;
mod overload;
mod pair;
mod participant;
mod relay;
mod room;
mod routes;
mod session;
mod spread;
mod stats;
#[cfg(test)]
mod tests;
mod view;
mod wire;

pub use config::{Config, Limits, Turn};
pub use event::{Input, LoggedDecision, Output, SessionId};
pub use grant::{Admission, Grant};
pub use node::Sfu;
pub use operator::{Command, Refusal};
pub use relay::{Backlog, Parted, RelayMessage};
pub use router::{NodeIndex, Numbering};
pub use stats::{Load, Stats};
pub use view::{ParticipantView, RoomView, holder_of, server_of};
