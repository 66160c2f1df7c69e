#!/bin/sh
# demo.sh [clean|conflict|timestamp]
#
# Sets one case up in a directory of its own, merges there, and shows what became
# of it. Ends with quintet's own exit code. QUINTET names the program, if it is
# neither on the PATH nor built here.

set -eu

kind=${1:-clean}
cd -- "$(dirname "$0")/../.."

quintet=${QUINTET:-}
for candidate in target/release/quintet target/debug/quintet; do
    [ -n "$quintet" ] || [ ! -x "$candidate" ] || quintet=$candidate
done
quintet=${quintet:-quintet}

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
