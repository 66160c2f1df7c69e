# conflict_guard CLONE REPORTS TARGET_COMMIT BRANCH_COMMIT
#
# The gate before publication: refuses, with a list, while a conflict or a
# conflict marker is left, and hands on the one commit that may be pushed.

. "$(dirname "$0")/lib.sh"
enter "$1"
policy=$2/policy target_commit=$3 branch_commit=$4

if [ "$(unsettled)" -gt 0 ]; then
    git diff --name-only --diff-filter=U |
        git -c core.attributesFile="$policy" check-attr --stdin merge-class >&2
    die "conflicts that a person must settle: $(unsettled)"
fi
! merging || die "the merge was not concluded"
git merge-base --is-ancestor "$branch_commit" HEAD || die "the branch was not merged"

# A file that may contain seven equals signs in a row says so with git's
# attribute conflict-marker-size.
markers=$(git diff --check "$target_commit" HEAD | grep 'leftover conflict marker' || :)
[ -z "$markers" ] || die "conflict markers were committed:
$markers"

put commit "$(git rev-parse HEAD)"
