"""Runs the repository's tests and the shell's own check of the program."""

import json
import subprocess

findings = []
for command in (["sh", "-n", "count.sh"], ["sh", "tests.sh"]):
    done = subprocess.run(command, cwd="repository", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        findings += (done.stdout + done.stderr).splitlines()
verdict = "rejected" if findings else "approved"
print(json.dumps({"verdict": verdict, "findings": findings}))
