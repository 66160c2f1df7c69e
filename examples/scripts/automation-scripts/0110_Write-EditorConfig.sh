#!/bin/sh
# Stage: Infrastructure, Order: 0110, Dependencies: Make-Folders, Tags: editor
# Description: Settings that every editor understands
set -eu
. "$(dirname "$0")/lib.sh"

put "$project/.editorconfig" <<END
root = true

[*]
charset = utf-8
end_of_line = lf
insert_final_newline = true
indent_size = ${QUINTET_VAR_IndentSize:-4}
END
