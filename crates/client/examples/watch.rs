//! A participant that watches: joins a room as a phone would, says what it is shown and why, and leaves with a report.
//!
//! ```sh
//! cargo run -p terrace-client --example watch -- https://localhost:8443 standup --fingerprint AB:CD:.. --seconds 20
//! ```
//!
//! The fingerprint is what the server prints at start; without one the certificate has to lead to a root that the system
//! trusts. `--token` gives the join token, where the server asks for one; `--class` another device than a phone.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::time::Duration;

use client::{Event, Options, Participant, Trust};
use signalling::{DeviceClass, SlotState, SlotView, View, Want};

/// An error that ends the program with its message.
type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (url, options, watched) = arguments()?;
    let mut participant = Participant::join(&url, options).await?;
    println!("joined as {}", participant.id());

    // The first video slot fills a phone's screen; in the others the server may show whom it likes.
    let video = participant.slots().into_iter().filter(|(_, kind)| *kind == packet::MediaKind::Video);
    let view = video.enumerate().map(|(at, (mid, _))| SlotView {
        width: (at == 0).then_some(720),
        height: (at == 0).then_some(1280),
        ..SlotView::new(&mid, Want::Auto)
    });
    participant.set_view(View { slots: view.collect() });

    let watching = async {
        while let Some(event) = participant.next_event().await {
            match event {
                Event::Connected => println!("media flows"),
                Event::Slots(slots) => slots.iter().for_each(|slot| println!("{}", sentence(slot))),
                Event::Room(change) => println!("{} came, {} left", change.joined.len(), change.left.len()),
                Event::Error(error) => println!("the server says: {}", error.message),
                Event::Reconnecting => println!("signalling was lost; media goes on"),
                _ => {}
            }
        }
    };
    // It ends with the time or with the call.
    let _ = tokio::time::timeout(watched, watching).await;

    let report = participant.receiver_report();
    println!("{}", serde_json::to_string_pretty(&report)?);
    participant.leave().await;
    Ok(())
}

/// What a slot shows, and what keeps it from showing more.
fn sentence(slot: &SlotState) -> String {
    let picture = match (slot.width, slot.height) {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        _ => "nothing".to_owned(),
    };
    let missing = slot.next.as_ref().and_then(|next| next.missing_bps);
    let missing = missing.map_or_else(String::new, |bps| format!(", {} kbit/s short of more", bps / 1_000));
    format!("slot {}: {picture}, {:?}{missing}", slot.mid, slot.reason)
}

/// Where to join, how, and for how long.
fn arguments() -> Result<(String, Options, Duration), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (url, room) = arguments.next().zip(arguments.next()).ok_or("watch <url> <room> [options]")?;
    let mut options = Options::new(&room, "watcher").with_class(DeviceClass::Mobile);
    let mut seconds = 20;
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--fingerprint" => options.trust = Trust::from_fingerprint(&value)?,
            "--token" => options.token = Some(value),
            "--class" => options = options.with_class(serde_json::from_value(value.into())?),
            "--seconds" => seconds = value.parse()?,
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok((url, options, Duration::from_secs(seconds)))
}
