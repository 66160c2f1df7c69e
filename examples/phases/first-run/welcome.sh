# What was installed works.
. ../lib.sh

"$PREFIX/bin/greet"
"$PREFIX/bin/greet" evening
