//! A node whose core is used up, as those who are in a call see it, and those who are not.

use std::time::Duration;

use serde_json::json;

use super::call::Call;
use crate::Input;

fn busy(call: &mut Call, seconds: u64, thousandths: u16) {
    for _ in 0..seconds {
        call.pass(Duration::from_secs(1));
        call.input(Input::Busy(thousandths));
    }
    call.pass(Duration::from_secs(3));
}

#[test]
fn pictures_become_smaller_say_why_and_come_back() {
    let mut call = Call::new();
    call.join(true, json!({}));
    let watcher = call.join(false, json!({"capabilities": {"device": {"class": "desktop"}}}));
    call.pass(Duration::from_secs(6));
    assert_eq!(call.slot(watcher).expect("told what it gets")["rid"], "f");

    for (seconds, rid, load) in [(4, "h", 2), (2, "q", 3)] {
        busy(&mut call, seconds, 1_000);
        let slot = call.slot(watcher).expect("told of less");
        assert_eq!((&slot["rid"], &slot["reason"]), (&json!(rid), &json!("server_busy")), "{slot}");
        assert_eq!(call.sfu().load().overload, load);
    }
    busy(&mut call, 60, 300);
    let slot = call.slot(watcher).expect("told of more");
    assert_eq!((&slot["rid"], &slot["reason"]), (&json!("f"), &json!("optimal")), "{slot}");
    assert_eq!(call.sfu().load().overload, 0);
}

#[test]
fn a_wish_for_less_stays_the_reason() {
    let mut call = Call::new();
    call.join(true, json!({}));
    let watcher = call.join(false, json!({}));
    call.pass(Duration::from_secs(6));
    call.say(watcher, json!({"type": "view", "slots": [{"mid": "v0", "want": "auto", "max_height": 180}]}));
    busy(&mut call, 4, 1_000);
    let slot = call.slot(watcher).expect("told of it");
    assert_eq!((&slot["rid"], &slot["reason"]), (&json!("q"), &json!("user_request")), "{slot}");
}
