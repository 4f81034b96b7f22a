"""No spelling of a request reads what a DENY policy keeps, from nginx, Apache and Node."""

import unittest

from bypass import Servers, attack, reach


class BypassTest(unittest.TestCase):
    def test_keeps_the_secret_of_three_servers_from_thousands_of_mutations(self):
        with Servers() as servers:
            # Otherwise the mutations would prove nothing.
            self.assertGreater(reach(servers, 300), 20)
            made, stolen = attack(servers, 3600)
            self.assertGreaterEqual(made, 3000)
            self.assertEqual(stolen, [])


if __name__ == "__main__":
    unittest.main()
