//! The page over TLS: what a browser asks for on its first visit, and what it must not get.

use crate::support::start;

#[tokio::test]
async fn a_first_visit_gets_the_page_and_all_it_refers_to() {
    let server = start(|_| ()).await;
    for path in ["/", "/r/standup"] {
        let page = server.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert_eq!(page.header("cache-control"), "no-cache");
        let mut links = 0;
        for link in page.body.split(['"']).filter(|text| text.starts_with("/_/")) {
            links += 1;
            let file = server.get(link).await;
            assert_eq!(file.status, 200, "{link}");
            assert!(file.header("cache-control").contains("immutable"), "{link}");
        }
        assert!(links >= 2, "a script and a style sheet at least: {}", page.body);
    }
}

#[tokio::test]
async fn every_response_is_bound_to_this_host() {
    let server = start(|_| ()).await;
    for path in ["/", "/nothing", "/health", "/v1/signal"] {
        let response = server.get(path).await;
        let policy = response.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(response.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(response.header("strict-transport-security"), "", "{path}");
    }
}

#[tokio::test]
async fn what_is_held_is_not_sent_again() {
    let server = start(|_| ()).await;
    let etag = server.get("/").await.header("etag").to_owned();
    let again = server.request("GET", "/", &format!("if-none-match: {etag}\r\n")).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn other_requests_are_refused() {
    let server = start(|_| ()).await;
    for (method, path, status, why) in [
        ("HEAD", "/", 200, "the head of what GET gives"),
        ("POST", "/", 405, "nothing takes a body"),
        ("POST", "/nothing", 405, "nowhere"),
        ("GET", "/nothing", 404, "no such file"),
        ("GET", "/app/package.json", 404, "what only developers of the page need"),
        ("GET", "/../Cargo.toml", 404, "outside of what is embedded"),
        ("GET", "/%2e%2e/Cargo.toml", 404, "the same, written differently"),
        ("GET", "/r/a/b", 404, "a room has no folders"),
        ("GET", "/v1/signal", 400, "not a WebSocket"),
    ] {
        assert_eq!(server.request(method, path, "").await.status, status, "{why}");
    }
}

#[tokio::test]
async fn health_is_that_of_the_workers() {
    let server = start(|_| ()).await;
    let health = server.get("/health").await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    assert_eq!(health.header("cache-control"), "no-store");
}
