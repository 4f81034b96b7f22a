#!/usr/bin/python3
"""Writes the chart's CustomResourceDefinitions from the protobuf shapes that the programs read.

usage: crds.py [--check]     --check changes nothing and fails when they are not current
Needs protoc and python3-protobuf, which is Debian's Python's.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "deploy" / "helm" / "kith" / "templates"
Field = descriptor_pb2.FieldDescriptorProto

# (file, value that includes it): group, versions (the first is stored), kind, plural, message.
ISTIO_VERSIONS = ["v1", "v1beta1"]
KINDS = {
    ("crds-istio.yaml", "istio"): [
        ("security.istio.io", ISTIO_VERSIONS, "AuthorizationPolicy", "authorizationpolicies",
         "kith.security.v1.AuthorizationPolicy"),
        ("security.istio.io", ISTIO_VERSIONS, "PeerAuthentication", "peerauthentications",
         "kith.security.v1.PeerAuthentication"),
        ("security.istio.io", ISTIO_VERSIONS, "RequestAuthentication", "requestauthentications",
         "kith.security.v1.RequestAuthentication"),
        ("networking.istio.io", [*ISTIO_VERSIONS, "v1alpha3"], "DestinationRule",
         "destinationrules", "kith.networking.v1.DestinationRule"),
        ("networking.istio.io", [*ISTIO_VERSIONS, "v1alpha3"], "ServiceEntry", "serviceentries",
         "kith.networking.v1.ServiceEntry"),
        ("networking.istio.io", [*ISTIO_VERSIONS, "v1alpha3"], "WorkloadEntry", "workloadentries",
         "kith.networking.v1.WorkloadEntry"),
    ],
    ("crds-kith.yaml", "kith"): [
        ("mesh.kith.dev", ["v1alpha1"], "MeshConfig", "meshconfigs",
         "kith.meshconfig.v1.MeshConfig"),
        ("mesh.kith.dev", ["v1alpha1"], "RateLimitPolicy", "ratelimitpolicies",
         "kith.ratelimit.v1.RateLimitPolicy"),
        ("mesh.kith.dev", ["v1alpha1"], "TrustPolicy", "trustpolicies",
         "kith.trust.v1.TrustPolicy"),
    ],
}
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# Messages with a form of their own in JSON.
WELL_KNOWN = {
    ".google.protobuf.Duration": {"type": "string"},
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Struct": ANYTHING,
    ".google.protobuf.Value": {"x-kubernetes-preserve-unknown-fields": True},
    ".google.protobuf.ListValue": {"type": "array", "items": {
        "x-kubernetes-preserve-unknown-fields": True}},
    ".google.protobuf.BoolValue": {"type": "boolean"},
    ".google.protobuf.StringValue": {"type": "string"},
    ".google.protobuf.DoubleValue": {"type": "number"},
    ".google.protobuf.FloatValue": {"type": "number"},
    ".google.protobuf.Int32Value": {"type": "integer"},
    ".google.protobuf.UInt32Value": {"type": "integer", "minimum": 0},
    ".google.protobuf.Int64Value": {"type": "integer"},
    ".google.protobuf.UInt64Value": {"type": "integer", "minimum": 0},
}
SCALARS = {
    Field.TYPE_BOOL: {"type": "boolean"},
    Field.TYPE_STRING: {"type": "string"},
    Field.TYPE_BYTES: {"type": "string", "format": "byte"},
    Field.TYPE_DOUBLE: {"type": "number"},
    Field.TYPE_FLOAT: {"type": "number"},
    Field.TYPE_INT32: {"type": "integer", "format": "int32"},
    Field.TYPE_INT64: {"type": "integer", "format": "int64"},
    Field.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    Field.TYPE_UINT64: {"type": "integer", "minimum": 0},
}


class Shapes:
    """Messages, enumerations and their comments, by full name."""

    def __init__(self):
        self.messages, self.enums, self.comments = {}, {}, {}
        protos = sorted(str(p.relative_to(ROOT / "api")) for p in (ROOT / "api" / "kith").rglob("*.proto"))
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["protoc", "-I", "api", "-I", "/usr/include", "--include_source_info",
                            "--include_imports", f"--descriptor_set_out={out.name}", *protos],
                           cwd=ROOT, check=True)
            files = descriptor_pb2.FileDescriptorSet.FromString(out.read()).file
        for file in files:
            comments = {tuple(location.path): " ".join(
                (location.leading_comments or location.trailing_comments).split())
                for location in file.source_code_info.location}
            for i, message in enumerate(file.message_type):
                self._add(f".{file.package}", message, (4, i), comments)
            for enum in file.enum_type:
                self.enums[f".{file.package}.{enum.name}"] = enum

    def _add(self, scope, message, path, comments):
        name = f"{scope}.{message.name}"
        self.messages[name] = message
        for i, field in enumerate(message.field):
            self.comments[name, field.name] = comments.get((*path, 2, i), "")
        for i, inner in enumerate(message.nested_type):
            self._add(name, inner, (*path, 3, i), comments)
        for enum in message.enum_type:
            self.enums[f"{name}.{enum.name}"] = enum

    def of_field(self, field, seen):
        """The schema of one value of a field."""
        if field.type == Field.TYPE_MESSAGE:
            return dict(WELL_KNOWN.get(field.type_name) or self.of_message(field.type_name, seen))
        if field.type == Field.TYPE_ENUM:
            values = [value.name for value in self.enums[field.type_name].value]
            return {"type": "string", "enum": values}
        return dict(SCALARS[field.type])

    def of_message(self, name, seen=()):
        if name in seen:
            return dict(ANYTHING)
        message = self.messages[name]
        entries = {f"{name}.{inner.name}": inner for inner in message.nested_type
                   if inner.options.map_entry}
        properties = {}
        for field in message.field:
            entry = entries.get(field.type_name)
            if entry is not None:
                schema = {"type": "object",
                          "additionalProperties": self.of_field(entry.field[1], (*seen, name))}
            else:
                schema = self.of_field(field, (*seen, name))
                if field.label == Field.LABEL_REPEATED:
                    schema = {"type": "array", "items": schema}
            if comment := self.comments.get((name, field.name)):
                schema["description"] = comment
            properties[field.json_name] = schema
        return {"type": "object", "properties": properties}


def definition(shapes, group, versions, kind, plural, message):
    spec = next(f for f in shapes.messages["." + message].field if f.name == "spec")
    schema = {"type": "object", "properties": {
        "spec": shapes.of_message(spec.type_name), "status": dict(ANYTHING)}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": {"app.kubernetes.io/part-of": "kith"},
                     # They, and all objects of them, outlive the chart.
                     "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {"group": group, "scope": "Namespaced",
                 "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural,
                           "singular": kind.lower()},
                 "versions": [{"name": version, "served": True, "storage": version == versions[0],
                               "subresources": {"status": {}},
                               "schema": {"openAPIV3Schema": schema}} for version in versions]}}


def render(shapes, value, kinds):
    lines = [f"{{{{- if .Values.crds.{value} }}}}",
             "# Written by deploy/helm/crds.py from api/: change the shapes, then run it."]
    for kind in kinds:
        # One line each: JSON is YAML, and nobody reads a schema in a diff. Helm's own braces
        # do not occur: a space parts those of JSON.
        text = json.dumps(definition(shapes, *kind), sort_keys=True)
        lines += ["---", text.replace("{{", "{ {").replace("}}", "} }")]
    return "\n".join([*lines, "{{- end }}", ""])


def main():
    shapes = Shapes()
    stale = []
    for (name, value), kinds in KINDS.items():
        text = render(shapes, value, kinds)
        path = TEMPLATES / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"not current: {', '.join(stale)}; run deploy/helm/crds.py")


if __name__ == "__main__":
    main()
