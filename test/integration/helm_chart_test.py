"""The chart: what it renders to holds together, gives the control plane what it needs and no more,
and configures it with what it accepts. `kithctl install` prints the same.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import jsonschema
import kubernetes_shapes
import mesh
import yaml
from chart import EVERYTHING, HA, LOADER, chart, values
from fake_kubernetes import COLLECTIONS


class HelmChartTest(unittest.TestCase):
    def test_every_reference_leads_somewhere(self):
        for overrides in ([], [EVERYTHING], HA):
            objects = chart(*overrides)
            pod = objects["Deployment", "kith-controlplane"]["spec"]["template"]
            volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
            mounts = {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
            self.assertEqual(mounts, set(volumes))
            self.assertIn(("ConfigMap", volumes["config"]["configMap"]["name"]), objects)
            if "persistentVolumeClaim" in volumes["state"]:
                self.assertIn(("PersistentVolumeClaim",
                               volumes["state"]["persistentVolumeClaim"]["claimName"]), objects)
            self.assertIn(("ServiceAccount", pod["spec"]["serviceAccountName"]), objects)
            labels = pod["metadata"]["labels"].items()
            service = objects["Service", "kith-controlplane"]["spec"]
            self.assertLessEqual(service["selector"].items(), labels)
            ports = {port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
            self.assertLessEqual({port["targetPort"] for port in service["ports"]}, ports)
            for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
                for webhook in objects[kind, "kith"]["webhooks"]:
                    client = webhook["clientConfig"]["service"]
                    self.assertIn(("Service", client["name"]), objects)
                    self.assertIn(client["path"], ("/inject", "/validate"))
                    self.assertEqual(webhook["sideEffects"], "None")

    def test_every_object_has_the_shape_that_the_api_server_takes(self):
        for overrides in ([EVERYTHING], HA):
            for obj in chart(*overrides).values():
                kubernetes_shapes.check(obj)
        wrong = json.loads(json.dumps(chart()["Deployment", "kith-controlplane"]))
        for change in ({"replica": 1}, {"replicas": "1"}, {"selector": None}):
            with self.assertRaises(kubernetes_shapes.WrongShape):
                kubernetes_shapes.check({**wrong, "spec": {**wrong["spec"], **change}})

    def test_no_namespace_is_injected_by_two_selectors_or_its_own(self):
        for webhook in chart(EVERYTHING)["MutatingWebhookConfiguration", "kith"]["webhooks"]:
            expressions = webhook["namespaceSelector"]["matchExpressions"]
            excluded = next(e for e in expressions if e["operator"] == "NotIn")["values"]
            self.assertLessEqual({"kube-system", "kith-system"}, set(excluded))

    def test_rights_are_those_that_are_used(self):
        rules = chart()["ClusterRole", "kith-controlplane"]["rules"]
        self.assertNotIn("*", json.dumps(rules))
        self.assertNotIn("secrets", json.dumps(rules))
        allowed = {(group, resource, verb) for rule in rules for group in rule["apiGroups"]
                   for resource in rule["resources"] for verb in rule["verbs"]}
        for plural, path in COLLECTIONS.items():
            group = path.split("/")[2] if path.startswith("/apis/") else ""
            self.assertIn((group, plural, "list"), allowed)
            if plural != "namespaces":
                self.assertIn((group, plural, "watch"), allowed)

    def test_the_control_plane_accepts_its_configuration(self):
        for overrides in ([], [EVERYTHING]):
            text = chart(*overrides)["ConfigMap", "kith-controlplane"]["data"]["controlplane.yaml"]
            with tempfile.TemporaryDirectory(prefix="kith-test-") as directory:
                (pathlib.Path(directory) / "registry").mkdir()
                path = pathlib.Path(directory) / "controlplane.yaml"
                path.write_text(text.replace("/var/lib/kith", directory))
                environment = {**os.environ, "KUBERNETES_SERVICE_HOST": "10.96.0.1",
                               "KUBERNETES_SERVICE_PORT": "443"}
                done = subprocess.run([mesh.CONTROL_PLANE, "--config", path, "--check"],
                                      env=environment, capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_several_control_planes_share_one_authority(self):
        deployment = chart(*HA)["Deployment", "kith-controlplane"]["spec"]
        self.assertEqual(deployment["replicas"], 2)
        self.assertNotIn("strategy", deployment)
        config = chart(*HA)["ConfigMap", "kith-controlplane"]["data"]["controlplane.yaml"]
        self.assertEqual(yaml.safe_load(config)["ca"]["keyFile"], "/etc/kith/ca/tls.key")

    def test_values_that_mean_nothing_are_refused(self):
        for wrong in ({"replica": 2}, {"replicas": 0}, {"webhook": {"failurePolicy": "Maybe"}}):
            with self.assertRaises(jsonschema.ValidationError):
                values(wrong)

    def test_definitions_are_written_from_the_shapes(self):
        subprocess.run([mesh.ROOT / "deploy" / "helm" / "crds.py", "--check"], check=True)
        definitions = {name: crd for (kind, name), crd in chart().items()
                       if kind == "CustomResourceDefinition"}
        for plural, path in COLLECTIONS.items():
            if path.startswith("/apis/") and not path.split("/")[2].endswith(".k8s.io"):
                group, version = path.split("/")[2:4]
                crd = definitions[f"{plural}.{group}"]
                stored = next(v for v in crd["spec"]["versions"] if v["storage"])
                self.assertEqual(stored["name"], version)
        schema = definitions["peerauthentications.security.istio.io"]["spec"]["versions"][0][
            "schema"]["openAPIV3Schema"]
        jsonschema.validate({"spec": {"mtls": {"mode": "STRICT"}}}, schema)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"spec": {"mtls": {"mode": "STRIKT"}}}, schema)

    def test_definitions_stay_away_where_istio_has_its_own(self):
        kinds = [name for kind, name in chart({"crds": {"istio": False}})
                 if kind == "CustomResourceDefinition"]
        self.assertEqual(len(kinds), 3)
        self.assertTrue(all(name.endswith(".mesh.kith.dev") for name in kinds))


def install(*arguments):
    return subprocess.run([mesh.KITHCTL, "install", *arguments], capture_output=True, text=True,
                          timeout=30)


class InstallTest(unittest.TestCase):
    def printed(self, *arguments):
        done = install(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return list(yaml.load_all(done.stdout, LOADER))

    def assert_is_the_chart(self, printed, *overrides):
        self.assertEqual({(each["kind"], each["metadata"]["name"]): each for each in printed},
                         chart(*overrides, service="kithctl"))
        self.assertEqual(len(printed), len(chart(*overrides)))

    def test_prints_what_the_chart_renders_to(self):
        self.assert_is_the_chart(self.printed())
        with tempfile.TemporaryDirectory(prefix="kith-test-") as directory:
            path = pathlib.Path(directory) / "values.yaml"
            path.write_text(yaml.safe_dump(EVERYTHING))
            self.assert_is_the_chart(self.printed("-f", path, "--set", "replicas=3"), EVERYTHING,
                                     {"replicas": 3})
        self.assert_is_the_chart(self.printed("--high-availability", "--set", "ca.secret=kith-ca"),
                                 *HA)

    def test_prints_a_list_for_programs(self):
        items = json.loads(install("-o", "json").stdout)["items"]
        self.assert_is_the_chart(items)
        namespace = self.printed("--create-namespace", "--namespace", "mesh")[0]
        self.assertEqual((namespace["kind"], namespace["metadata"]["name"]), ("Namespace", "mesh"))

    def test_shows_the_values_there_are(self):
        self.assertEqual(install("--show-values").stdout,
                         (mesh.ROOT / "deploy/helm/kith/values.yaml").read_text())

    def test_prints_nothing_for_values_that_mean_nothing(self):
        for wrong, why in (("replica=2", "replica: is not known"), ("replicas=0", "at least 1"),
                           ("webhook.failurePolicy=Maybe", "webhook.failurePolicy: \"Maybe\"")):
            done = install("--set", wrong)
            self.assertEqual((done.returncode, done.stdout), (65, ""))
            self.assertIn(why, done.stderr)
        self.assertEqual(install("-f", "/nowhere.yaml").returncode, 65)


if __name__ == "__main__":
    unittest.main()
