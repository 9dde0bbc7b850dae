//! The server over real sockets: TLS, pages, the door to signalling, starting and stopping, and the binary's arguments.
//!
//! What needs no socket is tested beside the code; calls with media are tested where participants are.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod media_tcp;
#[cfg(test)]
mod page;
#[cfg(test)]
mod signal;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod support;
mod traces;
