# sync_health_check CLONE REPORTS LOG MINUTES MAX_ERRORS MAX_PER_MINUTE
#
# Refuses to merge while the tool that keeps the clone in sync is in trouble or
# busy. A line of its log is `2025-12-04T07:52:00Z LEVEL what happened`, in UTC.
# An empty LOG means the clone's own, .git/safe-merge/sync.log.

. "$(dirname "$0")/lib.sh"
log=$3 minutes=$4 max_errors=$5 max_per_minute=$6
if [ -z "$log" ]; then
    enter "$1"
    log=$(git rev-parse --git-path safe-merge/sync.log)
fi
if [ ! -e "$log" ]; then
    say "no sync log: nothing syncs this clone"
    put errors 0
    exit 0
fi

# The shell cannot count with dates, and `date -d` differs from system to
# system; awk can count days.
awk -v now="$(date -u +%s)" -v minutes="$minutes" '
    # Days from 1970-01-01 to a date. Years begin in March, so that the day that
    # only some years have is their last.
    function days(y, m, d,    era, of_era) {
        if (m <= 2) { y--; m += 12 }
        era = int(y / 400); of_era = y - era * 400
        return era * 146097 + of_era * 365 + int(of_era / 4) - int(of_era / 100) \
            + int((153 * (m - 3) + 2) / 5) + d - 1 - 719468
    }
    /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z / {
        at = days(substr($1, 1, 4), substr($1, 6, 2), substr($1, 9, 2)) * 86400 \
            + substr($1, 12, 2) * 3600 + substr($1, 15, 2) * 60 + substr($1, 18, 2)
        if (at < now - minutes * 60) next
        recent++
        if ($2 == "ERROR") errors++
        minute = substr($1, 1, 16)
        if (++per_minute[minute] > busiest) busiest = per_minute[minute]
    }
    END { printf "recent=%d\nerrors=%d\nbusiest=%d\n", recent, errors, busiest }
' "$log" >"$2/sync-health"

value() {
    sed -n "s/^$1=//p" "$reports/sync-health"
}
reports=$2
put errors "$(value errors)"
put busiest "$(value busiest)"
[ "$(value errors)" -le "$max_errors" ] ||
    die "$(value errors) sync errors in the last $minutes minutes; $max_errors are allowed"
[ "$(value busiest)" -le "$max_per_minute" ] ||
    die "$(value busiest) sync entries within a minute; more than $max_per_minute mean that files still move"
