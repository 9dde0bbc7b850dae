//! The operator's page looks at a running call: who is there, what each is sent and why, how that came about; and acts on it.

use fantoccini::Locator;

use super::call::{Call, ROOM, Visitor};
use super::driver::Screen;
use super::page::{Page, Terrace};

/// A browser that opens the link that the server printed at its start.
pub(super) async fn open(call: &Call) -> Page {
    let screen = Screen { width: 1200, height: 720, ..Screen::DESKTOP };
    let client = call.driver.browser("operator", screen, &[], None).await;
    client
        .goto(call.server.summary.operator.as_deref().expect("a server with a key of its own"))
        .await
        .unwrap();
    Page { name: "operator".to_owned(), client }
}

/// Whoever is looked at on the time axis.
pub(super) async fn choose(page: &Page, name: &str) {
    let rows = format!(
        "[...document.querySelectorAll('.everybody tbody button')].find(b => b.textContent === '{name}')"
    );
    page.until_js(&format!("{name} is listed"), &format!("!!{rows}")).await;
    page.run(&format!("{rows}.click()")).await;
    page.until_js(
        "the time axis is of this one",
        &format!("document.querySelector('#who').textContent === '{name}'"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_a_call_and_ends_it_for_one() {
    let call = Call::start_plain().await;
    let _camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    let operator = open(&call).await;
    choose(&operator, "desktop").await;
    operator.until_js("its token is nowhere in the address", "!location.href.includes('token')").await;
    let totals = "document.querySelector('.totals').textContent.startsWith('1rooms2people1pictures')";
    operator.until_js("what there is in all", totals).await;
    let readout = said(&operator, "720p").await;
    operator.picture("operator-all-well").await;
    for part in ["Now", "link", "for pictures", "camera", "fps", "bit/s", "best there is"] {
        assert!(readout.contains(part), "{part} in {readout}");
    }
    // What is drawn goes on.
    let before = operator.client.execute(DRAWN, Vec::new()).await.unwrap();
    operator
        .until_js("the axis moves", &format!("({}) !== {before}", DRAWN.trim_start_matches("return ")))
        .await;

    // What happens to the receiver is seen, with its reason, and who is in trouble comes first.
    desktop.click("button[title='Look inside']").await;
    desktop.click(".chip[data-bps='350000']").await;
    let readout = said(&operator, "180p").await;
    assert!(readout.contains("limited by the link"), "{readout}");
    let row = "document.querySelector('.everybody tbody tr')";
    operator
        .until_js("trouble is named", &format!("{row}.textContent.includes('1 limited by the link')"))
        .await;
    operator.picture("operator-trouble").await;
    let first = operator.text(".everybody tbody tr:first-child").await;
    assert!(first.starts_with("desktop") && first.contains(ROOM), "{first}");
    // And how it was before is there to be read, by keys as well.
    let canvas = operator.client.find(Locator::Css("canvas.plot")).await.unwrap();
    operator.run("document.querySelector('canvas.plot').focus()").await;
    let mut past = String::new();
    for _ in 0..120 {
        canvas.send_keys("\u{e012}").await.unwrap();
        past = operator.text(".readout").await;
        if past.contains("720p") {
            break;
        }
    }
    assert!(past.contains("720p") && past.contains("s ago"), "{past}");

    // What is decided from now on becomes a file, for the operator and for whoever it is about, and decides itself again.
    for page in [&operator, &desktop] {
        page.run(KEEP).await;
        page.click(".record").await;
    }
    desktop.click(".chip[data-bps='']").await;
    desktop.until_size("camera", 1280, 720).await;
    for page in [&operator, &desktop] {
        page.click(".record").await;
        page.until_js("a file", "!!window.saved").await;
        let file = page.client.execute("return window.saved", Vec::new()).await.unwrap();
        let decisions: Vec<sfu::LoggedDecision> =
            file.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(decisions.len() > 1, "{file}");
        assert!(decisions.iter().all(|logged| logged.room == ROOM && logged.record.replay() == Ok(())));
    }

    let worker = r"/Worker \d: 1 room, 2 people/.test(document.querySelector('.server').textContent)";
    operator.until_js("the worker", worker).await;
    choose(&operator, "camera").await;
    for (button, question, done) in [
        ("Mute", "Mute all that camera sends?", "camera is muted"),
        ("Unmute", "Let camera be heard and seen again?", "camera is heard and seen again"),
    ] {
        let is = format!("document.querySelector('.receiver header button').textContent === '{button}'");
        operator.until_js(button, &is).await;
        operator.press(".receiver header button").await;
        assert_eq!(operator.client.get_alert_text().await.unwrap(), question);
        operator.client.accept_alert().await.unwrap();
        let says = format!("document.querySelector('.operator .bar').textContent.includes('{done}')");
        operator.until_js(done, &says).await;
        let off = button == "Mute";
        desktop
            .until_js(
                button,
                &format!("!!document.querySelector('.tile:not(.own)[aria-label*=\"camera off\"]') === {off}"),
            )
            .await;
    }
    choose(&operator, "desktop").await;

    operator.press(".receiver .danger").await;
    assert_eq!(operator.client.get_alert_text().await.unwrap(), format!("Remove desktop from {ROOM}?"));
    operator.client.accept_alert().await.unwrap();
    desktop.until("it is out", |seen: &Terrace| (seen.state == "asking").then_some(())).await;
    let ending = desktop.text(".ending").await;
    assert!(ending.contains("removed from the room"), "{ending}");
    desktop.picture("removed").await;
    let gone =
        "![...document.querySelectorAll('.everybody tbody button')].some(b => b.textContent === 'desktop')";
    operator.until_js("it is listed no more", gone).await;
    operator
        .until_js("and one is left", "document.querySelectorAll('.everybody tbody tr').length === 1")
        .await;
}

/// Keeps the text of what the page would save as a file.
const KEEP: &str =
    "URL.createObjectURL = (file) => { file.text().then((text) => { window.saved = text; }); return '#'; }";

/// The time axis as numbers.
const DRAWN: &str = "return [...document.querySelector('canvas.plot').toDataURL()].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) | 0, 7)";

/// Waits until what the time axis reads out has that in it.
async fn said(page: &Page, part: &str) -> String {
    page.until_js(part, &format!("document.querySelector('.readout').textContent.includes('{part}')")).await;
    page.text(".readout").await
}
