"""
Write the Python library of the project.

Stage: Development
Dependencies: 0001
Tags: python, code
"""
import os
import pathlib

root = os.environ.get("QUINTET_VAR_Root") or os.path.join(os.getcwd(), "target", "dev-environment")
project = pathlib.Path(root) / "project"

LIBRARY = '''"""Words, counted."""


def count(text):
    """How often each word is in the text."""
    words = {}
    for word in text.lower().split():
        words[word] = words.get(word, 0) + 1
    return words
'''

TESTS = '''import unittest

from words import count


class Counting(unittest.TestCase):
    def test_case_does_not_matter(self):
        self.assertEqual(count("one Two two"), {"one": 1, "two": 2})

    def test_nothing_has_no_words(self):
        self.assertEqual(count(""), {})
'''


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text() == text:
        print("unchanged:", path)
    else:
        path.write_text(text)
        print("written:", path)


put(project / "src" / "words.py", LIBRARY)
put(project / "tests" / "test_words.py", TESTS)
