#!/bin/sh
# What a node finds out for `quintet doctor`.
# $1: the directory that is said to be shared, $2: what to call the answer, $3: the program.
dir=$1 name=$2 program=$3
umask 077
[ -d "$dir" ] || exit 66
[ "$(cat "$dir/here")" = here ] || exit 67

put() { cat >"$dir/$name.tmp" && mv -f "$dir/$name.tmp" "$dir/$name.$1"; }
has() { command -v "$1" >/dev/null 2>&1 && echo yes || echo no; }
now() {
    moment=$(date +%s%3N)
    case $moment in
    *[!0-9]* | '') echo "$(date +%s)000" ;;
    *) echo "$moment" ;;
    esac
}
fine=yes
case $(date +%s%3N) in *[!0-9]* | '') fine=no ;; esac
alone=yes
(set -C; : >"$dir/claimed") 2>/dev/null && alone=no

began=$(now)
echo "$began" | put begun || exit 68
# An answer from where this was begun: what is written there is seen here, and the clocks
# can be compared. Looking at the directory asks a network file system anew.
turns=0
until ls "$dir" >/dev/null && [ -e "$dir/$name.answer" ]; do
    turns=$((turns + 1))
    [ "$turns" -le 300 ] || exit 69
    sleep 0.1 || sleep 1
done
answered=$(now)
version=$("$program" --version 2>/dev/null) || version=

cat <<END | put said || exit 68
node=${SLURMD_NODENAME:-$(hostname)}
began=$began
answered=$answered
machine=$(uname -m)
alone=$alone
timeout=$(has timeout)
setsid=$(has setsid)
moments=$fine
program=$(echo "$version" | head -n 1)
END
