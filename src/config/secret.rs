//! What webhooks sign with: the scheme of Standard Webhooks, so that receivers have libraries that
//! check it.
//!
//! ```text
//! webhook-id: 17-3f2a90c1d4e5b607
//! webhook-timestamp: 1795514700
//! webhook-signature: v1,<base64 of HMAC-SHA256(secret, "ID.TIMESTAMP.BODY")>
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The shortest secret in bytes: shorter ones can be guessed.
const SECRET_BYTES_MIN: usize = 24;

/// The longest secret in bytes.
const SECRET_BYTES_MAX: usize = 64;

/// A secret that a webhook and its receiver share.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// It is shown nowhere.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A text that is no secret; it is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not `{PREFIX}` and the base64 of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes; \
     make one by: echo {PREFIX}$(openssl rand -base64 32)"
)]
pub struct SecretError;

impl Secret {
    /// The secret of its text.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| STANDARD.decode(text).ok())
            .filter(|bytes| (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()));
        bytes.map(Self).ok_or(SecretError)
    }

    /// The value of `webhook-signature`; `timestamp` is in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = keyed(&self.0);
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length will do")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_scheme() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_told_without_it() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let bare = STANDARD.encode([7; 32]);
        for text in ["", "whsec_", "whsec_????", &short, &long, &bare] {
            let error = Secret::new(text).unwrap_err().to_string();
            assert!(text.len() < 8 || !error.contains(text), "{error}");
        }
        let secret = Secret::new(&format!("whsec_{bare}")).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }
}
