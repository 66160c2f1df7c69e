#!/bin/sh
# Makes the repository that the agents work on, in ./repository: a program that does
# not count words yet, and its tests.
set -eu
git init -q repository
cd repository
cat >count.sh <<'END'
#!/bin/sh
# Prints how many words the file has that is named on the command line.
echo 0
END
cat >tests.sh <<'END'
#!/bin/sh
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
printf 'one two three\n' >"$dir/plain.txt"
printf 'four words are here\n' >"$dir/with spaces.txt"
failed=0
expect() {
    found=$(sh count.sh "$2" 2>/dev/null | tr -d ' ')
    [ "$found" = "$1" ] || { echo "$(basename "$2"): $1 expected, $found found"; failed=1; }
}
expect 3 "$dir/plain.txt"
expect 4 "$dir/with spaces.txt"
exit $failed
END
git add .
git -c user.name=example -c user.email=example@localhost commit -q -m "A program to be written"
