//! Where files are kept when the operator names no folder.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder below the user's data.
const NAME: &str = "terrace";
/// Where there is no user: beside whatever the process was started in.
const FALLBACK: &str = "terrace-data";

/// The service manager's folder, else the user's data folder, else one below the current folder.
pub(crate) fn default() -> PathBuf {
    choose(|name| std::env::var_os(name))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    // A variable that is relative or empty is to be ignored (XDG Base Directory Specification).
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd sets the first for units with `StateDirectory=`.
    folder("STATE_DIRECTORY")
        .or_else(|| Some(folder("XDG_DATA_HOME")?.join(NAME)))
        .or_else(|| Some(folder("HOME")?.join(".local/share").join(NAME)))
        .or_else(|| Some(folder("LOCALAPPDATA")?.join(NAME)))
        .unwrap_or_else(|| FALLBACK.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_folder_is_chosen() {
        for (variables, expected) in [
            (&[("STATE_DIRECTORY", "/var/lib/terrace"), ("HOME", "/h")][..], "/var/lib/terrace"),
            (&[("XDG_DATA_HOME", "/d"), ("HOME", "/h")], "/d/terrace"),
            (&[("XDG_DATA_HOME", ""), ("HOME", "/h")], "/h/.local/share/terrace"),
            (&[("HOME", "relative")], "terrace-data"),
            (&[], "terrace-data"),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(choose(variable), PathBuf::from(expected), "{variables:?}");
        }
    }
}
