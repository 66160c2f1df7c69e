"""What the package promises."""

import unittest

import tally
from tally.command import show


class Tally(unittest.TestCase):
    def test_words_are_counted_by_their_singular(self):
        self.assertEqual(tally.count("Cats, a cat"), [("cat", 2), ("a", 1)])

    def test_a_number_and_its_word_go_together(self):
        self.assertEqual(tally.phrase("mouse", 1), "1 mouse")
        self.assertEqual(tally.phrase("mouse", 3), "3 mice")

    def test_a_count_is_shown_in_the_format_that_is_asked_for(self):
        self.assertEqual(show("owl owls"), "2 owls")
        self.assertEqual(show("owl owls", "json"), '{"owl": 2}')


if __name__ == "__main__":
    unittest.main()
