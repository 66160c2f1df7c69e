# Undo of the merge: CLONE TARGET HEAD TARGET_COMMIT BRANCH_COMMIT
#
# Gives up an unfinished merge and puts the target back to HEAD, the commit it
# was on before the run. Takes back nothing but what the run itself has made: a
# commit that somebody else has added meanwhile stays, and a person is needed.
# Doing it twice does no harm.
#
# It belongs to git_fetch, the step before the merge, since a merge with conflicts
# is a step that failed, and only steps that succeeded are undone.

. "$(dirname "$0")/lib.sh"
enter "$1"
target=$2 before=$3 target_commit=$4 branch_commit=$5

[ "$(git symbolic-ref --quiet --short HEAD)" = "$target" ] || die "the clone has left $target"
if merging; then
    git merge --abort
    say "gave up the unfinished merge"
fi

now=$(git rev-parse HEAD)
case $now in
"$before")
    say "$target is where it was"
    exit 0
    ;;
"$target_commit") ;; # brought up to date, and nothing merged
*)
    [ "$(git rev-list --parents -n 1 HEAD)" = "$now $target_commit $branch_commit" ] ||
        die "$target has commits that are not of this run: $now"
    ;;
esac
# --keep, unlike --hard, refuses to lose an edit made since.
git reset --quiet --keep "$before"
say "put $target back from $now to $before"
