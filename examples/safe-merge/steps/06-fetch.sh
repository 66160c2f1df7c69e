# git_fetch CLONE REMOTE TARGET BRANCH
#
# Gets both branches and says where they are. The steps that follow go by these
# commits and never ask again, so they all speak of the same thing.

. "$(dirname "$0")/lib.sh"
enter "$1"
remote=$2 target=$3 branch=$4

git fetch --quiet --no-tags "$remote" \
    "+refs/heads/$target:refs/remotes/$remote/$target" \
    "+refs/heads/$branch:refs/remotes/$remote/$branch"

put target "$(commit_of "refs/remotes/$remote/$target")"
put branch "$(commit_of "refs/remotes/$remote/$branch")"
