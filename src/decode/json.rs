//! JSON text (RFC 8259), read from left to right and checked on the way.
//!
//! A [`Json`] is a cursor: each method takes one thing from the front of what is left, or finds
//! that it is not there. Nothing is built: strings stay slices of the text until somebody wants
//! them without their escapes, and what nobody wants is skipped by [`Json::skip`], which checks
//! syntax, escapes and depth as strictly as the rest but takes no memory and does not recurse.
//!
//! The text is valid UTF-8 before the cursor sees it, so a multi-byte character can only stand
//! where a string allows any character, and is passed over byte by byte.

use crate::decode::number;

/// The deepest nesting that [`Json::skip`] can follow: it keeps one bit per open container.
pub(super) const DEPTH_CEILING: usize = 128;

/// The text is not JSON, is nested too deeply, or names a key twice where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The content of a string between its quotes, as spelled in the text. Its escapes are valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelled<'a> {
    /// The content.
    pub(super) text: &'a str,
    /// Whether there are escapes in it.
    pub(super) escaped: bool,
}

/// A number as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    /// Its text.
    pub(super) text: &'a str,
    /// Whether it has neither a fraction nor an exponent.
    pub(super) whole: bool,
}

/// A cursor over a JSON text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a> {
    text: &'a str,
    rest: &'a [u8],
    depth: usize,
    depth_max: usize,
}

impl<'a> Json<'a> {
    /// At the beginning of `text`, in which containers may be nested `depth_max` deep.
    pub(super) fn new(text: &'a str, depth_max: usize) -> Self {
        let depth_max = depth_max.min(DEPTH_CEILING);
        Self {
            text,
            rest: text.as_bytes(),
            depth: 0,
            depth_max,
        }
    }

    /// What was not yet read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes on by `bytes`, which were looked at in [`Self::rest`].
    #[inline]
    pub(super) fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// The first byte of the next token.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Malformed> {
        match self.rest.first() {
            Some(&byte) if byte > b' ' => Ok(byte),
            _ => self.peek_after_whitespace(),
        }
    }

    #[cold]
    fn peek_after_whitespace(&mut self) -> Result<u8, Malformed> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied().ok_or(Malformed)
    }

    /// Takes `token`, one byte of punctuation.
    #[inline]
    pub(super) fn take(&mut self, token: u8) -> Result<(), Malformed> {
        if self.peek()? != token {
            return Err(Malformed);
        }
        self.advance(1);
        Ok(())
    }

    /// Takes the bracket that opens a container.
    #[inline]
    pub(super) fn open(&mut self, bracket: u8) -> Result<(), Malformed> {
        self.take(bracket)?;
        self.enter()
    }

    /// After `open` or a member: takes the bracket that closes the container, and says whether it
    /// stood there.
    #[inline]
    pub(super) fn close(&mut self, bracket: u8) -> Result<bool, Malformed> {
        let closes = self.peek()? == bracket;
        if closes {
            self.advance(1);
            self.depth -= 1;
        }
        Ok(closes)
    }

    /// After a member: takes the comma (true) or the bracket that closes the container (false).
    #[inline]
    pub(super) fn more(&mut self, bracket: u8) -> Result<bool, Malformed> {
        match self.peek()? {
            b',' => {
                self.advance(1);
                Ok(true)
            }
            _ if self.close(bracket)? => Ok(false),
            _ => Err(Malformed),
        }
    }

    /// Nothing but white space is left.
    pub(super) fn end(mut self) -> Result<(), Malformed> {
        match self.peek() {
            Err(Malformed) => Ok(()),
            Ok(_) => Err(Malformed),
        }
    }

    /// Takes `literal`, one of `true`, `false` and `null`.
    #[inline]
    pub(super) fn literal(&mut self, literal: &[u8]) -> Result<(), Malformed> {
        self.rest = self.rest.strip_prefix(literal).ok_or(Malformed)?;
        Ok(())
    }

    /// Takes a number, as f64; `None` for one beyond f64. What follows it is not looked at: `01` is
    /// the number 0, and then an error for whoever expects a comma.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Option<f64>, Malformed> {
        let (decimal, rest) = number::scan(self.rest).ok_or(Malformed)?;
        let value = decimal
            .exact()
            .or_else(|| number::of_text(self.text_before(rest)));
        self.rest = rest;
        Ok(value)
    }

    /// Takes a number, as it is spelled.
    pub(super) fn number_text(&mut self) -> Result<Number<'a>, Malformed> {
        let (decimal, rest) = number::scan(self.rest).ok_or(Malformed)?;
        let text = self.text_before(rest);
        self.rest = rest;
        Ok(Number {
            text,
            whole: decimal.whole,
        })
    }

    /// Takes a string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Spelled<'a>, Malformed> {
        self.take(b'"')?;
        let mut end = *self;
        end.advance(plain_length(end.rest));
        let escaped = end.rest.first() != Some(&b'"');
        if escaped {
            end.go_to_quote()?;
        }
        let text = self.text_before(end.rest);
        end.advance(1);
        *self = end;
        Ok(Spelled { text, escaped })
    }

    /// The text from here to `rest`, which is what a token leaves.
    #[inline]
    fn text_before(&self, rest: &[u8]) -> &'a str {
        let (from, to) = (
            self.text.len() - self.rest.len(),
            self.text.len() - rest.len(),
        );
        self.text.get(from..to).unwrap_or_default()
    }

    /// Goes on to the quote that ends a string, over escapes.
    #[cold]
    fn go_to_quote(&mut self) -> Result<(), Malformed> {
        loop {
            match self.rest {
                [b'"', ..] => return Ok(()),
                [b'\\', rest @ ..] => {
                    let (_, length) = escape(rest)?;
                    self.advance(1 + length);
                }
                _ => return Err(Malformed),
            }
            self.advance(plain_length(self.rest));
        }
    }

    /// Takes a value of any kind without looking into it; only its syntax is checked, and keys may
    /// repeat.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        let outside = self.depth;
        // the lowest bit says whether the innermost open container is an object
        let mut objects = 0_u128;
        loop {
            match self.peek()? {
                b'"' => self.string().map(drop)?,
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                b'{' => {
                    self.open(b'{')?;
                    objects = objects << 1 | 1;
                    if !self.close(b'}')? {
                        self.skip_key()?;
                        continue;
                    }
                    objects >>= 1;
                }
                b'[' => {
                    self.open(b'[')?;
                    objects <<= 1;
                    if !self.close(b']')? {
                        continue;
                    }
                    objects >>= 1;
                }
                _ => self.number_text().map(drop)?,
            }
            // a value has ended, and with it perhaps what it was the last of
            while self.depth > outside {
                let bracket = if objects & 1 == 1 { b'}' } else { b']' };
                if self.more(bracket)? {
                    break;
                }
                objects >>= 1;
            }
            if self.depth == outside {
                return Ok(());
            }
            if objects & 1 == 1 {
                self.skip_key()?;
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), Malformed> {
        self.string()?;
        self.take(b':')
    }

    #[inline]
    fn enter(&mut self) -> Result<(), Malformed> {
        if self.depth == self.depth_max {
            return Err(Malformed);
        }
        self.depth += 1;
        Ok(())
    }
}

