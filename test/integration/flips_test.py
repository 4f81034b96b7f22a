"""A change of policies under load: every request is decided by one version of them."""

import unittest

from flips import Flips


class FlipsTest(unittest.TestCase):
    def test_decides_no_request_by_a_mixture_of_two_versions(self):
        with Flips() as flips:
            requests, wrong, waits = flips.run(8, 8)
            self.assertGreaterEqual(len(waits), 4)
            self.assertGreater(requests, 100)
            self.assertEqual(wrong, 0)


if __name__ == "__main__":
    unittest.main()
