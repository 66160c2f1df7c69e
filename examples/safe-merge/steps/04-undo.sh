# Undo of nested_repos_normalize: CLONE REPORTS
#
# Puts every .git back that was moved aside. Doing it twice does no harm.

. "$(dirname "$0")/lib.sh"
enter "$1"

for record in "$2"/nested/*/; do
    [ -e "$record/git" ] || continue
    home=$(cat "$record/path" && printf x)
    home=${home%x}
    [ -d "$home" ] || die "$home is gone; its repository is kept in ${record}git"
    [ ! -e "$home/.git" ] || die "$home has a new .git; the old one is kept in ${record}git"
    mv -- "$record/git" "$home/.git"
    say "put $home/.git back"
done
