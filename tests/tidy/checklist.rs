//! `docs/switching.md` names tests: each of them exists, and every point has some.

use std::collections::BTreeSet;

use super::tree::{File, files, report};

const PAGE: &str = "docs/switching.md";
const POINTS: u32 = 25;

/// Names of all functions in the workspace's Rust sources.
fn functions(files: &[File]) -> BTreeSet<&str> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(|file| file.text.lines())
        .filter_map(|line| {
            line.trim_start().trim_start_matches("async ").strip_prefix("fn ")?.split(['(', '<']).next()
        })
        .collect()
}

/// What stands between backticks and looks like the name of a test.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| {
        name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    text.split('`').skip(1).step_by(2).filter(is_name)
}

#[test]
fn every_point_of_switching_has_tests_that_exist() {
    let files = files();
    let page = files.iter().find(|file| file.path == PAGE).expect("the page is there");
    let known = functions(&files);
    let mut complaints: Vec<String> = page
        .lines()
        .flat_map(|(number, line)| named(line).map(move |name| (number, name)))
        .filter(|(_, name)| !known.contains(name))
        .map(|(number, name)| format!("{PAGE}:{number}: there is no test {name}"))
        .collect();
    for point in 1..=POINTS {
        let row = page.text.lines().find(|line| line.starts_with(&format!("| {point} |")));
        if row.is_none_or(|row| named(row).next().is_none()) {
            complaints.push(format!("{PAGE}: point {point} has no test"));
        }
    }
    report("switching is tested point by point", &complaints);
}
