//! The operator's certificate, read again when its files change, so that a renewal needs no restart.
//!
//! Owns when to look and what to do about files that cannot be used: nothing, said once, until they change again. Looks by
//! the time of the last change instead of asking the system to be told: that works on every file system, and with links
//! that are switched over.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::certificate;
use crate::stop::Stop;
use crate::tls::Served;

/// Looks at the files until the server stops.
pub(crate) async fn run(served: Arc<Served>, cert: PathBuf, key: PathBuf, every: Duration, mut stop: Stop) {
    let mut seen = changed(&cert, &key);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.raised() => return,
        }
        let now = changed(&cert, &key);
        if now != seen {
            seen = now;
            match renew(&served, &cert, &key) {
                Ok(fingerprint) => tracing::info!(%fingerprint, "serving with the new certificate"),
                Err(error) => tracing::warn!("{error}. The former certificate stays"),
            }
        }
    }
}

/// When the files were changed last; `None` for one that is not there.
fn changed(cert: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [cert, key].map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
}

fn renew(served: &Served, cert: &Path, key: &Path) -> Result<certificate::Fingerprint, String> {
    let certificate = certificate::from_files(cert, key).map_err(|error| error.to_string())?;
    let fingerprint = certificate.fingerprint;
    // Between the change of one file and that of the other they do not belong together: the next look finds both.
    served.replace(certificate).map_err(|error| format!("{} and its key: {error}", cert.display()))?;
    Ok(fingerprint)
}
