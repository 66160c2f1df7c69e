. ../lib.sh

rm -rf "$SCRATCH"
