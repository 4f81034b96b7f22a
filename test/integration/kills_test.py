"""What is killed while sidecars carry traffic costs no request: the API server, a control plane, one
of two. What changes meanwhile is in force soon after.
"""

import json
import signal
import unittest

import mesh
from control_planes import LEASE, ROOTS, ControlPlanesTest, Requests


class KillsTest(ControlPlanesTest):
    def test_nothing_that_is_killed_costs_a_request(self):
        first, second = self.planes
        mesh.await_true("one leads", lambda: first.leads() != second.leads())
        if second.leads():
            first, second = second, first
        load = Requests(self.through)
        self.addCleanup(load.finish)

        # The API server dies. What it says on coming back is soon in force.
        self.api.stop()
        self.assertEqual(mesh.request(self.through, "/other").status, 200)
        self.api.restart()
        self.api.put("authorizationpolicies", self.policy("/"))
        self.await_status("/other", 403)

        # The control plane that leads dies: the other serves at once, and leads soon.
        first.process.end(signal.SIGKILL)
        self.api.put("authorizationpolicies", self.policy("allow"))
        self.await_status("/other", 200)
        mesh.await_true("the other leads", second.leads)
        self.assertEqual(len([name for name in self.api.leases]), 1)
        self.assertEqual(self.api.leases[LEASE]["spec"]["leaseTransitions"], 1)
        self.api.put("namespaces", {"metadata": {"name": "shop"}})
        mesh.await_true("it publishes the roots",
                        lambda: ROOTS.format("shop") in self.api.config_maps)

        # All control planes die.
        second.process.end(signal.SIGKILL)
        self.assertEqual(mesh.request(self.through, "/other").status, 200)
        second.start()
        self.api.put("authorizationpolicies", self.policy("/"))
        self.await_status("/other", 403)

        requests, failed = load.finish()
        self.assertEqual(failed, [])
        self.assertGreater(requests, 100)
        # Told to stop, it gives the Lease back.
        mesh.await_true("it leads again", second.leads)
        self.assertEqual(self.api.leases[LEASE]["spec"]["leaseTransitions"], 2)
        second.process.end(signal.SIGTERM)
        self.assertEqual(self.api.leases[LEASE]["spec"]["holderIdentity"], "",
                         json.dumps(self.api.leases))


if __name__ == "__main__":
    unittest.main()
