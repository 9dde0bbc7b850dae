//! The book: its list of pages is complete, its links lead somewhere in the book, its pictures are shown.
//!
//! That a link's file exists is checked for every page of the tree in `sources`; here is what only a book needs. Nothing
//! outside `docs/` is part of it: a link there works in the checkout and is dead in the rendered book.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{self, File, files, report};

const FOLDER: &str = "docs/";
const SUMMARY: &str = "docs/SUMMARY.md";

/// The pages of the book by their path in `docs/`, without the list of them.
fn pages() -> BTreeMap<String, File> {
    let in_book =
        files().into_iter().filter(|file| file.path.ends_with(".md") && file.path.as_str() != SUMMARY);
    in_book.filter_map(|file| Some((file.path.strip_prefix(FOLDER)?.to_owned(), file))).collect()
}

/// Targets of the Markdown links of a text outside of code, with the number of their line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece is in backticks.
        for piece in line.split('`').step_by(2) {
            let targets = piece.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
            found.extend(targets.map(|target| (number, target)));
        }
    }
    // A link whose words are code: [`name`](target).
    for (number, line) in prose(text) {
        let targets = line.split("`](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        found.extend(targets.map(|target| (number, target)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Lines outside of fenced blocks, with their number from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// What a heading is called in an address, by GitHub and mdBook alike.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    });
    kept.flat_map(char::to_lowercase).collect()
}

fn headings(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| slug(line.trim_start_matches('#')))
        .collect()
}

/// The path of `target` as seen from the page `from`; `None` where it leaves the folder.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

#[test]
fn the_book_lists_every_page_once() {
    let summary = std::fs::read_to_string(tree::root().join(SUMMARY)).unwrap();
    let pages = pages();
    let mut complaints = Vec::new();
    let mut listed = BTreeSet::new();
    for (number, target) in links(&summary) {
        if !pages.contains_key(target) {
            complaints.push(format!("{SUMMARY}:{number}: {target} does not exist"));
        }
        if !listed.insert(target) {
            complaints.push(format!("{SUMMARY}:{number}: {target} is listed twice"));
        }
    }
    for page in pages.keys().filter(|page| !listed.contains(page.as_str())) {
        complaints.push(format!("docs/{page} is not in {SUMMARY}: readers of the book would never see it"));
    }
    report("pages of the book:", &complaints);
}

#[test]
fn links_of_the_book_stay_in_it_and_find_their_heading() {
    let pages = pages();
    let mut complaints = Vec::new();
    for (page, file) in &pages {
        for (number, target) in links(&file.text).into_iter().filter(|(_, target)| !is_elsewhere(target)) {
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let resolved = if path.is_empty() { Some(page.clone()) } else { resolve(page, path) };
            let Some(resolved) = resolved else {
                complaints.push(format!(
                    "docs/{page}:{number}: {target} leaves docs/; name the file as `code` instead"
                ));
                continue;
            };
            let missing = !fragment.is_empty()
                && pages.get(&resolved).is_some_and(|file| !headings(&file.text).contains(fragment));
            if missing {
                complaints.push(format!("docs/{page}:{number}: {resolved} has no heading #{fragment}"));
            }
        }
    }
    report("links of the book:", &complaints);
}

#[test]
fn what_pages_include_exists() {
    let mut complaints = Vec::new();
    for (page, file) in pages() {
        for (number, line) in file.lines() {
            let Some(rest) = line.split("{{#include ").nth(1) else { continue };
            let target = rest.split(['}', ':', ' ']).next().unwrap_or_default();
            let anchor =
                rest.split('}').next().and_then(|whole| whole.split_once(':')).map(|(_, anchor)| anchor);
            let Ok(text) = std::fs::read_to_string(tree::root().join(FOLDER).join(target)) else {
                complaints.push(format!("docs/{page}:{number}: {target} does not exist"));
                continue;
            };
            if anchor.is_some_and(|anchor| !text.contains(&format!("ANCHOR: {anchor}"))) {
                complaints.push(format!("docs/{page}:{number}: {target} has no such anchor"));
            }
        }
    }
    report("parts that the book takes from elsewhere:", &complaints);
}

#[test]
fn every_picture_is_shown() {
    let all: Vec<File> = files().into_iter().filter(|file| file.path.ends_with(".md")).collect();
    let mut complaints = Vec::new();
    for entry in std::fs::read_dir(tree::root().join("docs/images")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !all.iter().any(|file| links(&file.text).iter().any(|(_, target)| target.ends_with(&name))) {
            complaints.push(format!("docs/images/{name} is on no page"));
        }
    }
    report("pictures:", &complaints);
}

#[test]
fn links_and_headings_are_found() {
    let text =
        "# A `b`: c, d\n[x](y.md#z) `[no](n.md)` ![p](i.svg)\n```\n# no\n[no](n.md)\n```\n[`code`](c.md)\n";
    assert_eq!(links(text), [(2, "i.svg"), (2, "y.md#z"), (7, "c.md")]);
    assert_eq!(headings(text), BTreeSet::from(["a-b-c-d".to_owned()]));
    for (from, target, expected) in [
        ("a.md", "b.md", Some("b.md")),
        ("x/a.md", "../b.md", Some("b.md")),
        ("x/a.md", "./i/b.svg", Some("x/i/b.svg")),
        ("a.md", "../proto/README.md", None),
    ] {
        assert_eq!(resolve(from, target).as_deref(), expected, "{target} from {from}");
    }
}
