"""Policies that change back and forth under load. What no version allows and what every version
allows shows whether a request was ever decided by parts of two versions: DENY of one and ALLOW of the
other would let /never through."""

import json
import time

from mesh import Load, Mesh, allow, await_true, documents, request, service

HOST = "backend.demo.svc.cluster.local"


def paths(*names):
    return '  - to:\n    - operation: {paths: [' + ", ".join(f'"/{name}"' for name in names) + ']}'


# By version: the one denies /never, the other does not allow it.
VERSIONS = [
    documents(allow("version0-deny", "backend", paths("never", "x"), action="DENY"),
              allow("version0-allow", "backend", paths("always", "never", "first"))),
    documents(allow("version1-deny", "backend", paths("x"), action="DENY"),
              allow("version1-allow", "backend", paths("always", "second"))),
]


class Flips:
    """(requests, wrong answers, seconds until each flip was in force) of `count` flips."""

    def __init__(self, connections=16):
        self.mesh = Mesh()
        self.connections = connections
        application, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", service("backend", application))
        self.mesh.write("policies.yaml", VERSIONS[0])
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(application, "HTTP")])
        self.frontend = self.mesh.add("frontend", outbound=[(HOST, 80)])
        self.way = self.frontend.outbound[HOST]
        await_true("the first version", lambda: self.status("/first") == 200)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.mesh.__exit__(*problem)

    def status(self, path):
        return request(self.way, path).status

    def run(self, count, load_seconds):
        """The load must outlast the flips for all of them to count; `flipped` says how many did."""
        loads = [Load(self.way, load_seconds, self.connections, f"/{path}")
                 for path in ("always", "never")]
        started, waits = time.monotonic(), []
        for flip in range(1, count + 1):
            if time.monotonic() - started > load_seconds:
                break
            version = flip % 2
            written = time.monotonic()
            self.mesh.write("policies.yaml", VERSIONS[version])
            await_true(f"flip {flip}", lambda v=version: f"version{v}-allow" in json.dumps(
                self.backend.status()), 20)
            # Of those that come from now on, each is of this version.
            mine, other = ("/second", "/first") if version else ("/first", "/second")
            await_true(f"flip {flip} decides", lambda m=mine: self.status(m) == 200, 5)
            assert self.status(other) == 403, other
            waits.append(time.monotonic() - written)
        (allowed, refused), (denied, not_2xx) = (load.finish() for load in loads)
        return allowed + denied, refused + (denied - not_2xx), waits
