#!/bin/sh
# Stage: Validation
# Dependencies: 0200, 0210
# Description: Run the project's tests, and its command
# Tags: quality
set -eu
. "$(dirname "$0")/lib.sh"

cd "$project"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=src python3 -m unittest discover -v tests
said=$(echo "to be or not to be" | "$root/bin/words" | tr '\n' ',')
[ "$said" = "2 be,1 not,1 or,2 to," ] || { echo "the command said $said" >&2; exit 1; }
