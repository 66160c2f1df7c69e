"""The ways to show a count: importing this is what makes them known."""

import json

import tally


def plain(counts):
    return "\n".join(tally.phrase(word, number) for word, number in counts)


def as_json(counts):
    return json.dumps(dict(counts))


tally.FORMATS.update({"plain": plain, "json": as_json})
