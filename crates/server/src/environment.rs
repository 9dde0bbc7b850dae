//! The environment: which `TERRACE_*` variables are there and which of them mean something.
//!
//! A variable that is not known is reported and not refused, unlike a key of the file: container platforms put
//! variables of their own under a service's name (`TERRACE_SERVICE_HOST`, `TERRACE_PORT`).

use clap::Args as _;

use crate::config::Flags;

const PREFIX: &str = "TERRACE_";

/// Variables with our prefix that no setting reads, sorted.
pub(crate) fn unknown() -> Vec<String> {
    unknown_of(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

fn unknown_of(names: impl Iterator<Item = String>) -> Vec<String> {
    let flags = Flags::augment_args(clap::Command::new("terrace"));
    let known: Vec<_> = flags.get_arguments().filter_map(clap::Arg::get_env).collect();
    let mut unknown: Vec<_> = names
        .filter(|name| name.starts_with(PREFIX) && !known.iter().any(|known| *known == name.as_str()))
        .collect();
    unknown.sort_unstable();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_variables_are_found() {
        let names = ["TERRACE_LISTEN", "TERRACE_LISTN", "HOME", "TERRACE_PORT", "TERRACE_PLAIN_HTTP"];
        assert_eq!(unknown_of(names.into_iter().map(str::to_owned)), ["TERRACE_LISTN", "TERRACE_PORT"]);
    }
}
