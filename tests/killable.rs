//! A server of a test that can be killed: every task ends where it is, with its sockets, and nobody is told.

use std::time::Duration;

use server::{Config, Handle, Server};
use tokio::runtime::Runtime;

/// A server on a runtime of its own.
pub(crate) struct Killable(Option<Runtime>);

impl Killable {
    /// Starts it. Port and data folder may be those of one that was killed.
    pub(crate) async fn start(config: &Config) -> (Killable, Handle) {
        let runtime = Runtime::new().unwrap();
        // Threads of a killed one close their media sockets in a moment; those of a killed process are closed.
        let mut why = None;
        for _ in 0..200 {
            match runtime.spawn(Server::start(config.clone())).await.unwrap() {
                Ok(handle) => return (Killable(Some(runtime)), handle),
                Err(error) => why = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not start: {}", why.expect("at least one try"))
    }

    /// Ends the tasks first, so that none of them can say goodbye, then the threads of the workers.
    pub(crate) fn kill(self, handle: Handle) {
        drop(self);
        drop(handle);
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        // A runtime cannot be dropped where another one runs.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
