"""Checks objects against Kubernetes' own OpenAPI shapes, as Debian's python3-kubernetes has them:
every field is known, of its type, and none that is required is missing. They are those of Kubernetes
1.22; what came later is named here.
"""

import re

import kubernetes.client as shapes

LATER = {
    ("V1Container", "restartPolicy"): str,  # 1.28: native sidecars.
    ("V1PodSpec", "os"): dict,  # 1.23
}
# Of other projects: only that they are objects with a name.
FOREIGN = {"PodMonitor"}
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}


class WrongShape(AssertionError):
    pass


def _check(value, kind, path):
    if value is None or kind == "object":  # "object" is anything: IntOrString, JSON.
        return
    if match := re.fullmatch(r"list\[(.*)\]", kind):
        _expect(value, list, path)
        for i, each in enumerate(value):
            _check(each, match[1], f"{path}[{i}]")
    elif match := re.fullmatch(r"dict\(str, (.*)\)", kind):
        _expect(value, dict, path)
        for key, each in value.items():
            _check(each, match[1], f"{path}.{key}")
    elif kind in SCALARS:
        _expect(value, SCALARS[kind], path)
        if kind == "int" and isinstance(value, bool):
            raise WrongShape(f"{path}: a boolean where a number belongs")
    else:
        _check_model(value, kind, path)


def _expect(value, types, path):
    if not isinstance(value, types):
        raise WrongShape(f"{path}: {value!r} is of another type than {types}")


def _check_model(value, kind, path):
    _expect(value, dict, path)
    model = getattr(shapes, kind)
    fields = {name: attribute for attribute, name in model.attribute_map.items()}
    given = {}
    for name, each in value.items():
        if (kind, name) in LATER:
            _expect(each, LATER[kind, name], f"{path}.{name}")
            continue
        if name not in fields:
            raise WrongShape(f"{path}.{name}: {kind} has no such field")
        _check(each, model.openapi_types[fields[name]], f"{path}.{name}")
        given[fields[name]] = each
    try:
        model(**given)  # Says what is required and missing, and which values there are.
    except ValueError as error:
        raise WrongShape(f"{path}: {error}") from error


def check(obj):
    """Raises WrongShape for what the API server would not take."""
    kind, version = obj["kind"], obj["apiVersion"]
    name = f"{kind} {obj['metadata'].get('name', '')}"
    if kind in FOREIGN:
        return
    model = getattr(shapes, "V1" + kind, None)
    if model is None or not version.endswith("v1"):
        raise WrongShape(f"{name}: {version} has no such kind")
    _check_model(obj, "V1" + kind, name)
