//! Shape of the files: a header that says what they own, a length one can read, nothing that belongs to one machine.

use super::tree::{files, report};

/// Above this many lines of production code a file holds a second idea.
const LONGEST: usize = 700;
/// Scripts of the web client and long tests have the same limit as a whole.
const LONGEST_SCRIPT: usize = 500;

/// Whether a path is a module of tests only.
pub(super) fn is_test_module(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.starts_with("tests/")
        || path.ends_with(".test.js")
}

/// Lines before the first block of tests.
pub(super) fn production_length(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[test]
fn files_are_short_enough_to_read() {
    let mut complaints = Vec::new();
    for file in files() {
        let (length, limit) = match file.path.rsplit('.').next() {
            Some("rs") if is_test_module(&file.path) => (file.text.lines().count(), 2 * LONGEST),
            Some("rs") => (production_length(&file.text), LONGEST),
            Some("js") => (file.text.lines().count(), LONGEST_SCRIPT),
            _ => continue,
        };
        if length > limit {
            complaints.push(format!("{}: {length} lines, at most {limit}", file.path));
        }
    }
    report("files that hold more than one idea:", &complaints);
}

#[test]
fn every_file_says_what_it_owns() {
    let mut complaints = Vec::new();
    for file in files() {
        let opening = match file.path.rsplit('.').next() {
            Some("rs") => "//! ",
            Some("js") => "// ",
            _ => continue,
        };
        let header = file.text.lines().next().and_then(|line| line.strip_prefix(opening)).unwrap_or_default();
        if header.len() < 20 {
            complaints.push(format!("{}: the first line is not `{opening}` and a sentence", file.path));
        }
    }
    report("files without a header:", &complaints);
}

#[test]
fn nothing_names_somebodys_machine() {
    // Put together here, so that this file does not contain them.
    let words = ["/root", "/home", "/Users", "/work"].map(|folder| format!("{folder}/"));
    let mut complaints = Vec::new();
    for file in files() {
        for (number, line) in file.lines() {
            for word in words.iter().filter(|word| starts_a_path(line, word)) {
                complaints.push(format!("{}:{number}: contains {word}", file.path));
            }
        }
    }
    report("paths of one machine:", &complaints);
}

/// Whether `word` occurs as the beginning of an absolute path.
fn starts_a_path(line: &str, word: &str) -> bool {
    let continues = |character: char| character.is_alphanumeric() || "._-/$}*".contains(character);
    line.match_indices(word).any(|(at, _)| !line[..at].chars().next_back().is_some_and(continues))
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = super::tree::root();
    let mut complaints = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root.join(&file.path).parent().unwrap().to_path_buf();
        for (number, line) in file.lines() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
                let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
                if !elsewhere && !folder.join(target).exists() {
                    complaints.push(format!("{}:{number}: {target} does not exist", file.path));
                }
            }
        }
    }
    report("broken links:", &complaints);
}

#[test]
fn production_code_ends_where_its_tests_begin() {
    for (text, expected) in [
        ("//! A\nfn a() {}\n", 2),
        ("//! A\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n", 2),
        ("//! A\n#[cfg(test)]\nuse x;\nfn a() {}\n", 4),
    ] {
        assert_eq!(production_length(text), expected, "{text}");
    }
}
