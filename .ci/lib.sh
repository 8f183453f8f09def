# shellcheck shell=bash
# What the checks share: to be sourced from the top of the project, with `set -euo pipefail`.

# Nothing here is compiled twice from a half-changed state, so do not pay for being able to.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

RUST="Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or later"

duration() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# check WHAT: says what begins and, when the script ends, how that went and how long it took.
check() {
  CHECK_NAME=$(basename "$0") CHECK_BEGIN=$SECONDS
  echo "== $CHECK_NAME: $1"
  trap 'finish $?' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

finish() {
  cleanup
  local verdict=passed
  [ "$1" = 0 ] || verdict="FAILED with $1"
  echo "== $CHECK_NAME: $verdict in $(duration $((SECONDS - CHECK_BEGIN)))"
}

# A check that leaves something to clean up defines its own.
cleanup() { :; }

# need COMMAND PACKAGE [install]: ends with 69 and a name if the command is missing. With `install`
# it tries the system's packages first, where that is possible.
need() {
  command -v "$1" > /dev/null && return
  if [ "${3:-}" = install ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "$1 is missing: installing $2"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$2" > /dev/null
    command -v "$1" > /dev/null && return
  fi
  echo "$1 is missing on this machine: install $2" >&2
  exit 69
}

# What the crates with C code in them (librdkafka, OpenSSL, zstd) are built with.
need_build_tools() {
  need cargo "$RUST"
  need cc "a C compiler (gcc)"
  need c++ "a C++ compiler (g++)"
  need make "make"
  need perl "perl"
}
