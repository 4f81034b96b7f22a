"""Injection: the webhook of a running control plane and `kithctl inject` make the same pod of every
shape in test/inject/corpus, and what they make starts as a sidecar.

The patch is applied by an implementation that is not ours (python3-jsonpatch).
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import unittest

import jsonpatch
import kubernetes_shapes
import mesh
import yaml

CORPUS = mesh.ROOT / "test" / "inject" / "corpus"
NAME = "kith-controlplane.kith-system.svc"


def canonical(value):
    return json.dumps(value, sort_keys=True)


def inject(*arguments, text=None, code=0):
    """kithctl inject; its objects, or its error."""
    done = subprocess.run([mesh.KITHCTL, "-o", "json", "inject", "--image", "kith:test", *arguments],
                          input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == code, (done.returncode, done.stderr)
    return json.loads(done.stdout) if code == 0 else done.stderr


class ControlPlane(mesh.Mesh):
    """A mesh whose control plane serves the webhook."""

    def __init__(self):
        super().__init__()
        self.webhook_port = mesh.free_port()
        with self.control_plane_config.open("a") as config:
            config.write(f"serverNames: [kith-controlplane, {NAME}]\n"
                         f"webhook:\n  address: 127.0.0.1:{self.webhook_port}\n"
                         "  injection: {image: 'kith:test'}\n")

    def review(self, path, kind, obj, operation="CREATE", dry_run=False):
        context = ssl.create_default_context(cafile=self.state / "root-cert.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", self.webhook_port, context=context)
        # The API server calls the Service's name, wherever that leads.
        raw = mesh.socket.create_connection(("127.0.0.1", self.webhook_port), timeout=10)
        connection.sock = context.wrap_socket(raw, server_hostname=NAME)
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "request": {"uid": "0c6b9a5e", "kind": {"kind": kind}, "namespace": "demo",
                            "operation": operation, "dryRun": dry_run, "object": obj}}
        try:
            connection.request("POST", path + "?timeout=10s", json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            review = json.load(answer)
        finally:
            connection.close()
        assert review["response"]["uid"] == "0c6b9a5e"
        return review["response"]


def pods(obj):
    """The pods of an object of the corpus."""
    kind = obj.get("kind")
    if kind == "List":
        return [pod for item in obj["items"] for pod in pods(item)]
    if kind == "Pod":
        return [obj]
    if kind == "CronJob":
        return [obj["spec"]["jobTemplate"]["spec"]["template"]]
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"):
        return [obj["spec"]["template"]]
    return []


class InjectionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plane = cls.enterClassContext(ControlPlane()).start()

    def patched(self, pod):
        """What the API server would make of it; None when it is refused."""
        response = self.plane.review("/inject", "Pod", pod)
        if not response["allowed"]:
            return None
        if "patch" not in response:
            return pod
        self.assertEqual(response["patchType"], "JSONPatch")
        return jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))

    def test_webhook_and_command_make_the_same_pod_of_every_shape(self):
        shapes = sorted(CORPUS.glob("*.yaml"))
        self.assertGreaterEqual(len(shapes), 40)
        injected = 0
        for path in shapes:
            # The command's JSON of what it leaves alone is the object as it was read.
            objects = [part for part in yaml.safe_load_all(path.read_text()) if part]
            befores = [pod for obj in objects for pod in pods(obj)]
            with self.subTest(path.stem):
                afters = [self.patched(pod) for pod in befores]
                if None in afters:
                    error = inject("-f", path, code=65)
                    self.assertIn("refused", error)
                    continue
                result = inject("-f", path)
                results = result["items"] if result["kind"] == "List" else [result]
                for obj in filter(pods, results):
                    kubernetes_shapes.check(obj)
                made = [pod for obj in results for pod in pods(obj)]
                self.assertEqual([canonical(pod) for pod in made],
                                 [canonical(pod) for pod in afters])
                injected += sum(canonical(a) != canonical(b) for a, b in zip(befores, afters))
        self.assertGreaterEqual(injected, 35)

    def test_asking_again_changes_nothing(self):
        for path in CORPUS.glob("probes-*.yaml"):
            once = self.patched(yaml.safe_load(path.read_text()))
            self.assertNotIn("patch", self.plane.review("/inject", "Pod", once))

    def test_validates_policies_with_the_registrys_words(self):
        policy = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
                  "metadata": {"name": "default", "namespace": "demo"},
                  "spec": {"mtls": {"mode": "STRICT"}}}
        self.assertTrue(self.plane.review("/validate", policy["kind"], policy)["allowed"])
        policy["spec"] = {"mtls": {"mode": "STRIKT"}}
        refused = self.plane.review("/validate", policy["kind"], policy, dry_run=True)
        self.assertFalse(refused["allowed"])
        self.assertIn("STRIKT", refused["status"]["message"])
        self.assertEqual(mesh.metric(self.plane.metrics_port, "kith_webhook_reviews_total",
                                     webhook="validate", result="refused"), 1)

    def test_what_is_not_changed_comes_out_byte_for_byte(self):
        path = CORPUS / "several-documents.yaml"
        done = subprocess.run([mesh.KITHCTL, "inject", "-f", "-"], input=path.read_bytes(),
                              capture_output=True, check=True)
        before, after = path.read_text().split("---\n"), done.stdout.decode().split("---\n")
        self.assertEqual([before[0], *before[2:]], [after[0], *after[2:]])
        self.assertIn("kith-sidecar", after[1])
        again = subprocess.run([mesh.KITHCTL, "uninject", "-f", "-"], input=done.stdout,
                               capture_output=True, check=True)
        self.assertEqual(list(yaml.safe_load_all(again.stdout)),
                         list(yaml.safe_load_all(path.read_text())))

    def start(self, shape, name, port):
        """The sidecar of an injected shape as the kubelet would start it; its application's ports
        are all this one."""
        pod = inject("-f", CORPUS / f"{shape}.yaml")
        container = next(c for c in pod["spec"]["initContainers"] if c["name"] == "kith-sidecar")
        # What the kubelet does: fields of the pod, then references among variables.
        values = {"POD_NAME": name, "POD_NAMESPACE": "demo", "SERVICE_ACCOUNT": "app"}
        text = next(v["value"] for v in container["env"] if v["name"] == "KITH_CONFIG")
        for variable, value in values.items():
            text = text.replace(f"$({variable})", value)
        config = json.loads(text)
        workload = self.plane.add(name, "app", outbound=[("x.demo.svc.cluster.local", 80)],
                                  start=False)
        # This machine's paths and ports in place of the pod's.
        config["controlPlane"] = {"address": f"127.0.0.1:{self.plane.port}",
                                  "serverName": "kith-controlplane",
                                  "trustBundleFile": str(self.plane.state / "root-cert.pem"),
                                  "tokenFile": str(workload.token_path)}
        config["identity"]["cache"]["directory"] = str(workload.directory / "identity")
        config["capture"] = {"outbound": f"127.0.0.1:{mesh.free_port()}"}
        config["admin"]["socket"] = str(workload.socket)
        config["observability"]["address"] = f"127.0.0.1:{workload.metrics_port}"
        for probe in config["applicationProbes"]:
            for check in ("httpGet", "tcpSocket"):
                if check in probe:
                    probe[check]["port"] = port
        os.environ["KITH_CONFIG"] = json.dumps(config)
        workload.process = mesh.Process(
            f"sidecar-env-{name}", [mesh.SIDECAR, *container["args"]], self.plane.directory)
        subprocess.run([mesh.SIDECAR, "wait", "--address", f"127.0.0.1:{workload.metrics_port}",
                        "--timeout", "20"], check=True, timeout=30)
        return workload

    def test_the_injected_container_starts_and_gets_its_identity(self):
        with mesh.socket.create_server(("127.0.0.1", 0)) as application:
            workload = self.start("probes-several-containers", "several-1",
                                  application.getsockname()[1])
            self.assertEqual(workload.status()["workload"]["name"], "several-1")
            probe = mesh.request(workload.metrics_port, "/app-health/other/livez")
            self.assertEqual(probe.status, 200)
        gone = mesh.request(workload.metrics_port, "/app-health/other/livez")
        self.assertEqual(gone.status, 500)
        self.assertEqual(workload.process.end(), 0)

    def test_an_https_probe_asks_the_application_over_tls_whatever_it_shows(self):
        certificate, key = (self.plane.directory / name for name in ("app.pem", "app-key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                        "-subj", "/CN=another.example", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

        def application(connection):
            with context.wrap_socket(connection, server_side=True) as tls:
                path = tls.recv(4096).split()[1]
                status = b"204 Ready" if path == b"/ready" else b"503 Not Alive"
                tls.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")

        workload = self.start("probes-https", "https-1", self.plane.server(application))

        def status(probe):
            return mesh.request(workload.metrics_port, f"/app-health/app/{probe}").status

        self.assertEqual((status("readyz"), status("livez")), (204, 503))
        self.assertEqual(workload.process.end(), 0)


if __name__ == "__main__":
    unittest.main()
