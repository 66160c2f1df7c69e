# Tests of greet.sh: exits 0 if they hold.

. "$(dirname "$0")/greet.sh"

[ "$(greet)" = 'Hello, world!' ] || exit 1
[ "$(greet Ada)" = 'Hello, Ada!' ] || exit 1
