#!/usr/bin/env bash
# RUSTC_WRAPPER of fuzz/run.sh: coverage for driftd and the targets, nothing for what they stand on.
set -euo pipefail
rustc=$1
shift
case " $* " in
  *" --crate-name driftd "* | *" --crate-name "*" fuzz/targets/"* | *" targets/"*".rs "*)
    exec "$rustc" "$@" --cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module \
      -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
      -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
  *) exec "$rustc" "$@" ;;
esac
