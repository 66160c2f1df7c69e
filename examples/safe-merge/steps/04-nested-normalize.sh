# nested_repos_normalize CLONE REPORTS
#
# Makes plain directories of the stray repositories: moves the .git of each into
# its record. Nothing is deleted, and 04-undo.sh puts it back.

. "$(dirname "$0")/lib.sh"
enter "$1"

count=0
for record in "$2"/nested/*/; do
    [ -e "$record/path" ] || continue
    # The x keeps line breaks at the end of the path, which $( ) would drop.
    home=$(cat "$record/path" && printf x)
    home=${home%x}
    # An earlier attempt that was interrupted may have moved it already.
    if [ ! -e "$record/git" ]; then
        mv -- "$home/.git" "$record/git"
        say "moved $home/.git to ${record}git"
    fi
    count=$((count + 1))
done
put normalized "$count"
