# file_classification CLONE REPORTS POLICY
#
# Gives each tracked file its class by the policy, a file in the form of
# .gitattributes, and keeps the policy as it is now: a merge that changes it
# shall not be judged by the change.

. "$(dirname "$0")/lib.sh"
reports=$2
cp -- "$3" "$reports/policy"
enter "$1"

# Paths end in NUL; for awk each NUL becomes a line break, and a line break
# inside a path a \001.
git ls-files -z |
    git -c core.attributesFile="$reports/policy" check-attr -z --stdin merge-class |
    tr '\n\000' '\001\n' |
    awk 'NR % 3 == 1 { path = $0 } NR % 3 == 0 { print $0 "\t" path }' >"$reports/classes"

unknown=$(cut -f 1 "$reports/classes" | sort -u |
    grep -v -x -e generated -e timestamped -e manual || :)
[ -z "$unknown" ] || die "the policy knows generated, timestamped and manual, and not:
$unknown"

for class in generated timestamped manual; do
    put "$class" "$(grep -c "^$class	" "$reports/classes" || :)"
done
