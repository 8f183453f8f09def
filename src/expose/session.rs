//! Who signed in with a browser, and that a form was sent from one of our pages.
//!
//! A token is entered once; from there on a cookie says whose browser it is:
//!
//! ```text
//! cookie   EXPIRY.ID.MAC      ID = HMAC(token, "id"), MAC = HMAC(token, "session", EXPIRY)
//! form     csrf=HMAC(token, "form", EXPIRY)
//! ```
//!
//! Nothing is kept, so each instance with the same tokens takes the cookie of each other one, also
//! after a restart, and a token that is taken out of the file ends its sessions. The cookie is
//! `HttpOnly` and `SameSite=Strict`: no script sees it and no other site sends it. Besides, a form
//! must carry what only a page of this session can know, and come from this very origin.

use std::fmt::Write;

use axum::extract::Request;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq;

use crate::config::{Token, Tokens};
use crate::time::{Length, Timestamp};

/// How long a browser stays signed in.
const SESSION_MAX: Length = Length::HOUR.times(12);

/// The name of the cookie; over TLS with a prefix by which browsers hold it to this host.
const COOKIE_NAME: &str = "driftd_session";
const COOKIE_NAME_TLS: &str = "__Host-driftd_session";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A browser that is signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// By whose token.
    pub(super) token: Token,
    expiry: String,
}

impl Session {
    /// A session that begins now.
    pub(super) fn open(token: Token, now: Timestamp) -> Self {
        let expiry = (now + SESSION_MAX).as_millis().to_string();
        Self { token, expiry }
    }

    /// The session that a request's cookie tells of, if it is one of ours and not over.
    pub(super) fn of(headers: &HeaderMap, tokens: &Tokens, now: Timestamp) -> Option<Self> {
        let fields = headers.get_all(COOKIE).iter();
        let mut cookies = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        cookies.find_map(|(name, value)| {
            let named = name == COOKIE_NAME || name == COOKIE_NAME_TLS;
            named.then(|| Self::read(value, tokens, now)).flatten()
        })
    }

    fn read(value: &str, tokens: &Tokens, now: Timestamp) -> Option<Self> {
        let mut parts = value.splitn(3, '.');
        let (expiry, id, mac) = (parts.next()?, parts.next()?, parts.next()?);
        if Timestamp::checked_from_millis(expiry.parse().ok()?)? <= now {
            return None;
        }
        let token = tokens.iter().find(|token| same(&id_of(token), id))?;
        let session = Self {
            token: token.clone(),
            expiry: expiry.to_owned(),
        };
        same(&session.mac(), mac).then_some(session)
    }

    /// The `Set-Cookie` of this session.
    pub(super) fn cookie(&self, tls: bool) -> String {
        let value = format!("{}.{}.{}", self.expiry, id_of(&self.token), self.mac());
        let seconds = SESSION_MAX.as_millis() / 1000;
        set_cookie(&value, seconds, tls)
    }

    /// What forms of this session carry.
    pub(super) fn form_token(&self) -> String {
        hex(&self.token.sign(&["form", &self.expiry]))
    }

    /// Whether a form is of this session.
    pub(super) fn sent(&self, form_token: &str) -> bool {
        same(&self.form_token(), form_token)
    }

    fn mac(&self) -> String {
        hex(&self.token.sign(&["session", &self.expiry]))
    }
}

/// The `Set-Cookie` that ends a session.
pub(super) fn no_cookie(tls: bool) -> String {
    set_cookie("", 0, tls)
}

fn set_cookie(value: &str, seconds: i64, tls: bool) -> String {
    let (name, secure) = if tls {
        (COOKIE_NAME_TLS, "; Secure")
    } else {
        (COOKIE_NAME, "")
    };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Stands in the extensions of a request that came over TLS of our own.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverTls;

/// Whether a browser that sent this speaks TLS, to us or to a proxy before us. Whoever writes the
/// field of proxies by hand only makes their own cookie stricter.
pub(super) fn is_tls(request: &Request) -> bool {
    let proto = request.headers().get(FORWARDED_PROTO);
    request.extensions().get::<OverTls>().is_some()
        || proto.is_some_and(|proto| proto.as_bytes() == b"https")
}

/// Whether a form comes from a page of this origin. Browsers say so in a field that no page can
/// write; those that do not, name the origin, whose host must be the one they ask.
pub(super) fn is_own_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    if let Some(site) = text(FETCH_SITE) {
        return site == "same-origin";
    }
    let host = |origin: &str| {
        let (_scheme, host) = origin.split_once("://")?;
        Some(host.to_ascii_lowercase())
    };
    let asked = text(HOST).map(str::to_ascii_lowercase);
    asked.is_some() && text(ORIGIN).and_then(host) == asked
}

/// What names a token without telling anything of it.
fn id_of(token: &Token) -> String {
    hex(token.sign(&["id"]).get(..8).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _a_text_takes_all = write!(hex, "{byte:02x}");
        hex
    })
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const ANN: &str = "operate ann fedcba9876543210";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn tokens(lines: &str) -> Tokens {
        Tokens::parse(lines).unwrap()
    }

    fn value(cookie: &str) -> String {
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_is_of_one_token_and_ends() {
        let (now, both) = (
            Timestamp::EPOCH,
            tokens(&format!("{ANN}\nread b 0123456789abcdef")),
        );
        let session = Session::open(both.iter().next().unwrap().clone(), now);
        for tls in [false, true] {
            let cookie = session.cookie(tls);
            assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
            assert_eq!(cookie.ends_with("; Secure"), tls);
            let sent = headers(&[("cookie", &format!("a=b; {}; c=d", value(&cookie)))]);
            let found = Session::of(&sent, &both, now + Length::HOUR).unwrap();
            assert_eq!(found.token, session.token);
            assert!(found.sent(&session.form_token()));
            assert!(!found.sent("") && !found.sent(&session.mac()));
            assert!(Session::of(&sent, &both, now + SESSION_MAX).is_none());
            let others = tokens("operate ann another-one-of-hers");
            assert!(Session::of(&sent, &others, now).is_none());
        }
    }

    #[test]
    fn a_cookie_that_was_changed_is_none() {
        let (now, tokens) = (Timestamp::EPOCH, tokens(ANN));
        let session = Session::open(tokens.iter().next().unwrap().clone(), now);
        let good = value(&session.cookie(false));
        let later = good.replacen("=4", "=5", 1);
        assert_ne!(good, later);
        let (no_mac, _) = good.rsplit_once('.').unwrap();
        for bad in [
            later.as_str(),
            no_mac,
            "driftd_session=",
            "driftd_session=1.2.3",
        ] {
            assert!(
                Session::of(&headers(&[("cookie", bad)]), &tokens, now).is_none(),
                "{bad}"
            );
        }
        assert!(Session::of(&headers(&[("cookie", &good)]), &tokens, now).is_some());
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        for (fields, own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (
                &[
                    ("sec-fetch-site", "same-site"),
                    ("host", "a"),
                    ("origin", "http://a"),
                ],
                false,
            ),
            (&[("sec-fetch-site", "none")], false),
            (&[("host", "a:1"), ("origin", "http://A:1")], true),
            (&[("host", "a:1"), ("origin", "http://a:2")], false),
            (&[("host", "a"), ("origin", "null")], false),
            (&[("host", "a")], false),
            (&[("origin", "http://a")], false),
            (&[], false),
        ] {
            assert_eq!(is_own_origin(&headers(fields)), own, "{fields:?}");
        }
    }
}
