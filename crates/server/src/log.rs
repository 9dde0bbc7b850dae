//! Logs on standard error. Owns the filter; what is logged is decided where it happens.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::error::StartError;

/// Dependencies that report ordinary events as if an operator had to know them. Named ones can be raised again.
const QUIET: &str = "rtc_dtls=error,rtc_sdp=warn,rtc_stun=warn,rtc_srtp=warn,rtc_interceptor=warn,rustls=warn,hyper=warn,h2=warn,tungstenite=warn";

/// Starts logging with the operator's filter. Called once, before anything else starts.
///
/// # Errors
/// [`StartError::LogFilter`] when the filter is not understood.
pub(crate) fn start(filter: &str) -> Result<(), StartError> {
    let filter = parse(filter)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(coloured(std::io::stderr().is_terminal()))
        .init();
    Ok(())
}

/// The operator's filter over our own for noisy dependencies.
fn parse(filter: &str) -> Result<EnvFilter, StartError> {
    EnvFilter::builder()
        .parse(format!("{QUIET},{filter}"))
        .map_err(|error| StartError::LogFilter(format!("\"{filter}\": {error}")))
}

/// Colours are for terminals whose user did not decline them (no-color.org).
fn coloured(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_or_lists() {
        for (filter, understood) in [
            ("info", true),
            ("warn,sfu=debug", true),
            ("rtc_dtls=trace", true),
            ("info,sfu=loud", false),
            ("=", false),
        ] {
            assert_eq!(parse(filter).is_ok(), understood, "{filter}");
        }
        assert!(!coloured(false));
    }
}
