# There is memory enough, as far as the system tells.
. ../lib.sh

[ -r /proc/meminfo ] || { echo "this system does not say"; exit 0; }
free=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
[ "${free:-16384}" -ge 16384 ] || fail "only $free KiB of memory are free; 16384 are needed"
echo "${free:-enough} KiB of memory are free"
