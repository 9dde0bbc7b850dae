//! The settings that have a flag and an environment variable. Owns how they are spelt and that they win over the file.
//!
//! Everything else (limits, buffers) is set in the file only: those are decided once, not per run.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::Args;

use super::{Config, LogFormat, TokenKey};
use crate::origin::Origin;

/// Settings from the command line or from `TERRACE_*`; what is absent leaves the file or the default in place.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Flags {
    /// TOML file with settings; unknown keys are errors
    #[arg(long, env = "TERRACE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Address of page and signalling (TCP) and of media (UDP, one more port per further worker)
    /// [default: 127.0.0.1:8443]
    ///
    /// Only this machine can connect to the default. For phones in your network use --lan; other addresses need keys for
    /// tokens, or --open.
    #[arg(long, env = "TERRACE_LISTEN", value_name = "IP:PORT", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,

    /// Addresses that clients send media to, separated by commas [default: the address listened on]
    ///
    /// Needed behind address translation, as on most clouds: give the public address.
    #[arg(long, env = "TERRACE_ANNOUNCE", value_name = "IP,..", value_delimiter = ',')]
    pub announce: Option<Vec<IpAddr>>,

    /// Worker threads; rooms are spread over them [default: one per core]
    #[arg(long, env = "TERRACE_WORKERS", value_name = "N")]
    pub workers: Option<NonZeroU16>,

    /// Listen on all interfaces and print a link with a QR code that lets a phone in, once
    #[arg(long, env = "TERRACE_LAN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub lan: Option<bool>,

    /// Let anybody join without a token, also from other machines
    #[arg(long, env = "TERRACE_OPEN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub open: Option<bool>,

    /// Key that signs join tokens; better in the environment or in the file than on a command line, which others see
    #[arg(long, env = "TERRACE_TOKEN_KEY", value_name = "ID:SECRET", hide_env_values = true)]
    pub token_key: Option<TokenKey>,

    /// Folder that keeps the self-signed certificate between runs [default: the user's data folder]
    #[arg(long, env = "TERRACE_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,

    /// Certificate chain in PEM, instead of a self-signed one
    #[arg(long, env = "TERRACE_CERT", value_name = "FILE")]
    pub cert: Option<PathBuf>,

    /// Private key of --cert in PEM
    #[arg(long, env = "TERRACE_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Further host names for the self-signed certificate, separated by commas
    #[arg(long, env = "TERRACE_CERT_NAME", value_name = "NAME,..", value_delimiter = ',')]
    pub cert_name: Option<Vec<String>>,

    /// Serve without TLS, for use behind a proxy that has it; browsers give such a page no camera, except on localhost
    #[arg(long, env = "TERRACE_PLAIN_HTTP", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub plain_http: Option<bool>,

    /// Pages of other hosts that may connect, separated by commas, as in `https://example.org`
    #[arg(long, env = "TERRACE_ALLOW_ORIGIN", value_name = "ORIGIN,..", value_delimiter = ',')]
    pub allow_origin: Option<Vec<Origin>>,

    /// What to log on standard error: error, warn, info, debug, or per crate as in warn,sfu=debug [default: info]
    ///
    /// Addresses and names of participants appear at debug and below only.
    #[arg(long, env = "TERRACE_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// Write every decision of the layer selector to this file as JSON lines, for `terrace sim replay`
    #[arg(long, env = "TERRACE_DECISION_LOG", value_name = "FILE")]
    pub decision_log: Option<PathBuf>,

    /// How a line of the log looks [default: text]
    #[arg(long, env = "TERRACE_LOG_FORMAT", value_name = "FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

/// An address to listen on; a lone port or host gets a message that shows the form.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an address and a port, as in 0.0.0.0:8443 or [::]:8443 (names are not resolved)".to_owned()
    })
}

impl Flags {
    /// Puts every setting that is present into `config`.
    pub(super) fn lay_over(&self, config: &mut Config) {
        fn set<T: Clone>(target: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                target.clone_from(value);
            }
        }
        fn set_option<T: Clone>(target: &mut Option<T>, value: &Option<T>) {
            if value.is_some() {
                target.clone_from(value);
            }
        }
        set(&mut config.listen, &self.listen);
        set(&mut config.announce, &self.announce);
        set_option(&mut config.workers, &self.workers);
        set_option(&mut config.data_dir, &self.data_dir);
        set_option(&mut config.tls.cert, &self.cert);
        set_option(&mut config.tls.key, &self.key);
        set(&mut config.tls.names, &self.cert_name);
        set(&mut config.tls.plain_http, &self.plain_http);
        set(&mut config.allow_origins, &self.allow_origin);
        set(&mut config.log, &self.log);
        set_option(&mut config.decision_log, &self.decision_log);
        set(&mut config.log_format, &self.log_format);
        set(&mut config.access.lan, &self.lan);
        set(&mut config.access.open, &self.open);
        if let Some(key) = &self.token_key {
            config.access.keys.retain(|other| other.id != key.id);
            config.access.keys.push(key.clone());
        }
    }
}
