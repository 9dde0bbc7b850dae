//! A native Terrace participant: it joins a room like a browser does, sends made-up media, and checks what it gets.
//!
//! Owns the client's half of the contract on top of the `webrtc` crate and `tokio-tungstenite`. Knows nothing of the
//! server's insides, so that what it finds is what any client would find.

pub mod check;
pub mod link;
pub mod synthetic;
