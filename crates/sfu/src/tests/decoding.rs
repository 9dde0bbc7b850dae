//! What a client reports of its decoder, and what it gets then.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;

/// Reports over the last two seconds of a slot, of which that share of the frames was dropped.
fn report(decoded: u32, dropped: u32) -> Value {
    json!({"type": "report", "interval_ms": 2_000, "slots": [
        {"mid": "v0", "frames_decoded": decoded, "frames_dropped": dropped, "decode_time_ms": 400},
    ]})
}

/// Lets the watcher report every two seconds until its slot satisfies `wanted`; the time that took.
fn until(call: &mut Call, watcher: usize, said: &Value, wanted: impl Fn(&Value) -> bool) -> (Value, u64) {
    for seconds in (2..=600).step_by(2) {
        call.pass(Duration::from_secs(2));
        call.say(watcher, said.clone());
        if let Some(slot) = call.slot(watcher).filter(&wanted) {
            return (slot, seconds);
        }
    }
    panic!("not within ten minutes");
}

#[test]
fn a_device_that_drops_frames_gets_less_and_says_why_until_it_has_recovered() {
    let mut call = Call::new();
    call.join(true, json!({}));
    let watcher = call.join(false, json!({"capabilities": {"device": {"class": "desktop"}}}));
    call.pass(Duration::from_secs(6));
    let slot = call.slot(watcher).expect("told what it gets");
    assert_eq!((&slot["rid"], &slot["reason"]), (&json!("f"), &json!("optimal")));

    let (slot, seconds) = until(&mut call, watcher, &report(40, 20), |slot| slot["rid"] == "h");
    assert_eq!(slot["reason"], "device_decode_budget");
    assert!(slot["next"]["missing_pixels_per_second"].as_u64().unwrap() > 0, "{slot}");
    assert_eq!(slot["next"]["rid"], "f");
    assert!(seconds <= 4, "relieved after {seconds} s");

    let (slot, seconds) = until(&mut call, watcher, &report(60, 0), |slot| slot["rid"] == "f");
    assert_eq!(slot["reason"], "optimal");
    assert!((8..=60).contains(&seconds), "tried again after {seconds} s");
}

#[test]
fn what_is_reported_of_other_sections_counts_for_nothing() {
    let mut call = Call::new();
    call.join(true, json!({}));
    let watcher = call.join(false, json!({}));
    call.pass(Duration::from_secs(6));
    let mut said = report(0, 1_000);
    for mid in ["v1", "mic", "no mid at all, it is too long"] {
        said["slots"][0]["mid"] = json!(mid);
        call.heard(watcher);
        call.say(watcher, said.clone());
        call.pass(Duration::from_secs(5));
        let slot = call.slot(watcher).expect("rates are told");
        assert_eq!(slot["rid"], "f", "{mid}");
    }
}
