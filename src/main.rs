//! The `driftd` command: arguments in, a code out; all that happens in between is in the library.

use driftd::cli;
use driftd::clock::Clock;
use driftd::command;
use driftd::telemetry::Exit;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    match cli::parse(std::env::args_os()) {
        Ok(command) => command::run(command, Clock),
        Err(now) => command::end(&now),
    }
}
