#!/bin/sh
# One step of the demonstration. It says in the ledger when it begins and when it
# ends, and knows nothing of quintet. Each line is one write, so that lines of
# steps that run side by side never mix.
#
#   step.sh NAME TENTHS
name=$1
tenths=$2
printf 'start %s %s\n' "$name" $$ >>"$LEDGER"
sleep "$((tenths / 10)).$((tenths % 10))"
printf 'end %s %s\n' "$name" $$ >>"$LEDGER"
