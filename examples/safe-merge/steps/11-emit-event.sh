# emit_success_event CLONE EVENTS BRANCH TARGET COMMIT
#
# Appends one line of JSON to the record of merges, once per run. An empty
# EVENTS means the clone's own record, .git/safe-merge/events.jsonl.

. "$(dirname "$0")/lib.sh"
events=$2 run=${QUINTET_RUN_ID:-by-hand}
if [ -z "$events" ]; then
    enter "$1"
    events=$(git rev-parse --git-path safe-merge/events.jsonl)
fi

if [ -e "$events" ] && grep -q -F "\"run\":\"$run\"" "$events"; then
    say "recorded already"
    exit 0
fi
# No value needs escaping: the plan's patterns keep quotes and backslashes out.
printf '{"event":"safe_merge","status":"success","run":"%s","branch":"%s","target":"%s","commit":"%s","at":"%s"}\n' \
    "$run" "$3" "$4" "$5" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$events"
