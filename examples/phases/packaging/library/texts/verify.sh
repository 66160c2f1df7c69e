# No text is empty.
. ../../../lib.sh

for text in "$PREFIX"/share/greeter/*; do
    [ -s "$text" ] || fail "$text is empty"
done
