#!/bin/sh
# demo.sh [clean|conflict|timestamp]
#
# Sets one case up in a directory of its own, merges there, and shows what became
# of it. Ends with quintet's own exit code. QUINTET names the program; without it
# the one that was built here is used, and built first if need be.

set -eu

kind=${1:-clean}
cd -- "$(dirname "$0")/../.."

for tool in git cc; do
    command -v "$tool" >/dev/null 2>&1 || { echo "missing: $tool. Please install it" >&2; exit 1; }
done
if [ -n "${QUINTET:-}" ]; then
    quintet=$QUINTET
elif command -v cargo >/dev/null 2>&1; then
    cargo build --locked
    quintet=target/debug/quintet
else
    echo "missing: cargo. Install Rust 1.89 or newer from https://rustup.rs" >&2
    exit 1
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/safe-merge.XXXXXX")
sh examples/safe-merge/setup.sh "$dir" "$kind"

code=0
"$quintet" run examples/safe-merge/plan.json --var BRANCH=feature --var WORK="$dir/alice" || code=$?

printf '\nmain of the remote:\n'
git -C "$dir/remote.git" log --graph --format='%h %an: %s' main
printf '\nmain of alice:\n'
git -C "$dir/alice" log --graph --format='%h %an: %s' main
printf '\nwork tree of alice:\n'
git -C "$dir/alice" status --short --branch
printf '\nlook around in %s\n' "$dir"
exit "$code"
