//! Folders of recorded links: `--traces`. Owns reading them; what a recording means is `simulator`'s.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use simulator::links::{Case, trace};

use super::files::wrong;
use crate::cli::Failure;

/// The file of a folder of recordings that says which of them are cases, and how.
const LIST: &str = "suite.csv";

/// The cases of a folder of recordings.
pub(super) fn recordings(dir: &Path) -> Result<Vec<Case>, Failure> {
    let mut files = BTreeMap::new();
    let list = dir.join(LIST);
    if list.is_file() {
        let text = read(&list)?;
        let rows = trace::parse_suite(&text).map_err(|error| unusable(&list, &error))?;
        for row in rows {
            let text = read(&dir.join(&row.file))?;
            files.insert(row.file, text);
        }
        files.insert(LIST.to_owned(), text);
    } else {
        collect(dir, "", &mut files)?;
    }
    let cases = trace::folder(&files).map_err(|(file, error)| unusable(&dir.join(file), &error))?;
    if cases.is_empty() {
        return Err(unusable(dir, &"no recorded links here"));
    }
    Ok(cases)
}

/// Reads what may be a recording, below `dir`. Links to folders are not followed: they may lead in circles.
fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).map_err(|error| unusable(dir, &error))? {
        let entry = entry.map_err(|error| unusable(dir, &error))?;
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, &format!("{name}/"), files)?;
        } else if [".up", ".down", ".csv"].iter().any(|ending| name.ends_with(ending)) && path.is_file() {
            files.insert(name, read(&path)?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    wrong(format!("--traces: {}: {why}", path.display()))
}
