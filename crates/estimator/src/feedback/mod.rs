//! What receivers say, on its way to the estimator: wire values in, one verdict per packet out.
//!
//! Owns the unwrapping of both feedback formats ([`twcc`], [`ccfb`]) and the record of what was sent (`history`),
//! which counts each packet received once or lost once however often it is reported. Leaves the bytes to `packet`.

pub mod ccfb;
pub(crate) mod history;
pub mod twcc;
