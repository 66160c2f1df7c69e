# Reads the ledger: what really ran, as the steps themselves tell it.
#
# Exit code 1 if a step ran again after it had ended, ran twice at once, never
# ended, or began before one that it needs had ended.
#
#   awk -v edges="b:a c:a d:b,c" -v steps="a b c d" -f ledger.awk LEDGER

BEGIN {
    bad = 0
    count = split(edges, list, " ")
    for (i = 1; i <= count; i++) {
        split(list[i], edge, ":")
        needs[edge[1]] = edge[2]
    }
}

$1 == "start" {
    starts[$2]++
    if (ends[$2]) complain($2 " ran again after it had ended")
    if (live[$2]) complain($2 " ran twice at once")
    live[$2] = 1
    n = split(needs[$2], before, ",")
    for (i = 1; i <= n; i++)
        if (!ends[before[i]]) complain($2 " began before " before[i] " had ended")
}

$1 == "end" {
    ends[$2]++
    live[$2] = 0
}

END {
    n = split(steps, all, " ")
    for (i = 1; i <= n; i++) {
        if (!ends[all[i]]) complain(all[i] " never ended")
        started += starts[all[i]]
        ended += ends[all[i]]
    }
    printf "%d steps, %d starts, %d ends, %d broken promises\n", n, started, ended, bad
    exit bad > 0
}

function complain(what) {
    print "broken: " what
    bad++
}
