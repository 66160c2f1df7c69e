# nested_repos_detect CLONE REPORTS
#
# Finds repositories that lie inside the work tree without being submodules:
# git would take such a directory for a single commit instead of for its files.
# Each becomes a record, the directory REPORTS/nested/*, with its path in a file:
# so a path may contain anything, line breaks too.

. "$(dirname "$0")/lib.sh"
steps=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)
enter "$1"
nested=$2/nested

rm -rf "$nested"
mkdir "$nested"
find . -path ./.git -prune -o \
    -name .git -prune -exec sh "$steps/03-record-nested.sh" "$nested" {} +

put nested "$(find "$nested" -name path | wc -l | tr -d ' ')"
