# What the shell programs of this tree have in common.
set -eu
PREFIX=${PREFIX:-/tmp/greeter}
SCRATCH=$PREFIX/.scratch

fail() {
    echo "$1" >&2
    exit 1
}
