//! One page of a call: what it shows to the outside, and the hands to use it.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, Locator};
use serde::Deserialize;
use serde_json::json;

use super::driver::Screen;
use super::wire::DevTools;

/// The most that any condition may take. Generous: machines that test are busy, and a failure is not a matter of speed.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// The folder that pictures are kept in, if they are (`TERRACE_PICTURES`).
pub(super) fn kept() -> Option<PathBuf> {
    std::env::var_os("TERRACE_PICTURES").map(PathBuf::from)
}

/// A browser window in a call.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) client: Client,
}

/// `window.terrace`, as crates/server/web/app/main.js defines it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Terrace {
    pub(super) state: String,
    #[serde(rename = "self")]
    pub(super) own: String,
    pub(super) participants: Vec<Participant>,
    pub(super) slots: Vec<Slot>,
    pub(super) sent: Vec<Sent>,
    pub(super) problems: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Participant {
    pub(super) id: String,
    pub(super) name: String,
}

/// A slot: the server's word, and what the browser decoded.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Slot {
    pub(super) kind: String,
    pub(super) participant: Option<String>,
    pub(super) rid: Option<String>,
    pub(super) reason: Option<String>,
    /// Its contents come straight from the other browser.
    pub(super) direct: bool,
    pub(super) decoded: Option<Decoded>,
}

/// From the browser's own statistics.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decoded {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frames_decoded: u64,
    pub(super) kbps: f64,
}

/// An encoding that leaves a page.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sent {
    pub(super) rid: String,
    pub(super) height: u32,
    pub(super) active: bool,
    pub(super) kbps: f64,
    pub(super) fps: f64,
    /// Since the beginning.
    pub(super) bytes: u64,
}

impl Terrace {
    /// The video slot that shows the participant of this name.
    pub(super) fn video_of(&self, name: &str) -> Option<&Slot> {
        let id = &self.participants.iter().find(|participant| participant.name == name)?.id;
        self.slots.iter().find(|slot| slot.kind == "video" && slot.participant.as_ref() == Some(id))
    }

