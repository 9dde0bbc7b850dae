//! Many participants for the price of one browser: painted cameras that join through the client's own library.

use fantoccini::Client;
use serde_json::{Value, json};

use super::call::{Call, ROOM};
use super::driver::Screen;

/// One of the crowd.
#[derive(Clone, Copy)]
pub(super) struct Guest {
    pub(super) name: &'static str,
    /// Of the landscape that its camera shows, in degrees.
    pub(super) hue: u32,
    /// Of the camera, in pixels.
    pub(super) size: (u32, u32),
    pub(super) fps: u32,
    pub(super) speaks: bool,
    /// Pictures that it decodes at once.
    pub(super) slots: u32,
}

impl Guest {
    /// A silent one with a small camera.
    pub(super) const fn new(name: &'static str, hue: u32) -> Guest {
        Guest { name, hue, size: (320, 180), fps: 8, speaks: false, slots: 1 }
    }
}

/// A page with several calls.
pub(super) struct Crowd(Client);

impl Crowd {
    /// Opens the page and has everybody join.
    pub(super) async fn join(call: &Call, guests: &[Guest]) -> Crowd {
        let crowd = Crowd::open(call).await;
        crowd.enter(guests).await;
        crowd
    }

    /// Opens the page, which takes more of a machine than joining does.
    pub(super) async fn open(call: &Call) -> Crowd {
        let client = call.driver.browser("crowd", Screen::SMALL, &[], None).await;
        // Any page of the server's will do: the library knows where it came from.
        client.goto(&format!("{}/operator.html", call.origin())).await.unwrap();
        Crowd(client)
    }

    /// Has everybody join.
    pub(super) async fn enter(&self, guests: &[Guest]) {
        let guests: Vec<Value> = guests
            .iter()
            .map(|guest| {
                json!({ "name": guest.name, "hue": guest.hue, "width": guest.size.0, "height": guest.size.1,
                    "fps": guest.fps, "speaks": guest.speaks, "slots": guest.slots })
            })
            .collect();
        let painters = include_str!("crowd.js").replace("export async", "async");
        let script = format!(
            "{painters}
             const [room, guests, done] = arguments;
             import('/sdk/terrace.js').then((library) => crowd(library, room, guests)).then((calls) => {{
               window.crowd = calls;
               done(calls.length);
             }}, (error) => done(String(error)))"
        );
        let joined = self.0.execute_async(&script, vec![json!(ROOM), json!(guests)]).await.unwrap();
        assert_eq!(joined, guests.len(), "the crowd joins");
    }

    /// How many pictures each of them decodes.
    pub(super) async fn decoding(&self) -> Vec<u64> {
        const SCRIPT: &str = "return window.crowd.map(({ figures }) => \
                              [...figures?.received.values() ?? []].filter(({ framesDecoded }) => framesDecoded > 10).length)";
        serde_json::from_value(self.0.execute(SCRIPT, Vec::new()).await.unwrap()).unwrap()
    }

    /// Everybody leaves.
    pub(super) async fn leave(&self) {
        self.0.execute("for (const call of window.crowd) call.leave()", Vec::new()).await.unwrap();
    }

    /// Of how many nothing is encoded any more.
    pub(super) async fn idle(&self) -> u64 {
        const SCRIPT: &str = "return window.crowd.filter(({ figures }) => figures?.sent.length > 0 && \
                              figures.sent.every(({ active, kbps }) => !active && kbps === 0)).length";
        self.0.execute(SCRIPT, Vec::new()).await.unwrap().as_u64().unwrap()
    }
}
