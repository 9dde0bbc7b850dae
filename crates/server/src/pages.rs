//! The web client: files that were embedded when the binary was built, and the headers they are served with.
//!
//! Owns paths, content types, caching and the security policy of every page. Nothing is read from disk at run time and
//! no page may load anything from another host.
//!
//! Caching: every file is served twice. Under its own path with an `ETag`, to be asked for again each time; and under
//! `/_/<version>/..`, where the version is a digest of all files, to be kept for ever. The pages refer to the second
//! form: their own paths in `src=".."` and `href=".."` are rewritten once at start, and modules import each other by
//! relative paths, so one changed file changes the addresses of all and nobody ever mixes two releases.
//!
//! Every file is held plain and compressed: comments stay in what is served, and a first visit takes a third of the bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// The files of the web client as they were when this was built. What only its developers need stays out.
#[derive(RustEmbed)]
#[folder = "web"]
#[include = "*.html"]
#[include = "*.js"]
#[include = "*.css"]
#[include = "*.svg"]
#[include = "*.png"]
#[include = "*.ico"]
#[include = "*.webmanifest"]
#[exclude = "*.test.js"]
#[exclude = "*test/*"]
#[exclude = "*tests/*"]
struct Embedded;

/// What a page may do: load and connect to this host only, be framed by nobody, submit no form.
/// `blob:` is for recorded and generated pictures, `data:` for the QR code.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// On every response. `Strict-Transport-Security` only where the operator wants it: with a self-signed certificate it
/// would take from people the possibility to accept it (RFC 6797 §8.4).
const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    // For browsers that do not know `frame-ancestors`.
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // The room's name is in the path: it is nobody else's business.
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), compute-pressure=(self), screen-wake-lock=(self), \
         geolocation=(), payment=(), usb=()",
    ),
];

/// Revalidated each time: the answer is 304 and empty unless something changed.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// Kept for ever: the path changes with the contents (RFC 8246).
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What pages of other hosts may load: the client as a library.
const LIBRARY: &str = "sdk/";
/// Below this the version follows.
const VERSIONED: &str = "_/";
/// Hexadecimal digits of a digest that are enough to tell two releases apart.
const DIGEST_DIGITS: usize = 16;

/// All files of the web client, ready to be served.
#[derive(Debug)]
pub(crate) struct Pages {
    files: BTreeMap<String, File>,
    version: String,
}

#[derive(Debug)]
struct File {
    content_type: HeaderValue,
    plain: Representation,
    gzip: Representation,
}

/// A file in one content coding. Codings are told apart by their tags (RFC 9110 §8.8.3.3).
#[derive(Debug)]
struct Representation {
    body: Bytes,
    etag: HeaderValue,
}

impl Pages {
    /// The web client that is embedded in this binary.
    pub(crate) fn embedded() -> Self {
        Self::new(Embedded::iter().filter_map(|path| Embedded::get(&path).map(|file| (path, file.data))))
    }

    fn new(files: impl Iterator<Item = (Cow<'static, str>, Cow<'static, [u8]>)>) -> Self {
        let files: BTreeMap<_, _> = files.collect();
        let mut all = Sha256::new();
        for (path, data) in &files {
            // With lengths, so that no two sets of files give the same bytes.
            all.update((path.len() as u64).to_be_bytes());
            all.update(path.as_bytes());
            all.update((data.len() as u64).to_be_bytes());
            all.update(data);
        }
        let version = hex(&all.finalize());
        let paths: Vec<_> = files.keys().cloned().collect();
        let files = files
            .into_iter()
            .map(|(path, data)| {
                let body = match path.ends_with(".html") {
                    true => versioned_links(&String::from_utf8_lossy(&data), &paths, &version).into(),
                    false => Bytes::from(data.into_owned()),
                };
                let gzip = Representation::new(gzipped(&body));
                let file = File { content_type: content_type(&path), plain: Representation::new(body), gzip };
                (path.to_string(), file)
            })
            .collect();
        Self { files, version }
    }

    /// The answer to a request for this path (without the leading slash) with these headers.
    pub(crate) fn get(&self, path: &str, request: &HeaderMap) -> Response<Body> {
        let below_version = path
            .strip_prefix(VERSIONED)
            .and_then(|rest| rest.strip_prefix(self.version.as_str()))
            .and_then(|rest| rest.strip_prefix('/'));
        let (path, caching) = match below_version {
            Some(path) => (path, FOR_EVER),
            None => (path, REVALIDATE),
        };
        let Some(file) = self.files.get(path) else {
            return plain(StatusCode::NOT_FOUND, "There is nothing here. Rooms are at /r/<name>.\n");
        };
        let compressed = takes_gzip(request);
        let representation = if compressed { &file.gzip } else { &file.plain };
        let mut response = if unchanged(request, &representation.etag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(representation.body.clone()))
        };
        let headers = response.headers_mut();
        if compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CONTENT_TYPE, file.content_type.clone());
        headers.insert(header::ETAG, representation.etag.clone());
        headers.insert(header::CACHE_CONTROL, caching);
        if path.starts_with(LIBRARY) {
            // Pages of other hosts may load the library; whether they may join is decided at the socket, by `Origin`.
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
        }
        response
    }
}

