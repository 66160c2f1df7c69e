#!/bin/sh
# Stage: Validation
# Dependencies: 0200
# Description: Look for tabs, long lines and white space at the end of lines
# Tags: quality
set -eu
. "$(dirname "$0")/lib.sh"

if grep -rnE '[[:space:]]+$|.{101,}' "$project/src" "$project/tests" --include='*.py'; then
    echo "these lines want some care" >&2
    exit 2
fi
echo "nothing to complain of"
