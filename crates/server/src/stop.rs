//! A flag that goes up once, when the server stops, and that any number of tasks can wait for.

use tokio::sync::watch;

/// The end that raises the flag. Dropping it raises the flag as well: nobody would be left who could.
#[derive(Debug)]
pub(crate) struct RaiseStop(watch::Sender<bool>);

/// The end that waits.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// A flag that is down.
pub(crate) fn flag() -> (RaiseStop, Stop) {
    let (sender, receiver) = watch::channel(false);
    (RaiseStop(sender), Stop(receiver))
}

impl RaiseStop {
    pub(crate) fn raise(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    pub(crate) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the flag is up.
    pub(crate) async fn raised(&mut self) {
        // An error is the other end's drop.
        let _ = self.0.wait_for(|raised| *raised).await;
    }
}
