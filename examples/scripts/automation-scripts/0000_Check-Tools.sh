#!/bin/sh
# Stage: Prepare
# Dependencies: None
# Description: Look for the tools that the other scripts use
# Tags: base
set -u
. "$(dirname "$0")/lib.sh"

missing=""
for tool in git python3; do
    if command -v "$tool" >/dev/null 2>&1; then
        echo "$tool: $("$tool" --version 2>&1 | head -n 1)"
    else
        echo "$tool: not found" >&2
        missing="$missing $tool"
    fi
done
[ -z "$missing" ] || { echo "install:$missing" >&2; exit 1; }

# Nice to have: their absence is a warning.
for tool in cc shellcheck; do
    command -v "$tool" >/dev/null 2>&1 || { echo "$tool is not installed; some checks will be less thorough" >&2; warn=yes; }
done
[ -z "${warn:-}" ] || exit 2
