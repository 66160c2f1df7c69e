#!/bin/sh
# Stage: Maintenance
# Description: Remove the environment, if that is really wanted
# Tags: cleanup
# Condition: Really -eq $true
set -eu
. "$(dirname "$0")/lib.sh"

# Nothing but what these scripts made.
[ -d "$project/.git" ] || { echo "there is no environment in $root" >&2; exit 1; }
rm -rf "$project" "$root/bin" "$root/reports"
rmdir "$root" 2>/dev/null || echo "left alone: what else is in $root"
