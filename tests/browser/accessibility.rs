//! The page for those who do not see it, see little, or use no mouse: names, contrast in both themes, the way of the focus.

use serde_json::json;

use super::call::{Call, Visitor};
use super::driver::Screen;
use super::page::Page;
use super::wire::DevTools;

#[tokio::test(flavor = "multi_thread")]
async fn every_state_can_be_read_and_reached() {
    let call = Call::start_plain().await;
    let _camera = call.join(Visitor::new("camera", Screen::SMALL, "&video=320x180&audio=off")).await;
    let page =
        call.visit(&call.origin(), Visitor::new("page", Screen::DESKTOP, "&video=320x180&view=stage")).await;
    let mut found = Vec::new();
    let ready =
        "document.querySelector('.preview video').videoWidth > 0 && !document.querySelector('meter').hidden";
    page.until_js("the preview plays, and devices are listed", ready).await;
    found.extend(audit(&page, "before the call").await);
    focus_goes_through(&page, "before the call").await;

    page.click("button[type=submit]").await;
    page.until_more_frames("camera", 10).await;
    found.extend(audit(&page, "the stage").await);
    focus_goes_through(&page, "the stage").await;
    page.click("button[title='Show grid']").await;
    found.extend(audit(&page, "the grid").await);
    page.click("button[title=Chat]").await;
    page.write(".chat input", "Good morning").await;
    page.until_js("it is written", "!!document.querySelector('.chat .own')").await;
    found.extend(audit(&page, "the chat").await);
    page.click("button[title='Look inside']").await;
    page.until_js("something was measured", "document.querySelector('.readout li') !== null").await;
    found.extend(audit(&page, "the look inside").await);
    for (title, what) in [("Invite others", "the invitation"), ("Devices", "devices"), ("Keys", "the keys")] {
        page.click(&format!("button[title='{title}']")).await;
        page.until_js(what, "document.querySelector('dialog').open").await;
        found.extend(audit(&page, what).await);
        page.click("dialog header button").await;
    }
    page.click(".tile:not(.own) .badge").await;
    found.extend(audit(&page, "why a picture is what it is").await);
    page.click("dialog header button").await;
    page.resize(390, 800).await;
    found.extend(audit(&page, "a window as narrow as a phone").await);
    let fits = "document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight";
    page.until_js("nothing scrolls", fits).await;

    page.client.goto(&format!("{}/operator.html", call.origin())).await.unwrap();
    page.until_js("the question for a token", "!!document.querySelector('#token')").await;
    found.extend(audit(&page, "the operator's question").await);
    page.client.goto(call.server.summary.operator.as_deref().unwrap()).await.unwrap();
    page.until_js("a receiver", "!!document.querySelector('.receiver:not([hidden]) .readout')").await;
    found.extend(audit(&page, "the operator's page").await);
    assert!(found.is_empty(), "{}", found.join("\n"));

    // The judge sees what it is shown.
    page.run(PLANTED).await;
    let planted = audit(&page, PLANT).await;
    for complaint in ["no name", "jumps the queue", "contrast 1.", "twice the same id"] {
        assert!(planted.iter().any(|found| found.contains(complaint)), "{complaint} among {planted:?}");
    }
}

/// A page with mistakes, which is no state of the product.
const PLANT: &str = "planted";

/// One of each kind of mistake.
const PLANTED: &str = "const button = document.createElement('button');
    Object.assign(button, { id: 'page', tabIndex: 2 });
    button.style.padding = '9px';
    const pale = Object.assign(document.createElement('p'), { textContent: 'pale' });
    Object.assign(pale.style, { color: '#888', backgroundColor: '#999' });
    document.querySelector('main').append(button, pale);";

/// In both themes, with a picture of each.
async fn audit(page: &Page, what: &str) -> Vec<String> {
    let mut all = Vec::new();
    for theme in ["dark", "light"] {
        let scheme = json!({ "name": "prefers-color-scheme", "value": theme });
        let parameters = json!({ "features": [scheme] });
        let command = "Emulation.setEmulatedMedia";
        page.client.issue_cmd(DevTools { command, parameters }).await.unwrap();
        let script = format!("{}\nreturn audit()", include_str!("audit.js"));
        let found = page.client.execute(&script, Vec::new()).await.unwrap();
        let found: Vec<String> = serde_json::from_value(found).unwrap();
        if what != PLANT {
            page.picture(&format!("{}-{theme}", what.replace(' ', "-"))).await;
        }
        all.extend(found.into_iter().map(|complaint| format!("{what}, {theme}: {complaint}")));
    }
    all
}

/// Tab goes from control to control as they stand in the page, leaves none out, and shows where it is.
async fn focus_goes_through(page: &Page, what: &str) {
    // Of a group of radio buttons one is reached; the others follow by arrow keys.
    page.run(
        "const found = [...document.querySelectorAll('button, input, select, canvas[tabindex]')]
           .filter(e => e.checkVisibility() && !e.disabled && (e.type !== 'radio' || e.checked));
         window.reachable = found;
         window.reached = [];
         document.activeElement.blur();
         window.following?.abort();
         window.following = new AbortController();
         document.addEventListener('focusin', ({ target }) => {
           const { outlineStyle, outlineWidth } = getComputedStyle(target.type === 'radio' ? target.nextElementSibling : target);
           window.reached.push({ at: found.indexOf(target), seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 });
         }, { signal: window.following.signal });",
    )
    .await;
    let count =
        page.client.execute("return window.reachable.length", Vec::new()).await.unwrap().as_u64().unwrap();
    assert!(count > 4, "{what}: {count} controls");
    for _ in 0..count {
        page.key("\u{e004}").await;
    }
    let reached = page.client.execute("return window.reached", Vec::new()).await.unwrap();
    let expected: Vec<_> = (0..count).map(|at| json!({ "at": at, "seen": true })).collect();
    let mut reached = reached.as_array().unwrap().clone();
    // The first stop depends on where the focus was before; from there on it is a circle.
    reached.sort_by_key(|stop| stop["at"].as_i64());
    assert_eq!(reached, expected, "{what}");
}
