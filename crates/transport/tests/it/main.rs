//! A transport from outside: offers as real clients write them, a client's own handshake and media over
//! datagrams in memory, and everything that must not hurt. One binary with modules, so that it links once.

mod call;
mod channel;
mod client;
mod codecs;
mod defects;
mod feedback;
mod handshake;
mod hostile;
mod ice;
mod light;
mod media;
mod offers;
mod peer;
mod refusals;
mod renegotiation;
mod snapshots;
