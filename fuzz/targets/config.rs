//! Any text as `driftd.toml`: a configuration, or problems that can be shown.
//!
//! Lines that begin with `DRIFTD__` are variables of the environment besides.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::LazyLock;

use driftd::config::{Overrides, load};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared_memory = PathBuf::from("/dev/shm");
    let home = if shared_memory.is_dir() {
        shared_memory
    } else {
        std::env::temp_dir()
    };
    home.join(format!("driftd-fuzz-{}.toml", process::id()))
});

fuzz_target!(|data: &[u8]| {
    fs::write(&*FILE, data).expect("the file can be written");
    let text = String::from_utf8_lossy(data);
    let env = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.starts_with("DRIFTD__")
            .then(|| (name.to_owned(), value.to_owned()))
    });
    match load(Some(FILE.as_path()), env, &Overrides::default()) {
        Ok(config) => drop(format!("{config:?}")),
        Err(problems) => drop(problems.to_string()),
    }
});
