"""The chart: what it renders to holds together, gives the control plane what it needs and no more,
and configures it with what it accepts.

The templates keep to a subset of Helm's language (values, toJson, if/else/end), which is rendered
here, so that no Helm is needed.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import jsonschema
import mesh
import yaml
from fake_kubernetes import COLLECTIONS

# The one written in C where it is there: definitions are long.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CHART = mesh.ROOT / "deploy" / "helm" / "kith"
RELEASE = {"Name": "kith", "Namespace": "kith-system", "Service": "Helm"}
CONTROL = re.compile(r"^\s*\{\{- (if (?P<condition>[.\w]+)|else|end) \}\}$")
VALUE = re.compile(r"\{\{ (?P<json>toJson )?(?P<path>[.\w]+) \}\}")


def merged(base, more):
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    return {**base, **{key: merged(base.get(key), value) for key, value in more.items()}}


def values(*overrides):
    """The chart's values with others over them, as Helm checks and merges them."""
    result = yaml.safe_load((CHART / "values.yaml").read_text())
    for override in overrides:
        result = merged(result, override)
    jsonschema.validate(result, json.loads((CHART / "values.schema.json").read_text()))
    return result


def render(text, scope):
    def look_up(path):
        found = scope
        for part in path.strip(".").split("."):
            found = found[part]  # A name that is not there is an error, unlike in Helm.
        return found

    lines, stack = [], []
    for line in text.splitlines():
        control = CONTROL.match(line)
        if control and control["condition"]:
            stack.append(bool(look_up(control["condition"])))
        elif control and "else" in line:
            stack[-1] = not stack[-1]
        elif control:
            stack.pop()
        elif all(stack):
            lines.append(VALUE.sub(lambda m: json.dumps(look_up(m["path"])) if m["json"]
                                   else str(look_up(m["path"])), line))
    assert not stack, "an if without its end"
    rendered = "\n".join(lines) + "\n"
    assert "{{" not in rendered, rendered[rendered.index("{{"):][:80]
    return rendered


def chart(*overrides):
    """All objects, by (kind, name); not to be changed."""
    return _chart(json.dumps(overrides))


@functools.lru_cache
def _chart(overrides):
    scope = {"Values": values(*json.loads(overrides)), "Release": RELEASE, "Chart": {
        "AppVersion": yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]}}
    objects = {}
    for template in sorted((CHART / "templates").glob("*.yaml")):
        for document in yaml.load_all(render(template.read_text(), scope), LOADER):
            if document:
                key = document["kind"], document["metadata"]["name"]
                assert key not in objects, key
                objects[key] = document
    return objects


EVERYTHING = {"podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True},
              "podMonitor": {"enabled": True}, "webhook": {"takeIstioLabel": True}, "tag": "v9",
              "imagePullSecrets": [{"name": "pull"}]}
HA = [yaml.safe_load((CHART / "values-ha.yaml").read_text()), {"ca": {"secret": "kith-ca"}}]


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
            if path.startswith("/apis/"):
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


if __name__ == "__main__":
    unittest.main()
