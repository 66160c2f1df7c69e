# The prefix is ours, and there is room where it is or will be.
. ../lib.sh

if [ -e "$PREFIX" ]; then
    [ -d "$PREFIX" ] || fail "$PREFIX is there and is no folder; PREFIX names another"
    [ -O "$PREFIX" ] || fail "$PREFIX belongs to somebody else; PREFIX names another"
fi
place=$PREFIX
while [ ! -d "$place" ]; do
    place=$(dirname "$place")
done
free=$(df -Pk "$place" | awk 'NR == 2 { print $4 }')
[ "$free" -ge 1024 ] || fail "only $free KiB are free in $place; 1024 are needed"
echo "$free KiB are free in $place"
