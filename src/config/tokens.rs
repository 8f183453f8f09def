//! The tokens of `http.tokens_file`: who may read, and who may also give commands.
//!
//! ```text
//! # ROLE  NAME     TOKEN
//! read    grafana  4fJd0yZ0rTqv6mXb1w
//! operate ann      vN7sKk2h9QeYx3LpUa     commands have the name of their token as their actor
//! ```
//!
//! Of a token only its SHA-256 is kept, so nothing can print one, and comparing two of them takes
//! the same time wherever they differ. What is signed in somebody's name is signed with that.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::key::Name;

/// The most tokens; a file with more is a problem.
const TOKENS_MAX: usize = 1_000;

/// The shortest token in bytes: shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// The longest token in bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRole {
    /// Reading.
    Read,
    /// Reading, and giving commands.
    Operate,
}

/// One token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is good for.
    pub role: TokenRole,
    /// Whose it is.
    pub name: Name,
    digest: [u8; 32],
}

/// Not even the digest is shown: that of a weak token would be enough to find it.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("role", &self.role)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// The HMAC-SHA256 of texts under this token: what only its holder and driftd can make.
    pub fn sign(&self, texts: &[&str]) -> [u8; 32] {
        let mut mac = keyed(&self.digest);
        for text in texts {
            // with their lengths, or the end of one could be the beginning of the next
            mac.update(&text.len().to_le_bytes());
            mac.update(text.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

/// All tokens; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads a file of tokens; or all that is wrong with it, line by line, without what is there.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut tokens, mut wrong) = (Vec::<Token>::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match token(line) {
                Err(what) => wrong.push(format!("line {number} {what}")),
                Ok(token) if tokens.iter().any(|other| other.digest == token.digest) => {
                    wrong.push(format!("line {number} has the token of an earlier line"));
                }
                Ok(token) => tokens.push(token),
            }
        }
        if wrong.is_empty() && tokens.is_empty() {
            wrong.push("has no tokens, so nobody could read anything".to_owned());
        }
        if tokens.len() > TOKENS_MAX {
            wrong.push(format!("has more than {TOKENS_MAX} tokens"));
        }
        if wrong.is_empty() {
            Ok(Self(tokens))
        } else {
            Err(wrong)
        }
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }

    /// The token that somebody presents. All are compared, whichever it is.
    pub fn find(&self, presented: &str) -> Option<&Token> {
        let digest = digest(presented);
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.digest.ct_eq(&digest)) {
                found = Some(token);
            }
        }
        found
    }
}

fn token(line: &str) -> Result<Token, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [role, name, token] = fields.as_slice() else {
        return Err("is not `ROLE NAME TOKEN`".to_owned());
    };
    let role = match *role {
        "read" => TokenRole::Read,
        "operate" => TokenRole::Operate,
        // it may be a token in the wrong place
        _ => return Err("has a role that is not `read` or `operate`".to_owned()),
    };
    let name = Name::new(name).map_err(|error| format!("has an unusable name: {error}"))?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a token that is not ASCII".to_owned());
    }
    if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
        return Err(format!(
            "has a token that is not of {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} characters"
        ));
    }
    let digest = digest(token);
    Ok(Token { role, name, digest })
}

#[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length will do")
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
        # who reads\n\
        read grafana 0123456789abcdef\n\
        \n\
        \toperate  ann \t fedcba9876543210  \r\n\
        operate ann another-one-of-hers\n";

    #[test]
    fn tokens_are_found_by_what_they_are() {
        let tokens = Tokens::parse(FILE).unwrap();
        let found = |presented: &str| {
            let token = tokens.find(presented)?;
            Some((token.role, token.name.to_string()))
        };
        let (read, operate) = (TokenRole::Read, TokenRole::Operate);
        let of = |role, name: &str| Some((role, name.to_owned()));
        assert_eq!(found("0123456789abcdef"), of(read, "grafana"));
        assert_eq!(found("fedcba9876543210"), of(operate, "ann"));
        assert_eq!(found("another-one-of-hers"), of(operate, "ann"));
        for other in ["", "0123456789abcde", "0123456789abcdefg", "grafana"] {
            assert_eq!(found(other), None, "{other}");
        }
        let shown = format!("{tokens:?}");
        assert!(
            shown.contains("grafana") && !shown.contains("abcdef"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_signed_depends_on_the_token_and_on_each_text() {
        let tokens = Tokens::parse(FILE).unwrap();
        let (one, other) = (tokens.iter().next().unwrap(), tokens.iter().nth(1).unwrap());
        let signed = one.sign(&["ab", "c"]);
        assert_eq!(signed, one.sign(&["ab", "c"]));
        for texts in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["ab"]] {
            assert_ne!(signed, one.sign(texts), "{texts:?}");
        }
        assert_ne!(signed, other.sign(&["ab", "c"]));
    }

    #[test]
    fn what_is_wrong_is_said_by_line_and_without_the_token() {
        let same = "read a 0123456789abcdef\noperate b 0123456789abcdef\n";
        let long = format!("read a {}\n", "x".repeat(513));
        for (text, expected) in [
            ("", "has no tokens, so nobody could read anything"),
            (
                "# read a 0123456789abcdef",
                "has no tokens, so nobody could read anything",
            ),
            ("\n0123456789abcdef\n", "line 2 is not `ROLE NAME TOKEN`"),
            (
                "read a b 0123456789abcdef",
                "line 1 is not `ROLE NAME TOKEN`",
            ),
            (
                "0123456789abcdef a read",
                "line 1 has a role that is not `read` or `operate`",
            ),
            ("read .. 0123456789abcdef", "line 1 has an unusable name"),
            (
                "read a 0123456789abcde",
                "line 1 has a token that is not of 16 to 512 characters",
            ),
            (
                &long,
                "line 1 has a token that is not of 16 to 512 characters",
            ),
            (
                "read a 0123456789abcd\u{e9}",
                "line 1 has a token that is not ASCII",
            ),
            (same, "line 2 has the token of an earlier line"),
        ] {
            let wrong = Tokens::parse(text).unwrap_err();
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert!(wrong[0].starts_with(expected), "{wrong:?}");
            assert!(!wrong[0].contains("0123456789"), "{wrong:?}");
        }
        assert_eq!(Tokens::parse("x\nread a short\n").unwrap_err().len(), 2);
    }
}
