# Settings that somebody has changed stay as they are.
. ../lib.sh

conf=$PREFIX/etc/greeter.conf
[ -e "$conf" ] || echo "WHEN=morning" > "$conf"
