"""The house's layers: a folder under source/ sees only folders of lower layers."""

LAYERS = [
    ["base"],
    ["config", "event", "telemetry"],
    ["net", "mesh", "x509"],
    ["tls", "http", "policy", "capture"],
    ["identity", "jwt", "ratelimit", "extauthz", "https", "inject"],
    ["control", "proxy", "kubernetes"],
    ["sidecar", "controlplane", "ctl"],
]

def _layer_of(folder):
    for number, folders in enumerate(LAYERS):
        if folder in folders:
            return number
    fail("source/{} has no layer; add it to bazel/layers.bzl and design.md".format(folder))

def visibility_of(package):
    """Who may depend on a target of `package`: its own folder, higher layers, and tests."""
    parts = package.split("/")
    if parts[0] != "source":
        return ["//visibility:public"]
    layer = _layer_of(parts[1])
    allowed = ["//source/{}:__subpackages__".format(parts[1]), "//test:__subpackages__"]
    for folders in LAYERS[layer + 1:]:
        allowed += ["//source/{}:__subpackages__".format(folder) for folder in folders]
    return allowed
