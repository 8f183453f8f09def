//! The certificate of `http.tls`: two PEM files that belong together, looked at again while driftd
//! runs, for certificates are renewed on disk.
//!
//! Of what the files hold nothing is shown but what is wrong with them; a key never.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::Error;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::config::load::read;

/// The most certificates of a chain; a file with more is a problem.
const CHAIN_MAX: usize = 16;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// PEM: the key of the certificate.
    pub key: PathBuf,
}

/// What is wrong with the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// With that of the certificate.
    #[error("`{}` {what}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// With that of the key, or the key is of another certificate.
    #[error("`{}` {what}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Certificate {
    /// What TLS signs with.
    pub signed: Arc<CertifiedKey>,
    /// The SHA-256 of both files: another one is another certificate.
    pub digest: [u8; 32],
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.signed.cert.len();
        f.debug_struct("Certificate")
            .field("chain", &chain)
            .finish_non_exhaustive()
    }
}

impl CertificateFiles {
    /// Reads both files. An error says which one is to be mended; a pair of which only one file was
    /// renewed yet is one, too.
    pub fn load(&self) -> Result<Certificate, CertificateError> {
        let (path, of_key) = (self.certificate.clone(), self.key.clone());
        let wrong_certificate = |what| CertificateError::Certificate { path, what };
        let wrong_key = |what| CertificateError::Key { path: of_key, what };
        let (chain, chain_text) = match chain(&self.certificate) {
            Ok(chain) => chain,
            Err(what) => return Err(wrong_certificate(what)),
        };
        let (key, key_text) = match key(&self.key) {
            Ok(key) => key,
            Err(what) => return Err(wrong_key(what)),
        };
        let signed = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let signed = signed.map_err(|error| match error {
            Error::InconsistentKeys(_) => wrong_key(format!(
                "is not the key of the certificate in `{}`",
                self.certificate.display()
            )),
            Error::InvalidCertificate(_) => {
                wrong_certificate(format!("has a certificate that cannot be used: {error}"))
            }
            error => wrong_key(format!("has a key that cannot be used: {error}")),
        })?;
        let mut digest = Sha256::new();
        // with the length, or the end of one could be the beginning of the other
        digest.update(chain_text.len().to_le_bytes());
        digest.update(chain_text);
        digest.update(key_text);
        Ok(Certificate {
            signed: Arc::new(signed),
            digest: digest.finalize().into(),
        })
    }
}

fn chain(path: &Path) -> Result<(Vec<CertificateDer<'static>>, String), String> {
    let text = read(path)?;
    let chain: Result<Vec<_>, pem::Error> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match chain {
        Err(error) => Err(format!("is not PEM: {error}")),
        Ok(chain) if chain.is_empty() => Err("has no certificate in PEM".to_owned()),
        Ok(chain) if chain.len() > CHAIN_MAX => {
            Err(format!("has more than {CHAIN_MAX} certificates"))
        }
        Ok(chain) => Ok((chain, text)),
    }
}

fn key(path: &Path) -> Result<(PrivateKeyDer<'static>, String), String> {
    let text = read(path)?;
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Err(pem::Error::NoItemsFound) => {
            Err("has no key in PEM; one with a passphrase cannot be used".to_owned())
        }
        // its text may repeat what is in the file
        Err(_of_a_secret) => Err("is not PEM".to_owned()),
        Ok(key) => Ok((key, text)),
    }
}
