#!/usr/bin/env bash
# Fuzzes one target for a while: bash fuzz/run.sh TARGET [SECONDS], an hour where nobody says.
#
# Only driftd and the target are instrumented, so that what they stand on is built as for the tests,
# and no nightly Rust is needed. `cargo fuzz run TARGET` instruments everything, and takes long to
# build. What is found is left in target/fuzz/TARGET; mend it and keep it as a test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=${1:?which target: one of $(cd fuzz/targets && echo ./*.rs)}
SECONDS_MAX=${2:-3600}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
home=$CARGO_TARGET_DIR/fuzz/$TARGET
mkdir -p "$home/corpus"

RUSTC_WRAPPER=$PWD/fuzz/instrument.sh \
  cargo build --locked --manifest-path fuzz/Cargo.toml --bin "$TARGET"
cd "$home"
exec "$CARGO_TARGET_DIR/debug/$TARGET" "$home/corpus" "$OLDPWD/fuzz/seeds/$TARGET" \
  -artifact_prefix="$home/" -max_total_time="$SECONDS_MAX" -timeout=10 -rss_limit_mb=2048 \
  -print_final_stats=1
