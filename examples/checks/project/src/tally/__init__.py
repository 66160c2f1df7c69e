"""Counts the words of a text, and says how many of each there are."""

import collections
import re

import inflection

#: Ways to show a count, by name. Whoever imports `tally.formats` adds to them.
FORMATS = {}


def count(text):
    """How often each word stands in the text, by its singular, most often first."""
    words = re.findall(r"[a-z]+", text.lower())
    return collections.Counter(map(inflection.singularize, words)).most_common()


def phrase(word, number):
    """The number and the word, in the form that goes with the number."""
    return f"{number} {word if number == 1 else inflection.pluralize(word)}"
