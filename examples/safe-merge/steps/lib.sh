# What the steps of the safe merge share: how they speak, give up, hand on
# values and find the clone. Sourced by each of them, never run.

set -eu

# Messages in one language, no question to anybody, and paths taken as they are:
# a file may well be called "*".
export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_EDITOR=: GIT_LITERAL_PATHSPECS=1

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

# put KEY VALUE: hands a value to later steps, which read it as
# ${steps.STEP.outputs.KEY}, and says it.
put() {
    case $2 in
    *'
'*) die "$1 contains a line break and cannot be handed on" ;;
    esac
    [ -z "${QUINTET_OUTPUT:-}" ] || printf '%s=%s\n' "$1" "$2" >>"$QUINTET_OUTPUT"
    say "$1=$2"
}

# enter CLONE: goes to the top of the work tree.
enter() {
    CDPATH='' cd -- "$1" || die "there is no directory $1"
    top=$(git rev-parse --show-toplevel 2>/dev/null) || die "$1 is no work tree of git"
    CDPATH='' cd -- "$top"
}

# The commit of a revision, or nothing.
commit_of() {
    git rev-parse --quiet --verify "$1^{commit}" || :
}

merging() {
    [ -n "$(commit_of MERGE_HEAD)" ]
}

# How many files have conflicts that nobody has settled.
unsettled() {
    git diff --name-only -z --diff-filter=U | tr -cd '\000' | wc -c | tr -d ' '
}

# class_of POLICY PATH: the class that the merge policy gives a file.
class_of() {
    answer=$(git -c core.attributesFile="$1" check-attr merge-class -- "$2")
    say "${answer##*: }"
}

command -v git >/dev/null || die "git is not installed"

# An outer git (a hook, say) leaves the name of its own repository behind.
# shellcheck disable=SC2046 # one word per variable is what unset wants
unset $(git rev-parse --local-env-vars)
