#!/bin/sh
# Stage: Development
# Dependencies: Write-Library
# Description: A command line for the library, in the environment's own bin
# Tags: python, code
set -eu
. "$(dirname "$0")/lib.sh"

put "$root/bin/words" <<END
#!/bin/sh
PYTHONPATH="$project/src" exec python3 -c 'import sys, words
for word, times in sorted(words.count(sys.stdin.read()).items()):
    print(times, word)'
END
chmod +x "$root/bin/words"
