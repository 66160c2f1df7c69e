"""Writes a summary of what was asked for and done, and commits all of it."""

import json
import pathlib
import subprocess
import sys

given = json.load(sys.stdin)
context = given["context"]
lines = [f"# {given['goal']}", ""]
lines += [f"- {task}" for task in context["plan"]["tasks"]]
lines += ["", f"Approved in round {context['build']['round']}."]
pathlib.Path("repository/SUMMARY.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
author = ["-c", "user.name=example", "-c", "user.email=example@localhost"]
subprocess.run(["git", "add", "."], cwd="repository", check=True)
subprocess.run(["git", *author, "commit", "-q", "-m", given["goal"]], cwd="repository", check=True)
print(json.dumps({"doc": {"paths": ["SUMMARY.md"]}}))
