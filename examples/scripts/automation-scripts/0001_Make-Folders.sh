#!/bin/sh
# Stage: Prepare
# Dependencies: 0000
# Description: Make the folders of the environment
# Tags: base
set -eu
. "$(dirname "$0")/lib.sh"

mkdir -p "$project/src" "$project/tests" "$root/bin" "$root/reports"
echo "the environment is in $root"
