//! The tree as tidy sees it: every text file of the checkout, without what is built or fetched.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file, with its path relative to the checkout and `/` between folders.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// Lines with their number, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Folders that hold no sources of ours.
const SKIPPED: [&str; 4] = [".git", "target", "node_modules", "terrace-data"];

/// The checkout's folder.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every file that is text, in the order of the paths.
pub(super) fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let kind = entry.file_type().unwrap();
            // In a linked worktree `.git` is a file.
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                // Pictures and fuzz corpora are not text; everything else of ours is UTF-8.
                if let Ok(text) = fs::read_to_string(&path) {
                    files.push(File { path: relative, text });
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "the walk starts at the workspace");
    files
}

/// Fails with every complaint at once: one run shows all there is to mend.
#[track_caller]
pub(super) fn report(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}\n  {}", complaints.join("\n  "));
}
