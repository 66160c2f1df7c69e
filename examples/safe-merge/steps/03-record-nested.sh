# Part of nested_repos_detect: NESTED GIT... records each stray repository.

. "$(dirname "$0")/lib.sh"
nested=$1
shift

for git_dir do
    home=${git_dir%/.git}
    # The index knows a submodule as a commit (mode 160000).
    case $(git ls-files --stage -- "$home") in
    160000*) continue ;;
    esac
    record=$(mktemp -d "$nested/XXXXXX")
    printf '%s' "$home" >"$record/path"
    say "stray repository: $home"
done
