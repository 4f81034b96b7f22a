"""The chart as Helm renders it: its templates keep to a subset of Helm's language (values, toJson,
if/else/end), which is rendered here, so that no Helm is needed.
"""

import functools
import json
import re

import jsonschema
import mesh
import yaml

# The one written in C where it is there: definitions are long.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CHART = mesh.ROOT / "deploy" / "helm" / "kith"
RELEASE = {"Name": "kith", "Namespace": "kith-system"}
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


def chart(*overrides, service="Helm"):
    """All objects, by (kind, name), as `service` releases them; not to be changed."""
    return _chart(json.dumps(overrides), service)


@functools.lru_cache
def _chart(overrides, service):
    release = {**RELEASE, "Service": service}
    scope = {"Values": values(*json.loads(overrides)), "Release": release, "Chart": {
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
