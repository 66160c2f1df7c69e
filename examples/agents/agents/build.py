"""Changes the program. What the reviewer of the round before found, it takes up."""

import json
import os
import pathlib

with open(os.environ["QUINTET_CONTEXT"], encoding="utf-8") as file:
    given = json.load(file)
findings = given["context"].get("findings", [])
# The first attempt makes a mistake that is often made: it forgets to quote.
quoted = any("spaces" in finding for finding in findings)
count = 'wc -w <"$1"' if quoted else "cat $1 | wc -w"
about = "# Prints how many words the file has that is named on the command line."
program = "\n".join(["#!/bin/sh", about, count, ""])
pathlib.Path("repository/count.sh").write_text(program, encoding="utf-8")
done = {"round": given["round"], "changed": ["count.sh"], "took_up": findings}
# Whatever is printed is in the step's log; the result is what stands in this file.
print("changed count.sh")
pathlib.Path(os.environ["QUINTET_RESULT"]).write_text(json.dumps({"build": done}), encoding="utf-8")
