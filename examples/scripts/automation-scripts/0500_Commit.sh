#!/bin/sh
# Stage: Validation
# Dependencies: 0100, 0110, 0220, 0400
# Description: Commit what is not committed yet
# Tags: git
set -eu
. "$(dirname "$0")/lib.sh"

cd "$project"
git add -A
if git diff --cached --quiet; then
    echo "nothing to commit"
else
    git commit -q -m "${QUINTET_VAR_Message:-Set up the environment}"
    git log -1 --oneline
fi
