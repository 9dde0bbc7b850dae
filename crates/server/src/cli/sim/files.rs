//! Files that commands write, and how they fail.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::cli::Failure;

/// A file to be written later.
pub(super) type Opened<'a> = Option<(File, &'a Path)>;

/// Creates a file, if one is wanted.
pub(super) fn create(path: Option<&Path>) -> Result<Opened<'_>, Failure> {
    path.map(|path| Ok((File::create(path).map_err(|error| failed(path, &error))?, path))).transpose()
}

/// Writes what `text` says, if a file is wanted.
pub(super) fn write_to(file: Opened<'_>, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let Some((mut file, path)) = file else { return Ok(()) };
    file.write_all(text().as_bytes()).map_err(|error| failed(path, &error))
}

/// Arguments that mean nothing.
pub(super) fn wrong(message: String) -> Failure {
    Failure { code: 2, message }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure { code: 1, message: format!("{}: {error}", path.display()) }
}
