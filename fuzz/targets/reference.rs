//! Any bytes as a reference: an error, or a reference that is the same again after its bytes.

#![no_main]

use driftd::reference::artifact::{from_bytes, to_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(reference) = from_bytes(data) else {
        return;
    };
    let again = from_bytes(&to_bytes(&reference)).expect("what was written can be read");
    assert_eq!(reference.digest(), again.digest());
    assert_eq!(reference.layout.digest(), again.layout.digest());
});
