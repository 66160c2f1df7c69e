# git_merge CLONE TARGET TARGET_COMMIT BRANCH BRANCH_COMMIT
#
# Brings the target up to date and merges the branch, always as a commit of its
# own. With conflicts it fails and leaves them in the work tree for the steps
# that follow, which run all the same.

. "$(dirname "$0")/lib.sh"
enter "$1"
target=$2 target_commit=$3 branch=$4 branch_commit=$5

# The environment scan found no merge, so this one is of an interrupted attempt.
if merging; then
    git merge --abort
fi

git merge --quiet --ff-only "$target_commit"
if git merge-base --is-ancestor "$branch_commit" HEAD; then
    say "$target contains $branch already"
    put merge clean
elif git merge --no-ff -m "Merge branch '$branch' into $target" "$branch_commit"; then
    put merge clean
elif merging; then
    put merge conflict
    die "files with conflicts: $(unsettled)"
else
    put merge refused
    die "git did not begin the merge"
fi
