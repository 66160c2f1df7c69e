# timestamp_resolver CLONE REPORTS
#
# Settles conflicts in files of the class `timestamped` by taking the side that
# was committed later, and concludes the merge if no other conflict is left.

. "$(dirname "$0")/lib.sh"
steps=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)
enter "$1"

if ! merging; then
    say "no unfinished merge"
    put resolved 0
    put left 0
    exit 0
fi

before=$(unsettled)
git diff --name-only -z --diff-filter=U | xargs -0 sh "$steps/08-take-newer.sh" "$2/policy"
left=$(unsettled)
put resolved $((before - left))
put left "$left"

if [ "$left" -eq 0 ]; then
    # strip: git has listed the conflicts in the message, behind a #.
    git commit --quiet --no-edit --cleanup=strip
fi
