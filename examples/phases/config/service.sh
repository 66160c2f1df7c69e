# Optional: where no service manager looks into the prefix, there is nothing to
# install a service for. This fails, and its level goes on.
. ../lib.sh

units=$PREFIX/lib/systemd/user
[ -d "$units" ] || fail "there is no $units: greeter.service is not installed"
printf '[Service]\nExecStart=%s/bin/greet\n' "$PREFIX" > "$units/greeter.service"
