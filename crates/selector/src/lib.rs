//! Which operating point each subscription of one receiver gets, and why.
//!
//! Owns the decision: device profiles and their presets, ladders, the two budgets (bits and decoded pixels),
//! stability and the explanation of every choice. Leaves estimation to `estimator`, and streams, keyframes
//! and the wire to `router`: this crate sees numbers, never tracks or SSRCs.
//!
//! [`allocate`] is a pure function. What it must remember between two decisions is handed out as a plain
//! value ([`Stability`], one per subscription) and handed in again, so that a recorded [`Input`] replays to
//! the same [`Decision`].
//!
//! ```
//! use std::borrow::Cow;
//! use selector::*;
//! use units::{Bitrate, Timestamp};
//!
//! let point = |width, height, kbps| OperatingPoint {
//!     encoding: (width / 320) as u8, temporal: 0, width, height, fps: 30,
//!     cost: Bitrate::from_kbps(kbps), codec: Codec::Vp8, alive: true,
//! };
//! let ladder = [point(320, 180, 150), point(640, 360, 500), point(1280, 720, 1_200)];
//! let phone = Presets::builtin().profile(DeviceClass::Mobile, &Reported::default());
//! let input = Input {
//!     now: Timestamp::ZERO,
//!     device: phone,
//!     budget: Some(Budget::steady(Bitrate::from_kbps(5_000))),
//!     subscriptions: vec![Subscription::new(Role::Tile, Cow::Borrowed(&ladder))],
//! };
//! let decision = allocate(&input);
//! assert_eq!(decision.choices[0].point, Some(1), "a phone gets 640x360 however fast its link");
//! assert_eq!(decision.choices[0].reason, Reason::DeviceHeight);
//! ```

mod allocate;
mod budget;
mod decode_health;
mod device;
mod explain;
mod ladder;
mod reason;
mod record;
mod spend;
mod stability;
mod subscription;
#[cfg(test)]
mod testing;
mod utility;

pub use allocate::{Decision, Input, allocate};
pub use budget::{Budget, BudgetHistory, InUse, Reserves};
pub use decode_health::{DecodeHealth, SlotDecode};
pub use device::{
    Cap, Codec, CodecSet, DeviceClass, DeviceProfile, PowerState, PresetError, Presets, Reported,
};
pub use reason::{Choice, Missing, NextStep, Reason};
pub use record::Recorded;
pub use stability::Stability;
pub use subscription::{OperatingPoint, Role, Subscription, Viewport};
