# env_scan CLONE REMOTE TARGET
#
# Is this a clone in which a merge can be made and, if need be, taken back?
# Writes down where it starts from. Changes nothing in the work tree.

. "$(dirname "$0")/lib.sh"
enter "$1"
remote=$2 target=$3

version=$(git version)
version=${version#git version }
major=${version%%.*} minor=${version#*.}
minor=${minor%%[!0-9]*}
[ "$major" -gt 2 ] || { [ "$major" -eq 2 ] && [ "$minor" -ge 20 ]; } ||
    die "git $version is too old; 2.20 is needed"

branch=$(git symbolic-ref --quiet --short HEAD) || die "HEAD is detached; check out $target"
[ "$branch" = "$target" ] || die "the clone is on $branch, not on $target"

for unfinished in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
    [ ! -e "$(git rev-parse --git-path "$unfinished")" ] ||
        die "something is unfinished in the clone: $unfinished"
done

# Files that git does not track are no obstacle: git never merges over them.
changed=$(git status --porcelain --untracked-files=no)
[ -z "$changed" ] || die "the work tree has changes of its own:
$changed"

# They would go out with the merge, and nobody has asked for that.
known=$(commit_of "refs/remotes/$remote/$target")
if [ -n "$known" ]; then
    unpushed=$(git rev-list --count "$known..HEAD")
    [ "$unpushed" -eq 0 ] || die "$remote has not got all of $target: $unpushed to push first"
fi

# Inside .git, where a report cannot make the work tree dirty.
reports=$(git rev-parse --git-path "safe-merge/${QUINTET_RUN_ID:-by-hand}")
mkdir -p "$reports"
reports=$(CDPATH='' cd -- "$reports" && pwd)

put head "$(git rev-parse HEAD)"
put reports "$reports"
{
    say "git=$version"
    say "branch=$branch"
    say "head=$(git rev-parse HEAD)"
} >"$reports/env-scan"
