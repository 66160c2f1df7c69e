#!/bin/sh
# measure.sh [DIR [N]]
#
# Times, N times each and in turns, a fast run of the checks of the project in DIR
# and the commands of those checks typed one after another; says the medians, and
# their ratio. The project must be set up, and `quintet check` must have passed.
# QUINTET names the program; `quintet` unless it does. Needs GNU date.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
quintet=${QUINTET:-quintet}
case $quintet in
/*) ;;
*/*) quintet=$PWD/$quintet ;;
esac
times=${2:-21}
cd "${1:-$here/tally}"

fast() {
    "$quintet" check --fast --quiet
}

# What the seven checks run, where they run: the last one is for macOS alone.
by_hand() {
    python3 --version
    tools/bin/uv --version
    tools/bin/ruff --version
    bin/uv lock --check
    .venv/bin/python --version
    bin/uv sync --locked --check
    tools/bin/ruff check --quiet src tests
}

# Milliseconds that a function takes.
took() {
    begun=$(date +%s%N)
    "$1" >/dev/null 2>&1
    echo $((($(date +%s%N) - begun) / 1000000))
}

dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
fast
for _ in $(seq "$times"); do
    took fast >>"$dir/fast"
    took by_hand >>"$dir/by_hand"
done
median() {
    sort -n "$dir/$1" | sed -n "$(((times + 1) / 2))p"
}
awk -v fast="$(median fast)" -v by_hand="$(median by_hand)" 'BEGIN {
    printf "fast run %d ms, by hand %d ms: %.1f times as fast\n", fast, by_hand, by_hand / fast
}'