    /// What is decoded of the participant of this name, once there is a frame.
    pub(super) fn decoded_of(&self, name: &str) -> Option<Decoded> {
        self.video_of(name)?.decoded.filter(|decoded| decoded.frames_decoded > 0)
    }

    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.participants.iter().map(|participant| participant.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

impl Page {
    /// What the page shows at this moment.
    pub(super) async fn look(&self) -> Terrace {
        const SCRIPT: &str = "const { state, self, participants, slots, sent, problems } = window.terrace; \
                              return { state, self, participants, slots, sent, problems };";
        let value = self.client.execute(SCRIPT, Vec::new()).await;
        let value = value.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        serde_json::from_value(value.clone())
            .unwrap_or_else(|error| panic!("{}: {error} in {value}", self.name))
    }

    /// Looks until `condition` gives something, and fails with the last look when it never does.
    #[track_caller]
    pub(super) fn until<T>(
        &self,
        what: &str,
        condition: impl Fn(&Terrace) -> Option<T>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        async move {
            let started = Instant::now();
            loop {
                let seen = self.look().await;
                if let Some(found) = condition(&seen) {
                    return found;
                }
                if started.elapsed() > DEADLINE {
                    let log = self.log().await;
                    let past = self.past().await;
                    let name = &self.name;
                    panic!("{name}: not within {DEADLINE:?}: {what} ({caller})\n{seen:#?}\n{log}\n{past}");
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Waits until an expression of the page is true.
    #[track_caller]
    pub(super) fn until_js(&self, what: &str, expression: &str) -> impl Future<Output = ()> {
        let script = format!("return ({expression})");
        eventually(format!("{}: {what}", self.name), async move || {
            let value = self.client.execute(&script, Vec::new()).await.map_err(|error| error.to_string())?;
            if value == serde_json::Value::Bool(true) { Ok(()) } else { Err(value.to_string()) }
        })
    }

    /// Waits until the camera of this name is decoded at this size.
    pub(super) async fn until_size(&self, name: &str, width: u32, height: u32) {
        self.until(&format!("{name} at {width}x{height}"), |seen| {
            seen.decoded_of(name).filter(|decoded| (decoded.width, decoded.height) == (width, height))
        })
        .await;
    }

    /// Waits until that many more frames of this camera are decoded than now, and returns the largest size seen.
    pub(super) async fn until_more_frames(&self, name: &str, more: u64) -> (u32, u32) {
        let start = self.until("a first frame", |seen| seen.decoded_of(name)).await.frames_decoded;
        let largest = std::cell::Cell::new((0, 0));
        self.until(&format!("{more} more frames of {name} than {start}"), |seen| {
            let decoded = seen.decoded_of(name)?;
            largest.set(largest.get().max((decoded.width, decoded.height)));
            // A slot that moved to another section counts anew.
            (decoded.frames_decoded >= start + more || decoded.frames_decoded < start).then_some(())
        })
        .await;
        largest.get()
    }

    /// Runs a statement in the page.
    pub(super) async fn run(&self, script: &str) {
        self.client.execute(script, Vec::new()).await.unwrap();
    }

    /// Gives the page a window of this size, in CSS pixels.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        let parameters =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1.0, "mobile": false });
        let command = DevTools { command: "Emulation.setDeviceMetricsOverride", parameters };
        self.client.issue_cmd(command).await.unwrap();
    }

    /// A phone held the other way.
    pub(super) async fn turn(&self) {
        let parameters = json!({ "width": Screen::PHONE.height, "height": Screen::PHONE.width,
            "deviceScaleFactor": Screen::PHONE.pixel_ratio, "mobile": true });
        self.client
            .issue_cmd(DevTools { command: "Emulation.setDeviceMetricsOverride", parameters })
            .await
            .unwrap();
    }

    /// Photographs a state. Kept as `NAME.png` where [`kept`] says; thrown away otherwise, as a state that cannot be reached
    /// has failed its test already.
    pub(super) async fn picture(&self, name: &str) {
        let picture = self.client.screenshot().await.unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 5_000, "{name} shows something");
        if let Some(folder) = kept() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
        }
    }

    pub(super) async fn click(&self, css: &str) {
        let element = self.client.wait().at_most(DEADLINE).for_element(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|error| panic!("{}: no {css}: {error}", self.name));
        // By script: a real click refuses what another element covers, such as a radio button under its own label.
        let arguments = vec![serde_json::to_value(&element).unwrap()];
        self.client.execute("arguments[0].click()", arguments).await.unwrap();
    }

    /// Clicks as a user does, where the browser asks for a user's own gesture.
    pub(super) async fn press(&self, css: &str) {
        let element = self.client.wait().at_most(DEADLINE).for_element(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|error| panic!("{}: no {css}: {error}", self.name));
        element.click().await.unwrap();
    }

    /// Presses a key, wherever the focus is.
    pub(super) async fn key(&self, key: &str) {
        let actions = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: key.chars().next().unwrap() })
            .then(KeyAction::Up { value: key.chars().next().unwrap() });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Writes into a field and sends it.
    pub(super) async fn write(&self, css: &str, text: &str) {
        let element = self.client.wait().at_most(DEADLINE).for_element(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|error| panic!("{}: no {css}: {error}", self.name));
        element.send_keys(&format!("{text}\u{e007}")).await.unwrap();
    }

    /// The text of an element, as a reader would see it.
    pub(super) async fn text(&self, css: &str) -> String {
        let element = self.client.wait().at_most(DEADLINE).for_element(Locator::Css(css)).await;
        element.unwrap_or_else(|error| panic!("{}: no {css}: {error}", self.name)).text().await.unwrap()
    }

    /// Chooses what to show at most of a participant, as a user does: badge, dialog, choice.
    pub(super) async fn wish(&self, name: &str, wish: &str) {
        let id = self.until("the participant", |seen| {
            seen.participants
                .iter()
                .find(|participant| participant.name == name)
                .map(|found| found.id.clone())
        });
        let id = id.await;
        self.click(&format!("[data-participant='{id}'] .badge")).await;
        self.click(&format!("dialog input[name=wish][value={wish}]")).await;
        self.click("dialog header button").await;
    }

    /// What was received in the last two minutes, a line per second, for a failure's message.
    async fn past(&self) -> String {
        const SCRIPT: &str = "return terrace.history.map(({ at, estimate, budget, slots }) => `${Math.round(at / 1000)} s: \
            link ${estimate} budget ${budget} ` + slots.map(s => `${s.label} ${s.height}p ${Math.round(s.bps)} ${s.reason}`)\
            .join(', ')).join('\\n')";
        let past = self.client.execute(SCRIPT, Vec::new()).await;
        past.map_or_else(|error| error.to_string(), |past| past.as_str().unwrap_or_default().to_owned())
    }

    /// What the page wrote to its console, for a failure's message.
    async fn log(&self) -> String {
        let log = self.client.issue_cmd(super::wire::ConsoleLog).await;
        log.map_or_else(|error| error.to_string(), |log| format!("console: {log:#}"))
    }

    /// Closes the browser; a page that only goes out of scope lives until the driver's end.
    pub(super) async fn close(self) {
        self.client.close().await.unwrap();
    }
}

/// For conditions about several pages or about none.
#[track_caller]
pub(super) fn eventually<T: Debug>(
    what: String,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        loop {
            match look().await {
                Ok(found) => return found,
                Err(seen) if started.elapsed() > DEADLINE => {
                    panic!("not within {DEADLINE:?}: {what} ({caller}): {seen}")
                }
                Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}
