#!/bin/sh
# One attempt of one step, on the node where Slurm has put it.
# $1: the program there, $2: the run's shared directory, $3: the batch.
program=$1 shared=$2 batch=$3
if "$program" --version >/dev/null 2>&1; then
    exec "$program" attempt "$shared" "$batch"
fi

# Without the program a shell does what it can: one start, the timeout, the exit.
umask 077
line=$((${SLURM_ARRAY_TASK_ID:-0} + 1))
key=$(grep -v '^#' "$shared/batches/$batch" | sed -n "${line}p" | cut -d' ' -f1)
own=$shared/jobs/$key
[ -n "$key" ] && [ -d "$own" ] || exit 1
node=$(hostname)
claim=$shared/claims/$key
if ! (set -C; printf '{"node":"%s","job":"%s"}' "$node" "$SLURM_JOB_ID" >"$claim") 2>/dev/null; then
    [ -e "$claim" ] && echo "$key was begun before; it is not begun again" && exit 0
    exit 1
fi
now() { date +%s%3N; }
began=$(now)
size() { wc -c <"$own/$1" 2>/dev/null || echo 0; }
end() { # END MORE
    while ! printf '{"end":"%s",%s,"started_at":%s,"ended_at":%s,"node":"%s","by_shell":true,"output":{"stdout":{"file":"out","start":0,"len":%s},"stderr":{"file":"err","start":0,"len":%s}}}' \
        "$1" "$2" "$began" "$(now)" "$node" "$(size out | tr -d ' ')" "$(size err | tr -d ' ')" \
        >"$shared/results/$key.$$.tmp" || ! mv -f "$shared/results/$key.$$.tmp" "$shared/results/$key"; do
        sleep 1
    done
    exit "${code:-1}"
}
: >"$own/out"; : >"$own/err"
if [ ! -r "$own/plainly" ]; then
    why=$(cat "$own/not-plainly")
    rm -f "$own/job"
    end failed_to_start "\"errno\":\"ENOENT\",\"error\":\"there is no quintet on $node, and $why\""
fi
. "$own/limits"
rm -f "$own/job"
(while sleep "$beat"; do touch -c "$claim"; done) &
beats=$!
cut=
trap 'cut=term; kill -TERM "$main" 2>/dev/null' TERM
trap 'cut=kill; kill -KILL -"$main" 2>/dev/null' INT
# A group of its own, which a timeout and a stop reach as a whole.
setsid timeout -k "$grace" "$limit" sh "$own/plainly" >>"$own/out" 2>>"$own/err" &
main=$!
wait "$main"; code=$?
while kill -0 "$main" 2>/dev/null; do wait "$main"; code=$?; done
kill "$beats" 2>/dev/null
kill -KILL -"$main" 2>/dev/null
rm -f "$own/plainly" "$own/input"
if [ -n "$cut" ]; then
    end canceled '"signal":15'
elif [ "$limit" != 0 ] && [ "$code" = 124 ]; then
    end timed_out "\"after\":$limit_ms,\"signal\":15"
elif [ "$limit" != 0 ] && [ "$code" = 137 ] && [ $(($(now) - began)) -ge "$limit_ms" ]; then
    end timed_out "\"after\":$limit_ms,\"signal\":9"
elif [ "$code" -gt 128 ]; then
    end signaled "\"signal\":$((code - 128))"
else
    end exited "\"code\":$code"
fi
