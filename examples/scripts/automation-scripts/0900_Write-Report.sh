#!/bin/sh
# Stage: Reporting
# Dependencies: 0400, 0410, 0500
# Description: Say what there is now
# Tags: report
set -eu
. "$(dirname "$0")/lib.sh"

{
    echo "# The environment in $root"
    echo
    echo "Python: $(python3 --version)"
    echo "Files: $(git -C "$project" ls-files | wc -l | tr -d ' ')"
    echo "Commits: $(git -C "$project" rev-list --count HEAD 2>/dev/null || echo 0)"
} | put "$root/reports/environment.md"
cat "$root/reports/environment.md"
