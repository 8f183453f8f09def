//! Any text where people write times, lengths, names and tokens: it is refused, or shown as
//! something that is read as the same.

#![no_main]

use driftd::config::Tokens;
use driftd::decode::TimestampUnit;
use driftd::key::Name;
use driftd::time::{Length, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse::<Timestamp>().ok(), Some(time));
    }
    if let Ok(length) = text.parse::<Length>() {
        assert_eq!(length.to_string().parse::<Length>().ok(), Some(length));
    }
    if let Ok(name) = Name::new(text) {
        assert_eq!(name.as_str(), text);
    }
    drop(text.parse::<TimestampUnit>());
    if let Ok(tokens) = Tokens::parse(text) {
        assert!(tokens.find("").is_none(), "nobody has the empty token");
    }
});
