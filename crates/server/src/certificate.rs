//! The certificate of the page: the operator's PEM files, or a self-signed one kept in the data folder between runs.
//!
//! Owns files, permissions and the decision when a self-signed certificate is made anew: when it is missing, cannot
//! be read, ends within a month, or lacks a name that is wanted. Keeping it matters: a browser remembers that its
//! user accepted this certificate, and a phone that was set up yesterday works today. Key and certificate live in
//! one file, so that they can never be of different runs. The TLS engine's configuration is `tls`'s.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Life of a self-signed certificate. Safari refuses to trust one that lives longer than 825 days, by hand or not.
const LIFE: Duration = Duration::days(397);
/// A self-signed certificate with less than this left is replaced at start.
const RENEWED_BEFORE: Duration = Duration::days(30);
/// One day into the past, for clients whose clock is behind.
const CLOCK_SKEW: Duration = Duration::days(1);
/// The file below the data folder.
const FILE_NAME: &str = "self-signed.pem";

/// A certificate chain with its key, ready for the TLS engine.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The leaf first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// What people compare with what their browser shows.
    pub(crate) fingerprint: Fingerprint,
    /// Where it came from.
    pub(crate) source: Source,
}

/// Where a certificate came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Made in this run and written to this file.
    New(PathBuf),
    /// Self-signed in an earlier run and read from this file.
    Kept(PathBuf),
    /// The operator's.
    Files(PathBuf),
    /// Made in this run and written nowhere.
    Ephemeral,
}

/// SHA-256 over the DER form of the leaf certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER form.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// The digest itself.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    /// Upper-case pairs with colons, the form in which browsers show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// Why there is no certificate to serve with. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A PEM file of the operator cannot be used.
    #[error("cannot use {path} as {role}: {reason}. Give --cert a chain and --key a private key in PEM form")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it was named for.
        role: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The data folder cannot be written.
    #[error(
        "cannot keep the certificate in {path}: {source}. Name a folder you can write to with --data-dir, or give \
         a certificate with --cert and --key"
    )]
    DataFolder {
        /// The folder or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name cannot stand in a certificate.
    #[error("cannot make a certificate for {names:?}: {source}. Check --cert-name")]
    Names {
        /// All names asked for.
        names: Vec<String>,
        /// What the library said.
        source: rcgen::Error,
    },
}

/// Reads the operator's certificate chain and key.
pub(crate) fn from_files(cert: &Path, key: &Path) -> Result<Certificate, CertificateError> {
    let unusable = |path: &Path, role, reason: String| CertificateError::Unusable {
        path: path.to_owned(),
        role,
        reason,
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(cert, "certificate", error.to_string()))?;
    let leaf = chain.first().ok_or_else(|| unusable(cert, "certificate", "it holds none".to_owned()))?;
    let fingerprint = Fingerprint::of(leaf);
    let key_der =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "private key", error.to_string()))?;
    Ok(Certificate { chain, key: key_der, fingerprint, source: Source::Files(cert.to_owned()) })
}

/// The kept self-signed certificate when it still serves these names at `now`, else a new one, which is then kept.
pub(crate) fn self_signed(
    folder: &Path,
    names: &[String],
    now: OffsetDateTime,
) -> Result<Certificate, CertificateError> {
    let file = folder.join(FILE_NAME);
    let kept = std::fs::read(&file).ok().and_then(|pem| from_pem(&pem, Source::Kept(file.clone())));
    if let Some(kept) = kept.filter(|kept| serves(&kept.chain[0], names, now)) {
        return Ok(kept);
    }
    let pem =
        generate(names, now).map_err(|source| CertificateError::Names { names: names.to_vec(), source })?;
    write_private(folder, &file, pem.as_bytes())
        .map_err(|source| CertificateError::DataFolder { path: folder.to_owned(), source })?;
    Ok(from_pem(pem.as_bytes(), Source::New(file)).expect("what was just generated can be read"))
}

/// A certificate for this run only.
pub(crate) fn ephemeral(names: &[String], now: OffsetDateTime) -> Result<Certificate, CertificateError> {
    let pem =
        generate(names, now).map_err(|source| CertificateError::Names { names: names.to_vec(), source })?;
    Ok(from_pem(pem.as_bytes(), Source::Ephemeral).expect("what was just generated can be read"))
}

/// Key and chain out of one PEM text, or `None` when either is missing.
fn from_pem(pem: &[u8], source: Source) -> Option<Certificate> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let fingerprint = Fingerprint::of(chain.first()?);
    Some(Certificate { chain, key, fingerprint, source })
}

