//! The embedded web client: without anything of third parties and fit for a strict content security policy.
//! That it is small is tested where it is compressed, in the server.

use super::tree::{File, files, report};

const FOLDER: &str = "crates/server/web/";

fn client() -> Vec<File> {
    let files: Vec<File> = files().into_iter().filter(|file| file.path.starts_with(FOLDER)).collect();
    assert!(files.iter().any(|file| file.path.ends_with("index.html")), "the web client is in {FOLDER}");
    files
}

#[test]
fn web_client_asks_no_third_party() {
    // Namespaces are names, not addresses: nothing is fetched from them.
    const NAMES: [&str; 1] = ["http://www.w3.org/2000/svg"];
    let mut complaints = Vec::new();
    for file in client() {
        for (number, line) in file.lines() {
            let line = NAMES.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
            if ["http://", "https://", "ws://", "wss://"].iter().any(|scheme| {
                line.match_indices(scheme).any(|(at, _)| {
                    // A scheme alone is put together with our own host; with a name behind it, it is an address.
                    line[at + scheme.len()..].starts_with(|character: char| character.is_ascii_alphanumeric())
                })
            }) {
                complaints.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report("addresses in the web client:", &complaints);
}

#[test]
fn web_client_needs_no_inline_code() {
    let mut complaints = Vec::new();
    for file in client() {
        let forbidden: &[&str] = match file.path.rsplit('.').next() {
            Some("html") => &[" style=", "<style", " onclick=", " onload=", "javascript:"],
            Some("js") => {
                &["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write"]
            }
            _ => continue,
        };
        for (number, line) in file.lines() {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{number}: {word}", file.path));
            }
            if line.contains("<script") && !line.contains(" src=") {
                complaints.push(format!("{}:{number}: inline script", file.path));
            }
        }
    }
    report("against the content security policy:", &complaints);
}
