# guarded_push CLONE REMOTE TARGET SEEN COMMIT
#
# Pushes COMMIT, and only if the remote's target is still at SEEN, the commit
# that was merged into. Never by force: if somebody is quicker between the look
# and the push, the remote itself refuses.

. "$(dirname "$0")/lib.sh"
enter "$1"
remote=$2 target=$3 seen=$4 commit=$5

now=$(git ls-remote "$remote" "refs/heads/$target" | cut -f 1)
if [ "$now" = "$commit" ]; then
    say "$remote has it already"
    exit 0
fi
[ "$now" = "$seen" ] || die "$remote/$target has moved from $seen to ${now:-nothing}"
git push --quiet "$remote" "$commit:refs/heads/$target"
say "pushed $commit to $remote/$target"
