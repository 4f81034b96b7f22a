"""`kithctl check`: what is in order is said to be, and each thing that is not is a line with a hint,
in a cluster before and after installation, and at the sockets of one machine.
"""

import base64
import json
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import unittest

import mesh
import yaml
from chart import chart
from fake_kubernetes import FakeKubernetes

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/"
MUTATING = WEBHOOKS + "mutatingwebhookconfigurations/kith"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
DEPLOYMENT = "/apis/apps/v1/namespaces/kith-system/deployments/kith-controlplane"
ROOTS = "/api/v1/namespaces/{}/configmaps/kith-root-cert"


def root(directory, name, days=365):
    """The PEM of a root that ends after so many days."""
    path = directory / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", f"/CN={name}",
                    "-keyout", directory / f"{name}-key.pem", "-out", path],
                   check=True, capture_output=True)
    return path.read_text()


def pod(name, image, ready="True", injected=True):
    annotations = {"sidecar.kith.dev/status": "{}"} if injected else {}
    return {"metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            "spec": {"initContainers": [{"name": "kith-sidecar", "image": image}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}


class Cluster:
    """A cluster in which Kith is installed, and all is well."""

    def __init__(self, test):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-test-"))
        test.addCleanup(shutil.rmtree, self.directory)
        self.api = FakeKubernetes(self.directory)
        test.addCleanup(self.api.stop)
        self.roots = root(self.directory, "root")
        bundle = base64.b64encode(self.roots.encode()).decode()
        for (kind, name), obj in chart().items():
            obj = json.loads(json.dumps(obj))
            if kind == "CustomResourceDefinition":
                obj["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
                self.api.statics[CRDS + name] = obj
            if kind.endswith("WebhookConfiguration"):
                for webhook in obj["webhooks"]:
                    webhook["clientConfig"]["caBundle"] = bundle
                self.api.webhooks[f"{WEBHOOKS}{kind.lower()}s/{name}"] = obj
            if kind == "Deployment":
                self.image = obj["spec"]["template"]["spec"]["containers"][0]["image"]
                self.api.statics[DEPLOYMENT] = {**obj, "status": {"readyReplicas": 1}}
        self.api.statics["/api/v1/namespaces/kith-system"] = {"metadata": {"name": "kith-system"}}
        for namespace in ("kith-system", "shop"):
            self.api.config_maps[ROOTS.format(namespace)] = {"data": {"root-cert.pem": self.roots}}
        self.api.put("pods", pod("web", self.image))
        self.api.put("pods", pod("old", "", injected=False))

    def kubeconfig(self, user=None, **cluster):
        config = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {
                "server": f"https://127.0.0.1:{self.api.port}",
                "certificate-authority-data": base64.b64encode(
                    self.api.ca_file.read_bytes()).decode(), **cluster}}],
            "users": [{"name": "u", "user": user or {"token": self.api.token}}]}
        path = self.directory / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def check(self, *arguments, kubeconfig=None):
        return kithctl("check", "--kubeconfig", kubeconfig or self.kubeconfig(), *arguments)


def kithctl(*arguments):
    return subprocess.run([mesh.KITHCTL, *arguments], capture_output=True, text=True, timeout=60)


def lines(done):
    """{check: (result, detail, hint)} of a run with -o json."""
    return {line["check"]: (line["result"], line.get("detail", ""), line.get("hint", ""))
            for line in json.loads(done.stdout)["checks"]}


class ClusterCheckTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(self)
        self.api = self.cluster.api

    def assert_lines(self, expected, *arguments):
        """expected: {check: (result, what its detail holds)}; each has a hint."""
        done = self.cluster.check("-o", "json", *arguments)
        found = lines(done)
        for check, (result, detail) in expected.items():
            self.assertEqual(found[check][0], result, done.stdout)
            self.assertIn(detail, found[check][1])
            self.assertTrue(found[check][2], "a hint")
        any_bad = any(line[0] == "bad" for line in found.values())
        self.assertEqual(done.returncode, 1 if any_bad else 0)

    def test_all_is_well(self):
        done = self.cluster.check()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("FAIL", done.stdout)
        self.assertNotIn("warn ", done.stdout)
        self.assertIn("ok   pods have sidecars (1)", done.stdout)
        self.assertRegex(done.stdout, r"\d+ checks: none failed, 0 warnings")

    def test_a_terminal_gets_signs(self):
        answer, terminal = pty.openpty()
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        subprocess.run([mesh.KITHCTL, "check", "--socket", "/nowhere.sock"],
                       stdout=terminal, env=environment, timeout=60, check=False)
        os.close(terminal)
        self.assertIn("× it answers", os.read(answer, 65536).decode())
        os.close(answer)

    def test_what_is_wrong_after_installation_is_said(self):
        self.api.statics[DEPLOYMENT]["status"] = {"readyReplicas": 0}
        del self.api.statics[CRDS + "meshconfigs.mesh.kith.dev"]
        other = root(self.cluster.directory, "other", days=10)
        webhook = self.api.webhooks[MUTATING]["webhooks"][1]["clientConfig"]
        webhook["caBundle"] = base64.b64encode(other.encode()).decode()
        self.api.config_maps[ROOTS.format("shop")] = {"data": {"root-cert.pem": other}}
        self.api.put("pods", pod("web", "kith:0.0.1", ready="False"))
        self.assert_lines({
            "its pods are ready": ("bad", "0 of 1 ready"),
            "the policy kinds are defined": ("bad", "meshconfigs.mesh.kith.dev"),
            "the injecting webhook trusts these roots": ("bad", "caBundle"),
            "their namespaces have the control plane's roots": ("bad", "shop"),
            "they are ready": ("warning", "shop/web"),
            "their sidecars are of the control plane's version": (
                "warning", "shop/web (kith:0.0.1)")})

    def test_what_is_missing_after_installation_is_said(self):
        del self.api.statics[DEPLOYMENT]
        self.api.delete("pods", "shop", "web")
        other = root(self.cluster.directory, "other", days=10)
        self.api.config_maps[ROOTS.format("kith-system")] = {"data": {"root-cert.pem": other}}
        self.assert_lines({
            "its Deployment is there": ("bad", "404"),
            "pods have sidecars": ("warning", "none has"),
            "the roots of the control plane are valid": ("warning", "only for 9d23h")})
        del self.api.statics["/api/v1/namespaces/kith-system"]
        self.api.config_maps[ROOTS.format("kith-system")] = {"data": {"root-cert.pem": "x"}}
        self.assert_lines({"its namespace is there": ("bad", "404"),
                           "the roots of the control plane are valid": ("bad", "")})

    def test_before_installation_permissions_and_other_meshes_are_looked_at(self):
        self.assert_lines({"Kith is not installed yet": ("warning", "Deployment")}, "--pre")
        self.api.denied.add("clusterroles")
        self.api.git_version = "v1.28.9"
        self.api.clock_ahead = 600
        self.api.statics[CRDS + "authorizationpolicies.security.istio.io"]["metadata"]["labels"] = {}
        self.api.statics[WEBHOOKS + "mutatingwebhookconfigurations"] = {
            "items": [{"metadata": {"name": "istio-sidecar-injector"}}]}
        self.assert_lines({
            "you may create clusterroles": ("bad", "says no"),
            "Kubernetes is 1.29 or newer": ("bad", "v1.28.9"),
            "its clock and this one agree": ("bad", "9m"),
            "no other mesh owns the policy kinds": ("warning", "Istio"),
            "no other mesh injects sidecars": ("warning", "istio-sidecar-injector")}, "--pre")

    def test_each_way_to_prove_who_asks_is_taken_or_refused_by_name(self):
        certificate = {"client-certificate": "api-ca.pem", "client-key": "api-key.pem"}
        done = self.cluster.check("--pre", kubeconfig=self.cluster.kubeconfig(user=certificate))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = kithctl("check", "--pre", "--server", f"127.0.0.1:{self.api.port}", "--ca-file",
                       self.api.ca_file, "--token-file", self.api.token_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = self.cluster.check(kubeconfig=self.cluster.kubeconfig(user={"token": "wrong"}))
        self.assertEqual(done.returncode, 1)
        self.assertIn("401", done.stdout)
        for user, cluster, what in (({"exec": {"command": "aws"}}, {}, "user u: exec: "),
                                    (None, {"insecure-skip-tls-verify": True}, "insecure-skip"),
                                    (None, {"server": "http://x"}, "must be https://")):
            done = self.cluster.check(kubeconfig=self.cluster.kubeconfig(user=user, **cluster))
            self.assertEqual(done.returncode, 65)
            self.assertIn(what, done.stderr)
        self.assertEqual(kithctl("check", "--kubeconfig", "/nowhere").returncode, 65)
        self.assertEqual(kithctl("check", "--token-file", "x").returncode, 64)

    def test_a_server_of_another_authority_is_not_believed(self):
        other = base64.b64encode(self.cluster.roots.encode()).decode()
        done = self.cluster.check(
            kubeconfig=self.cluster.kubeconfig(**{"certificate-authority-data": other}))
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAIL the API answers", done.stdout)


class SocketCheckTest(unittest.TestCase):
    def test_a_machines_programs_are_looked_at(self):
        with mesh.Mesh() as net:
            net.start()
            backend = net.add("backend", outbound=[("x.demo.svc.cluster.local", 80)])
            sockets = ["--socket", net.socket, "--socket", backend.socket]
            done = kithctl("check", *sockets)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("sidecar backend at", done.stdout)
            self.assertNotIn("warn ", done.stdout)
            net.write("bad.yaml", "kind: Nothing\n")
            mesh.await_true("the bad file is seen", lambda: mesh.metric(
                net.metrics_port, "kith_registry_files", state="bad") == 1)
            self.assertIn("bad.yaml", lines(kithctl("check", "-o", "json", *sockets))[
                "its documents are good"][1])
            net.control_plane.end()
            mesh.await_true("the sidecar notices", lambda: lines(
                kithctl("check", "-o", "json", "--socket", backend.socket))[
                    "it is connected to its control plane"][0] == "warning")
            done = kithctl("check", "--socket", net.socket)
            self.assertEqual(done.returncode, 1)
            self.assertIn("FAIL it answers", done.stdout)


if __name__ == "__main__":
    unittest.main()
