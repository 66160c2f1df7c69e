#!/bin/sh
# Stage: Development
# Dependencies: 0100
# Description: Run the tests before every commit
# Tags: git, quality
# Condition: Features -contains 'Hooks'
set -eu
. "$(dirname "$0")/lib.sh"

put "$project/.git/hooks/pre-commit" <<'END'
#!/bin/sh
exec env PYTHONPATH=src python3 -m unittest discover -q tests
END
chmod +x "$project/.git/hooks/pre-commit"
