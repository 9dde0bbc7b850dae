//! A page of somebody else embeds a call: the very lines that the documentation shows.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use server::config::Config;

use super::call::{Call, Visitor};
use super::driver::Screen;
use super::page::eventually;

/// The first example of the documentation.
fn documented() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/web-client.md");
    let book = std::fs::read_to_string(path).unwrap();
    let (_, behind) = book.split_once("```html\n").expect("the documentation shows a page");
    let (page, _) = behind.split_once("```").expect("and the page ends");
    assert_eq!(page.lines().count(), 10, "a page of ten lines");
    page.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_lines_on_another_host_are_a_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let call =
        Call::start_plain_with(|config: &mut Config| config.allow_origins = vec![host.parse().unwrap()])
            .await;
    let page =
        documented().replace("https://calls.example", &call.origin()).replace("standup", "terrace-garden");
    let app = Router::new().route("/", get(move || async move { Html(page) }));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let other = call.join(Visitor::new("other", Screen::SMALL, "&video=320x180")).await;
    let client = call.driver.browser("embedded", Screen::DESKTOP, &[], None).await;
    client.goto(&host).await.unwrap();
    eventually("the embedded page shows the other".to_owned(), async || {
        const PLAYS: &str = "const v = document.querySelector('#call figure[data-participant] video'); \
                             return v ? (v.videoWidth > 0 && v.currentTime > 1) + ' ' + v.nextSibling.textContent : 'nothing'";
        let seen = client.execute(PLAYS, Vec::new()).await.map_err(|error| error.to_string())?;
        if seen == "true other" { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    // And it is seen: its camera and microphone are in the call.
    other.until_more_frames("Ana", 10).await;
    client.close().await.unwrap();
    other.until("it has left", |seen| seen.names().is_empty().then_some(())).await;
    serving.abort();
}