impl Representation {
    fn new(body: Bytes) -> Self {
        let etag = HeaderValue::try_from(format!("\"{}\"", hex(&Sha256::digest(&body))))
            .expect("hexadecimal digits in quotes are a header value");
        Self { body, etag }
    }
}

/// The smallest form, made once at start. Pages hold no secrets, so their size tells nothing (unlike in BREACH).
fn gzipped(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let compressed = encoder.write_all(body).and_then(|()| encoder.finish());
    compressed.expect("writing to memory does not fail").into()
}

/// Whether the client lists gzip and does not refuse it by a weight of zero (RFC 9110 §12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let listed = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map(|weight| weight.parse().unwrap_or(0.0));
        named && weight.is_none_or(|weight: f32| weight > 0.0)
    })
}

/// A short text as a response, never cached.
pub(crate) fn plain(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds the headers that every response carries, unless it has its own.
pub(crate) fn secure(mut response: Response<Body>, strict: Option<&HeaderValue>) -> Response<Body> {
    if let Some(strict) = strict {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, strict.clone());
    }
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Does the client hold this version already (RFC 9110 §13.1.2)?
fn unchanged(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let held = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    held.flat_map(|list| list.split(',')).map(str::trim).any(|tag| {
        // Weak comparison (RFC 9110 §8.8.3.2): a proxy that compresses marks the tag as weak.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
    })
}

/// The page with every link to an embedded file made to point to its versioned path.
fn versioned_links(page: &str, paths: &[Cow<'static, str>], version: &str) -> String {
    let mut page = page.to_owned();
    for path in paths.iter().filter(|path| !path.ends_with(".html")) {
        for attribute in ["src", "href"] {
            let link = format!("{attribute}=\"/{path}\"");
            page = page.replace(&link, &format!("{attribute}=\"/{VERSIONED}{version}/{path}\""));
        }
    }
    page
}

/// By the file's ending. Text is UTF-8.
fn content_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    })
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(DIGEST_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 3] = [
        (
            "index.html",
            r#"<link href="/style.css"><script type="module" src="/app/main.js"></script><a href="/r/x">"#,
        ),
        ("style.css", "p {}"),
        ("app/main.js", "import './other.js'"),
    ];

    fn pages(files: &[(&'static str, &'static str)]) -> Pages {
        Pages::new(files.iter().map(|(path, text)| (Cow::from(*path), Cow::from(text.as_bytes()))))
    }

    fn header<'a>(response: &'a Response<Body>, name: &HeaderName) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn body(response: Response<Body>) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn pages_refer_to_versioned_files() {
        let pages = pages(&FILES);
        let version = pages.version.clone();
        let page = body(pages.get("index.html", &HeaderMap::new())).await;
        assert_eq!(
            page,
            format!(
                r#"<link href="/_/{version}/style.css"><script type="module" src="/_/{version}/app/main.js"></script><a href="/r/x">"#
            )
        );
        let file = pages.get(&format!("_/{version}/app/main.js"), &HeaderMap::new());
        assert_eq!(header(&file, &header::CACHE_CONTROL), FOR_EVER);
        assert_eq!(header(&file, &header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(body(file).await, "import './other.js'");
    }

    #[test]
    fn any_change_changes_the_version() {
        let version = pages(&FILES).version;
        assert_eq!(pages(&FILES).version, version);
        assert_ne!(pages(&FILES[..2]).version, version, "a file less");
        assert_ne!(pages(&[FILES[0], FILES[1], ("app/main.js", "")]).version, version, "other contents");
        assert_ne!(
            pages(&[FILES[0], FILES[1], ("app/other.js", FILES[2].1)]).version,
            version,
            "another name"
        );
    }

    #[test]
    fn what_is_held_is_not_sent_again() {
        let pages = pages(&FILES);
        let etag = header(&pages.get("style.css", &HeaderMap::new()), &header::ETAG).to_owned();
        for (held, status, why) in [
            (etag.clone(), StatusCode::NOT_MODIFIED, "the same"),
            (format!("W/{etag}"), StatusCode::NOT_MODIFIED, "a proxy compressed it"),
            (format!("\"x\", {etag}"), StatusCode::NOT_MODIFIED, "one of several"),
            ("*".to_owned(), StatusCode::NOT_MODIFIED, "anything"),
            ("\"x\"".to_owned(), StatusCode::OK, "another"),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, HeaderValue::try_from(held).unwrap());
            let response = pages.get("style.css", &request);
            assert_eq!(response.status(), status, "{why}");
            assert_eq!(header(&response, &header::CACHE_CONTROL), REVALIDATE);
        }
    }

    #[test]
    fn who_takes_gzip_gets_it() {
        let pages = pages(&FILES);
        let plain = header(&pages.get("style.css", &HeaderMap::new()), &header::ETAG).to_owned();
        for (accepted, expected, why) in [
            ("gzip, deflate, br, zstd", true, "browsers"),
            ("GZIP;q=0.5", true, "codings have no case"),
            ("gzip; q=0", false, "refused"),
            ("gzip;q=x", false, "nonsense"),
            ("br", false, "another coding"),
            ("xgzip", false, "not a prefix or suffix match"),
            ("", false, "nothing"),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::ACCEPT_ENCODING, HeaderValue::try_from(accepted).unwrap());
            let response = pages.get("style.css", &request);
            assert_eq!(header(&response, &header::CONTENT_ENCODING) == "gzip", expected, "{why}: {accepted}");
            assert_eq!(
                header(&response, &header::ETAG) != plain,
                expected,
                "a tag for each coding: {accepted}"
            );
            assert_eq!(header(&response, &header::VARY), "accept-encoding");
        }
    }

    #[test]
    fn the_library_is_for_pages_of_other_hosts_too_and_nothing_else_is() {
        let pages = Pages::embedded();
        for (path, allowed, resource) in [
            ("sdk/terrace.js", "*", "cross-origin"),
            ("app/main.js", "", "same-origin"),
            ("index.html", "", "same-origin"),
        ] {
            let response = secure(pages.get(path, &HeaderMap::new()), None);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, &header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{path}");
            let policy = HeaderName::from_static("cross-origin-resource-policy");
            assert_eq!(header(&response, &policy), resource, "{path}");
        }
    }

    #[test]
    fn a_first_visit_is_small() {
        // All that the page of a call loads, as it travels; three seconds on a phone link of 256 kbit/s.
        let pages = Pages::embedded();
        let mut loaded = vec!["index.html".to_owned()];
        for at in 0.. {
            let Some(path) = loaded.get(at).cloned() else { break };
            let text = String::from_utf8_lossy(&pages.files[&path].plain.body).into_owned();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let names = ["src=\"", "href=\"", "from \"", "import(\""];
            let said = names.iter().flat_map(|before| text.split(before).skip(1));
            for said in said.filter_map(|rest| rest.split('"').next()) {
                let found = resolve(folder, said);
                if pages.files.contains_key(&found) && !loaded.contains(&found) {
                    loaded.push(found);
                }
            }
        }
        assert!(loaded.iter().any(|path| path == "sdk/session.js"), "{loaded:?}");
        assert!(!loaded.iter().any(|path| path == "app/watch.js"), "the operator's page is another one");
        let bytes: usize = loaded.iter().map(|path| pages.files[path].gzip.body.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes");
    }

    /// What a name in a file of that folder stands for.
    fn resolve(folder: &str, name: &str) -> String {
        let mut parts: Vec<&str> = if name.starts_with('/') { vec![] } else { folder.split('/').collect() };
        for part in name.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.retain(|part| !part.is_empty());
        let path = parts.join("/");
        match path.strip_prefix(VERSIONED).and_then(|rest| rest.split_once('/')) {
            Some((_version, path)) => path.to_owned(),
            None => path,
        }
    }

    #[test]
    fn nothing_else_is_served() {
        let pages = pages(&FILES);
        for path in ["", "style", "../Cargo.toml", "app/", "_/0000000000000000/style.css", "_/", "/style.css"]
        {
            assert_eq!(pages.get(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn the_embedded_client_refers_to_itself_only() {
        let pages = Pages::embedded();
        assert!(pages.files.contains_key("index.html"), "the binary has a page");
        for (path, file) in &pages.files {
            assert!(file.content_type != "application/octet-stream", "{path}");
            let text = String::from_utf8_lossy(&file.plain.body);
            if path.ends_with(".html") {
                // The policy allows neither; a page that has them would be broken in the browser only.
                for forbidden in ["<style", " style=\"", " onclick=", "src=\"http", "href=\"http"] {
                    assert!(!text.contains(forbidden), "{path} contains {forbidden}");
                }
            }
        }
    }
}
