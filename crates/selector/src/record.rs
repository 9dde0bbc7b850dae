//! A decision with all that it depended on, so that it can be made again.
//!
//! Owns the value that decision logs consist of. Leaves whose decision it was, and files, to whoever writes the log.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Decision, Input, Subscription, allocate};

/// One decision and its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// What was known.
    pub input: Input<'static>,
    /// What was decided.
    pub decision: Decision,
}

impl Recorded {
    /// A copy of both.
    pub fn new(input: &Input<'_>, decision: &Decision) -> Self {
        let owned = |subscription: &Subscription<'_>| Subscription {
            points: Cow::Owned(subscription.points.to_vec()),
            ..subscription.clone()
        };
        let input = Input {
            now: input.now,
            device: input.device,
            budget: input.budget,
            subscriptions: input.subscriptions.iter().map(owned).collect(),
        };
        Self { input, decision: decision.clone() }
    }

    /// Decides again.
    ///
    /// # Errors
    /// What is decided today, where that differs from what was decided then.
    pub fn replay(&self) -> Result<(), Decision> {
        let decision = allocate(&self.input);
        if decision == self.decision { Ok(()) } else { Err(decision) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{camera, input, shown, subscription};
    use crate::{DeviceClass, Role};

    #[test]
    fn a_record_survives_json_and_replays_and_a_changed_one_does_not() {
        let wall = vec![subscription(Role::Tile, shown(640, 360), camera()); 9];
        let input = input(DeviceClass::Desktop, 2_500, wall);
        let record = Recorded::new(&input, &allocate(&input));
        let text = serde_json::to_string(&record).unwrap();
        let mut read: Recorded = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.replay(), Ok(()));
        read.decision.choices[0].point = None;
        assert_eq!(read.replay(), Err(record.decision));
    }
}
