#!/bin/sh
# setup.sh [DIR [PYTHON]]
#
# Makes the project in DIR: a copy of project/, as a fresh clone would be, with
# no tools, no lockfile and no environment yet. `quintet check` there makes them.
# DIR is `tally` beside this file unless it is given. PYTHON is the oldest version
# of Python that the project takes: 3.12 unless it is given, or this machine's where
# that is older.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dir=${1:-$here/tally}
here_is=$(python3 -c 'import sys; print("%d.%d" % min(sys.version_info[:2], (3, 12)))') || here_is=3.12
python=${2:-$here_is}
case $python in
3.[0-9] | 3.[0-9][0-9]) ;;
*)
    printf 'setup.sh: "%s" is no version such as 3.12\n' "$python" >&2
    exit 2
    ;;
esac
if [ -e "$dir/pyproject.toml" ]; then
    printf 'setup.sh: %s is set up already\n' "$dir" >&2
    exit 2
fi
mkdir -p "$dir"
cp -R "$here/project/." "$dir"
for file in pyproject.toml checks.toml; do
    sed "s/3\\.12/$python/" "$here/project/$file" >"$dir/$file"
done
printf 'set up in %s, for Python %s; now: cd there, and quintet check\n' "$dir" "$python"