/// Does this certificate last and hold every wanted name? More names than wanted do no harm.
fn serves(certificate: &CertificateDer<'_>, names: &[String], now: OffsetDateTime) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    let lasts = parsed.validity().not_after.to_datetime() - now > RENEWED_BEFORE;
    let held = parsed.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
    let holds = |wanted: &String| held.is_some_and(|held| held.iter().any(|name| same_name(name, wanted)));
    lasts && names.iter().all(holds)
}

/// Is this subject alternative name (RFC 5280 §4.2.1.6) the wanted host name or address?
fn same_name(name: &GeneralName<'_>, wanted: &str) -> bool {
    match name {
        GeneralName::DNSName(dns) => dns.eq_ignore_ascii_case(wanted),
        GeneralName::IPAddress(octets) => match wanted.parse() {
            Ok(std::net::IpAddr::V4(ip)) => *octets == ip.octets(),
            Ok(std::net::IpAddr::V6(ip)) => *octets == ip.octets(),
            Err(_) => false,
        },
        _ => false,
    }
}

/// A key and a certificate for these names, as one PEM text.
fn generate(names: &[String], now: OffsetDateTime) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Terrace self-signed");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + LIFE;
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Writes a file that only this user can read, whole or not at all.
fn write_private(folder: &Path, file: &Path, contents: &[u8]) -> io::Result<()> {
    create_private_folder(folder)?;
    // Beside the target, as a rename is atomic only within a file system; by process, so that two starts do not mix.
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = private_file(&draft)
        .and_then(|mut out| io::Write::write_all(&mut out, contents).and_then(|()| out.sync_all()))
        .and_then(|()| std::fs::rename(&draft, file));
    if written.is_err() {
        // The first error is the one worth reporting.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

#[cfg(unix)]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn private_file(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-03-01 12:00 UTC);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_kept_while_it_serves() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = names(&["localhost", "127.0.0.1", "::1"]);
        let first = self_signed(folder.path(), &wanted, NOW).unwrap();
        assert!(matches!(first.source, Source::New(_)));
        for (wanted, now, kept, why) in [
            (&["localhost", "127.0.0.1", "::1"][..], NOW, true, "nothing changed"),
            (&["LOCALHOST"][..], NOW + Duration::days(366), true, "31 days left, and fewer names wanted"),
            (&["localhost"][..], NOW + Duration::days(368), false, "29 days left"),
            (&["localhost", "192.0.2.1"][..], NOW, false, "an address was added"),
            (&["localhost", "example.org"][..], NOW, false, "a name was added"),
        ] {
            let der = &first.chain[0];
            assert_eq!(serves(der, &names(wanted), now), kept, "{why}");
        }
        let second = self_signed(folder.path(), &wanted, NOW).unwrap();
        assert_eq!(second.fingerprint, first.fingerprint);
        assert!(matches!(second.source, Source::Kept(_)));
        let third = self_signed(folder.path(), &names(&["example.org"]), NOW).unwrap();
        assert_ne!(third.fingerprint, first.fingerprint);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for damage in
            [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &[0xff; 64]]
        {
            std::fs::write(folder.path().join(FILE_NAME), damage).unwrap();
            let made = self_signed(folder.path(), &names(&["localhost"]), NOW).unwrap();
            assert!(matches!(made.source, Source::New(_)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        self_signed(&folder, &names(&["localhost"]), NOW).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE_NAME))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = self_signed(&file.join("below"), &names(&["localhost"]), NOW).unwrap_err();
        assert!(matches!(error, CertificateError::DataFolder { .. }));
        assert!(error.to_string().contains("--data-dir"), "{error}");
    }

    #[test]
    fn files_of_the_operator_are_named_when_they_are_no_use() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let pem = generate(&names(&["localhost"]), NOW).unwrap();
        let (good, empty) = (file("good.pem", &pem), file("empty.pem", ""));
        let missing = folder.path().join("missing.pem");
        assert!(matches!(from_files(&good, &good).unwrap().source, Source::Files(path) if path == good));
        for (cert, key, named, why) in [
            (&missing, &good, "missing.pem as certificate", "no such certificate"),
            (&empty, &good, "empty.pem as certificate", "no certificate inside"),
            (&good, &missing, "missing.pem as private key", "no such key"),
            (&good, &empty, "empty.pem as private key", "no key inside"),
        ] {
            let error = from_files(cert, key).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("PEM"), "{why}: {error}");
        }
    }

    #[test]
    fn fingerprints_read_as_in_a_browser() {
        let text = Fingerprint::of(b"abc").to_string();
        assert!(text.starts_with("BA:78:16:BF:8F:01:CF:EA"), "{text}");
        assert_eq!(text.len(), 32 * 3 - 1);
    }
}
