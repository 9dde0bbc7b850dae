//! Receivers that acknowledge in other ways than by transport-wide numbers.

use std::time::Duration;

use serde_json::json;

use super::call::Call;

#[test]
fn a_receiver_that_acknowledges_by_stream_is_estimated_and_sent_what_fits() {
    let mut call = Call::new();
    call.join(true, json!({}));
    let ignorant = call.join(false, json!({}));
    call.acknowledging = true;
    let watcher = call.join(false, json!({}));
    let (mut estimates, mut shown) = (Vec::new(), None);
    for _ in 0..20 {
        call.pass(Duration::from_secs(1));
        let heard = call.heard(watcher);
        estimates.extend(heard.iter().filter_map(|message| message["estimate_bps"].as_u64()));
        let mut slots = heard.iter().filter(|message| message["type"] == "slots");
        shown = slots.next_back().map(|message| message["slots"][0]["rid"].clone()).or(shown);
        let heard = call.heard(ignorant);
        assert!(heard.iter().all(|message| message["estimate_bps"].is_null()), "{heard:?}");
    }
    let (first, last) = (estimates[0], estimates[estimates.len() - 1]);
    assert!(last > first && last > 1_000_000, "it grows while nothing stands in its way: {estimates:?}");
    assert_eq!(shown, Some(json!("f")));
}
