//! Logs on standard error. Owns the filter; what is logged is decided where it happens.

use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::error::StartError;

/// Dependencies that report ordinary events as if an operator had to know them. Named ones can be raised again.
const QUIET: &str = "rtc_dtls=error,rtc_sctp=off,rtc_sdp=warn,rtc_stun=warn,rtc_srtp=warn,rtc_interceptor=warn,rustls=warn,hyper=warn,h2=warn,tungstenite=warn";

/// The filter in effect and the means to change it. There is one set of logs per process.
static LOGS: OnceLock<Logs> = OnceLock::new();

struct Logs {
    handle: reload::Handle<EnvFilter, Registry>,
    filter: Mutex<String>,
}

/// How a line of the log looks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// Starts logging with the operator's filter. Called once, before anything else starts.
///
/// # Errors
/// [`StartError::LogFilter`] when the filter is not understood.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), StartError> {
    let (filtered, handle) = reload::Layer::new(parse(filter)?);
    let lines = match format {
        LogFormat::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(coloured(std::io::stderr().is_terminal()))
            .boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(filtered).with(lines).init();
    // Only the first caller gets here: `init` panics for a second one.
    let _ = LOGS.set(Logs { handle, filter: Mutex::new(filter.to_owned()) });
    Ok(())
}

/// The filter in effect; empty where the process that the server runs in has logs of its own.
pub(crate) fn filter() -> String {
    let filter = LOGS.get().map(|logs| logs.filter.lock().unwrap_or_else(PoisonError::into_inner).clone());
    filter.unwrap_or_default()
}

/// Logs by another filter from here on.
///
/// # Errors
/// [`StartError::LogFilter`] when the filter is not understood, or the logs are not ours.
pub(crate) fn change(filter: &str) -> Result<(), StartError> {
    let parsed = parse(filter)?;
    let foreign = || StartError::LogFilter("this process writes its logs by itself".to_owned());
    let logs = LOGS.get().ok_or_else(foreign)?;
    logs.handle.reload(parsed).map_err(|_| foreign())?;
    filter.clone_into(&mut logs.filter.lock().unwrap_or_else(PoisonError::into_inner));
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
