"""What injection writes into a pod does in a network namespace what it says: kith-init redirects
with its two capabilities alone, and kith-validation fails until a network plugin has.
"""

import json
import unittest

from hosts import KITHCTL, SIDECAR, Hosts, run

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: demo
  annotations:
{annotations}
spec:
  containers: [{{name: app, image: app}}]
"""


def injected(**annotations):
    lines = "\n".join(f'    sidecar.kith.dev/{name.replace("_", "-")}: "{value}"'
                      for name, value in annotations.items())
    done = run(KITHCTL, "inject", "-f", "-", "-o", "json",
               input=POD.format(annotations=lines or "    {}"))
    return json.loads(done.stdout)


def container(pod, name):
    return next(each for each in pod["spec"]["initContainers"] if each["name"] == name)


def start(hosts, each, check=True):
    """Runs an init container as the kubelet would: its user, and no capabilities but its own."""
    context = each["securityContext"]
    capabilities = context["capabilities"]
    kept = [f"+{name.lower()}" for name in capabilities.get("add", [])]
    user = context["runAsUser"]
    command = ["setpriv", "--bounding-set", ",".join(["-all", *kept]), f"--reuid={user}",
               f"--regid={user}", "--clear-groups", SIDECAR, *each["command"][1:], *each["args"]]
    return hosts.run("a", *command, check=check)


class InjectedTest(unittest.TestCase):
    def setUp(self):
        self.hosts = self.enterContext(Hosts())

    def check(self):
        done = self.hosts.run("a", SIDECAR, "capture", "check", "--timeout", "1", check=False)
        return done.stdout.splitlines()

    def rules(self):
        return self.hosts.run("a", "nft", "list", "ruleset").stdout

    def test_the_init_container_redirects_with_its_two_capabilities(self):
        init = container(injected(exclude_outbound_ports="5432", exclude_inbound_ports="9999"),
                         "kith-init")
        self.assertEqual(init["securityContext"]["capabilities"]["add"], ["NET_ADMIN", "NET_RAW"])
        start(self.hosts, init)
        self.assertEqual(self.check(), ["outbound IPv4: works", "outbound IPv6: works"])
        rules = self.rules()
        for excluded in ("5432", "9999", "15020"):
            self.assertIn(excluded, rules)
        # A restarted pod sandbox runs it again.
        start(self.hosts, init)
        self.assertEqual(self.rules().count("15020"), rules.count("15020"))

    def test_without_its_capabilities_it_says_what_is_missing(self):
        init = container(injected(), "kith-init")
        del init["securityContext"]["capabilities"]["add"]
        done = start(self.hosts, init, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("NET_ADMIN", done.stderr)

    def test_networks_that_are_left_out_are_not_redirected(self):
        start(self.hosts, container(injected(exclude_outbound_networks="192.0.2.0/24"),
                                    "kith-init"))
        self.assertEqual(self.check()[1], "outbound IPv6: works")
        self.assertIn("outbound IPv4: fails", self.check()[0])

    def test_the_validation_fails_until_the_network_plugin_has_redirected(self):
        pod = injected(capture="cni")
        validation = container(pod, "kith-validation")
        self.assertNotIn("add", validation["securityContext"]["capabilities"])
        refused = start(self.hosts, validation, check=False)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        arguments = json.loads(pod["metadata"]["annotations"]["sidecar.kith.dev/capture-arguments"])
        self.hosts.run("a", SIDECAR, "capture", "apply", *arguments)
        start(self.hosts, validation)


if __name__ == "__main__":
    unittest.main()
