#!/bin/sh
# Stage: Infrastructure
# Dependencies: Git, 0001
# Description: Make the project a git repository, with an identity of its own
# Tags: git
set -eu
. "$(dirname "$0")/lib.sh"

[ -d "$project/.git" ] || git init -q "$project"
git -C "$project" config user.name "${QUINTET_VAR_Author:-Example}"
git -C "$project" config user.email "author@example.invalid"
put "$project/.gitignore" <<'END'
__pycache__/
*.pyc
/build/
END
