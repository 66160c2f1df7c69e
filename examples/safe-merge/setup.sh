#!/bin/sh
# setup.sh DIR [clean|conflict|timestamp]
#
# Makes a small world to merge in: DIR/remote.git, a bare repository, and two
# clones of it, DIR/alice and DIR/bob. Bob has pushed the branch `feature`;
# Alice is on main, one commit behind the remote, with a stray repository in her
# work tree. The same words give the same commits, on every machine.
#
#   clean      main and feature have changed different files
#   conflict   both have changed the same line of src/greeting.txt
#   timestamp  both have changed only `stamps/built at.stamp`, feature later

set -eu

dir=${1:?usage: setup.sh DIR [clean|conflict|timestamp]}
kind=${2:-clean}
case $kind in
clean | conflict | timestamp) ;;
*)
    printf 'setup.sh: "%s" is none of clean, conflict, timestamp\n' "$kind" >&2
    exit 2
    ;;
esac
if [ -e "$dir/remote.git" ]; then
    printf 'setup.sh: %s is set up already\n' "$dir" >&2
    exit 2
fi
mkdir -p "$dir"
dir=$(CDPATH='' cd -- "$dir" && pwd)

# Nothing of the caller's git settings, nor of a git that runs this, gets in.
# shellcheck disable=SC2046 # one word per variable is what unset wants
unset $(git rev-parse --local-env-vars)
export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME="$dir" XDG_CONFIG_HOME="$dir"

# as NAME GIT-ARGUMENTS...: git in NAME's clone.
as() {
    clone=$dir/$1
    shift
    git -C "$clone" "$@"
}

# Every commit is an hour after the one before.
hour=0
commit() {
    hour=$((hour + 1))
    when="2025-01-01T$(printf %02d "$hour"):00:00Z"
    as "$1" add --all -- . ':!vendor'
    GIT_AUTHOR_DATE=$when GIT_COMMITTER_DATE=$when as "$1" commit --quiet -m "$2"
}

clone() {
    git clone --quiet "$dir/remote.git" "$dir/$1" 2>/dev/null
    as "$1" config user.name "$1"
    as "$1" config user.email "$1@example.com"
    as "$1" config commit.gpgsign false
    as "$1" config core.autocrlf false
}

git init --quiet --bare "$dir/remote.git"
git -C "$dir/remote.git" symbolic-ref HEAD refs/heads/main

clone alice
as alice symbolic-ref HEAD refs/heads/main
mkdir "$dir/alice/src" "$dir/alice/stamps"
printf 'Good morning\n' >"$dir/alice/src/greeting.txt"
printf 'one\ntwo\n' >"$dir/alice/src/numbers.txt"
printf '2025-01-01\n' >"$dir/alice/stamps/built at.stamp"
commit alice 'Begin'
as alice push --quiet --set-upstream origin main

clone bob
as bob checkout --quiet -b feature
printf 'one\ntwo\nthree\n' >"$dir/bob/src/numbers.txt"
commit bob 'Count to three'
as bob checkout --quiet main

# Alice goes on, in her own way for each kind.
case $kind in
clean) printf 'What this is\n' >"$dir/alice/README" ;;
conflict) printf 'Good evening\n' >"$dir/alice/src/greeting.txt" ;;
timestamp) printf '2025-01-02\n' >"$dir/alice/stamps/built at.stamp" ;;
esac
commit alice 'Go on'
as alice push --quiet origin main

# Bob adds to main, and Alice does not know it yet.
as bob pull --quiet --ff-only
printf 'Thanks to all\n' >"$dir/bob/THANKS"
commit bob 'Thank everybody'
as bob push --quiet origin main

as bob checkout --quiet feature
case $kind in
clean) printf 'Good night\n' >"$dir/bob/src/farewell.txt" ;;
conflict) printf 'Good night\n' >"$dir/bob/src/greeting.txt" ;;
timestamp) printf '2025-01-03\n' >"$dir/bob/stamps/built at.stamp" ;;
esac
commit bob 'Finish the feature'
as bob push --quiet origin feature
as bob checkout --quiet main

# Somebody has cloned a library into Alice's work tree and forgotten it.
mkdir -p "$dir/alice/vendor"
git init --quiet "$dir/alice/vendor/parser lib"
printf 'not ours\n' >"$dir/alice/vendor/parser lib/README"

# What the tool that keeps Alice's clone in sync has written: an old error, and
# a good sync just now.
mkdir -p "$dir/alice/.git/safe-merge"
{
    printf '2025-01-01T00:00:00Z ERROR the remote did not answer\n'
    date -u '+%Y-%m-%dT%H:%M:%SZ INFO in sync'
} >"$dir/alice/.git/safe-merge/sync.log"

printf 'set up the %s case in %s\n' "$kind" "$dir"