/// The number of bytes before the first quote, backslash or control character.
///
/// Eight bytes at a time: `(w - 0x01..) & !w & 0x80..` has the high bit of each byte that is zero,
/// and, because of borrows, perhaps of bytes above one; the lowest is right (Mycroft 1987).
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = ONES * 0x22;
    const BACKSLASHES: u64 = ONES * 0x5C;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let quotes = zeros(word ^ QUOTES);
        let escapes = zeros(word ^ BACKSLASHES);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quotes | escapes | controls;
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    while let [byte, after @ ..] = rest {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

/// The character that an escape stands for, and its length in bytes, both after the backslash.
///
/// `\u` counts in UTF-16, so a character beyond the first 65,536 is a pair of them; half a pair is
/// no character.
fn escape(bytes: &[u8]) -> Result<(char, usize), Malformed> {
    let simple = match bytes {
        [simple @ (b'"' | b'\\' | b'/'), ..] => char::from(*simple),
        [b'b', ..] => '\u{8}',
        [b'f', ..] => '\u{c}',
        [b'n', ..] => '\n',
        [b'r', ..] => '\r',
        [b't', ..] => '\t',
        [b'u', rest @ ..] => return utf_16(rest),
        _ => return Err(Malformed),
    };
    Ok((simple, 1))
}

fn utf_16(bytes: &[u8]) -> Result<(char, usize), Malformed> {
    let (first, rest) = hex(bytes)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 5));
    }
    let rest = rest.strip_prefix(br"\u").ok_or(Malformed)?;
    let (second, _) = hex(rest)?;
    match (first, second) {
        (0xD800..0xDC00, 0xDC00..0xE000) => {
            let character = 0x1_0000 + ((first & 0x3FF) << 10 | second & 0x3FF);
            Ok((char::from_u32(character).ok_or(Malformed)?, 11))
        }
        _ => Err(Malformed),
    }
}

fn hex(bytes: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (digits, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
    let mut unit = 0;
    for &digit in digits {
        unit = unit << 4 | char::from(digit).to_digit(16).ok_or(Malformed)?;
    }
    Ok((unit, rest))
}

/// Appends the content of a string to `out`, without its escapes, which were found valid.
pub(super) fn unescape(spelled: &str, out: &mut String) {
    let mut rest = spelled;
    while let Some((plain, after)) = rest.split_once('\\') {
        out.push_str(plain);
        let (character, length) =
            escape(after.as_bytes()).unwrap_or((char::REPLACEMENT_CHARACTER, 0));
        out.push(character);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
}
