"""The command: counts what it reads, and shows it."""

import sys

import tally
from tally import formats  # noqa: F401 (makes the formats known)


def show(text, name="plain"):
    return tally.FORMATS[name](tally.count(text))


def main():
    print(show(sys.stdin.read(), *sys.argv[1:]))
