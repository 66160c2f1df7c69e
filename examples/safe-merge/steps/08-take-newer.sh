# Part of timestamp_resolver: POLICY PATH... settles those that it may.

. "$(dirname "$0")/lib.sh"
policy=$1
shift

for path do
    [ "$(class_of "$policy" "$path")" = timestamped ] || continue
    # Where one side has deleted the file there is no newer side to take.
    git rev-parse --quiet --verify ":2:$path" >/dev/null || continue
    git rev-parse --quiet --verify ":3:$path" >/dev/null || continue

    ours=$(git log -1 --format=%ct HEAD -- "$path")
    theirs=$(git log -1 --format=%ct MERGE_HEAD -- "$path")
    if [ "$theirs" -gt "$ours" ]; then side=theirs; else side=ours; fi
    git checkout --quiet "--$side" -- "$path"
    git add -- "$path"
    say "took $side: $path"
done
