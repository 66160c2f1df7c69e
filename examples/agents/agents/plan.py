"""Splits the goal into tasks: one for each part of it."""

import json
import sys

given = json.load(sys.stdin)
tasks = [part.strip() for part in given["goal"].split(";") if part.strip()]
print(json.dumps({"plan": {"tasks": tasks}}))
