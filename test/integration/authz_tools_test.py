"""kithctl says why a sidecar decided as it did, what other policies would do, and who is not ready for
STRICT: from the running sidecar, and from its log."""

import json
import subprocess
import unittest

from mesh import KITHCTL, Mesh, allow, await_true, documents, request, service

HOST = "backend.demo.svc.cluster.local"
FRONTEND = "cluster.local/ns/demo/sa/frontend"
RULES = f"""
  - from:
    - source: {{principals: ["{FRONTEND}"]}}
    to:
    - operation: {{methods: ["GET"], paths: ["/items", "/items/*"]}}
  - to:
    - operation: {{methods: ["GET"], paths: ["/open"]}}
"""
TRIAL = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: trial
  namespace: demo
  annotations: {istio.io/dry-run: "true"}
spec:
  selector: {matchLabels: {app: backend}}
  action: DENY
  rules: [{to: [{operation: {paths: ["/items/*"]}}]}]
"""


def run(*arguments, stdin=""):
    return subprocess.run([KITHCTL, *map(str, arguments)], input=stdin, capture_output=True,
                          text=True, timeout=30)


class AuthzToolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.app, _ = cls.mesh.nginx("location / { return 200 ok; }")
        cls.mesh.write("services.yaml", service("backend", cls.app))
        cls.mesh.write("policy.yaml", documents(
            allow("readers", "backend", RULES),
            allow("watch", "backend", "  - to: [{operation: {methods: [PUT]}}]", action="AUDIT"),
            TRIAL))
        cls.mesh.start()
        cls.backend = cls.mesh.add("backend", inbound=[(cls.app, "HTTP")], start=False)
        config = cls.backend.config_path.read_text().replace(
            "observability:", "observability:\n  recentDecisions: 100\n  accessLogHeaders: [X-Team]")
        cls.backend.config_path.write_text(config)
        cls.backend.start().await_ready()
        cls.frontend = cls.mesh.add("frontend", outbound=[(HOST, 80)])
        cls.through = cls.frontend.outbound[HOST]
        await_true("the way to the backend", lambda: request(cls.through, "/open").status == 200)
        for path, method, team in (("/items/17", "GET", "a"), ("/items", "GET", "b"),
                                   ("/items", "PUT", "a")):
            request(cls.through, path, method, headers={
                "x-request-id": f"id{method}{path.replace('/', '-')}", "x-team": team})
        # A client of no mesh.
        request(cls.backend.inbound[cls.app], "/open", headers={"x-request-id": "in-the-clear"})
        cls.backend.logged(request_id="in-the-clear")
        cls.backend.logged(request_id="idPUT-items")

    def explain(self, request_id):
        done = run("authz", "explain", "-o", "json", "--socket", self.backend.socket,
                   "--request-id", request_id)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode, json.loads(done.stdout)

    def write(self, name, text):
        path = self.mesh.directory / name
        path.write_text(text)
        return path

    def test_explains_a_request_of_the_running_sidecar_by_its_id(self):
        code, answer = self.explain("idGET-items-17")
        self.assertEqual((code, answer["decision"], answer["policy"], answer["rule"]),
                         (0, "allowed", "demo/readers", 0))
        self.assertEqual((answer["from"], answer["to"]), (0, 0))
        self.assertEqual(answer["dryRun"],
                         {"decision": "denied", "policy": "demo/trial", "rule": 0, "to": 0})
        code, answer = self.explain("idPUT-items")
        self.assertEqual((code, answer["decision"], answer["audit"]), (1, "denied", "demo/watch"))
        self.assertEqual(answer["nearest"]["mismatches"],
                         [{"field": "to[0].operation.methods", "expected": ["GET"],
                           "got": '"PUT"'}])
        self.assertEqual(answer["recorded"]["decision"], "denied")

    def test_explains_a_request_of_flags_under_the_sidecars_policies(self):
        done = run("authz", "explain", "--socket", self.backend.socket, "--principal",
                   "cluster.local/ns/demo/sa/intruder", "--path", "/items")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("nearest:   demo/readers rules[0]", done.stdout)
        self.assertIn('"cluster.local/ns/demo/sa/intruder"', done.stdout)
        self.assertEqual(run("authz", "explain", "--socket", self.backend.socket, "--principal",
                             FRONTEND, "--path", "/items").returncode, 0)

    def test_says_that_a_request_is_not_remembered(self):
        done = run("authz", "explain", "--socket", self.backend.socket, "--request-id", "nobody")
        self.assertEqual(done.returncode, 1)
        self.assertIn("remembers no request nobody", done.stderr)
        self.assertEqual(run("authz", "explain", "--request-id", "nobody").returncode, 64)

    def debug_headers(self, action, *arguments):
        return run("authz", "debug-headers", action, "--sidecar", self.backend.socket, *arguments)

    def told(self, path, method="GET", port=None):
        answer = request(port or self.through, path, method, headers={"x-request-id": "told"})
        return answer.status, answer.headers.get("x-kith-decision")

    def test_tells_decisions_in_responses_to_a_caller_it_is_told_to(self):
        self.assertEqual(self.told("/items"), (200, None))
        done = self.debug_headers("start", "--principal", FRONTEND, "--for", "5m")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.debug_headers, "end", "--principal", FRONTEND)
        self.assertRegex(done.stdout, f"spiffe://{FRONTEND} +in [45]m")
        self.assertEqual(self.told("/items"),
                         (200, 'allow;policy="demo/readers";rule=0;from=0;to=0;request="told"'))
        self.assertEqual(self.told("/items", "PUT"), (
            403, 'deny;reason=policy_denied;detail="no rule matched of the ALLOW policies '
                 'demo/readers";request="told"'))
        status, value = self.told("/items/%00")
        self.assertEqual(status, 400)
        self.assertRegex(value, "^deny;reason=bad_request;detail=")
        self.assertEqual(self.told("/open", port=self.backend.inbound[self.app]), (200, None),
                         "another caller is told nothing")
        done = self.debug_headers("end", "--principal", FRONTEND)
        self.assertEqual((done.returncode, done.stdout), (0, "no caller is told decisions\n"))
        self.assertEqual(self.told("/items", "PUT"), (403, None))
        for refused in (("start", "--principal", "not an id"), ("end", "--principal", FRONTEND),
                        ("start", "--principal", FRONTEND, "--for", "2h")):
            self.assertEqual(self.debug_headers(*refused).returncode, 1, refused)
        self.assertIn("debug-headers", self.backend.process.log())

    def test_logs_and_counts_what_audit_and_dry_run_say(self):
        line = self.backend.logged(request_id="idGET-items-17")
        self.assertEqual(line["dry_run"], {"decision": "denied", "policy": "demo/trial", "rule": 0})
        self.assertEqual(line["destination"]["workload"], "demo/backend")
        self.assertEqual(line["destination"]["port"], self.app)
        self.assertEqual(line["headers"], {"x-team": ["a"]})
        self.assertNotIn("audit_policy", line)
        self.assertEqual(line["decision"], "allowed", "a dry run is not enforced")
        self.assertEqual((line["policy"], line["rule"], line["from"], line["to"]),
                         ("demo/readers", 0, 0, 0))
        line = self.backend.logged(request_id="idPUT-items")
        self.assertEqual(line["audit_policy"], "demo/watch")
        self.assertGreaterEqual(self.backend.metric(
            "kith_policy_dry_run_decisions_total", action="deny", policy="demo/trial"), 1)
        self.assertGreaterEqual(
            self.backend.metric("kith_policy_audits_total", policy="demo/watch"), 1)
        self.assertGreaterEqual(self.backend.metric(
            "kith_policy_decisions_total", action="deny", policy="none", stream="http"), 1)

    def test_suggests_policies_that_replay_denies_nothing_under(self):
        done = run("authz", "suggest", "--log", self.backend.access_log, "--label", "app=backend")
        self.assertEqual(done.returncode, 0, done.stderr)
        suggested = self.write("suggested.yaml", done.stdout)
        self.assertIn('"/items/{*}"', done.stdout)
        lint = run("authz", "lint", "-f", suggested)
        self.assertEqual(lint.returncode, 0, lint.stdout + lint.stderr)
        replay = run("authz", "replay", "-o", "json", "--log", self.backend.access_log,
                     "--policies", suggested, "--label", "app=backend")
        answer = json.loads(replay.stdout)
        self.assertEqual((answer["changed"], answer["unknown"]), (0, 0), answer)
        self.assertGreaterEqual(answer["judged"], 4)

    def test_replays_what_a_new_policy_changes(self):
        team = self.write("team.yaml", allow("team", "backend", """
  - when: [{key: "request.headers[x-team]", values: [a]}]
"""))
        done = run("authz", "replay", "-o", "json", "--log", self.backend.access_log,
                   "--policies", team, "--label", "app=backend")
        self.assertEqual(done.returncode, 1, done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["unknown"], 0)
        changes = {(group["before"], group["after"]): group for group in answer["groups"]}
        self.assertEqual(changes[("denied", "allowed")]["source"], FRONTEND)
        self.assertIn("PUT /items", changes[("denied", "allowed")]["example"])
        self.assertIn(("allowed", "denied"), changes)
        blind = self.write("blind.yaml", allow("blind", "backend", """
  - when: [{key: "request.headers[x-other]", values: [a]}]
"""))
        answer = json.loads(run("authz", "replay", "-o", "json", "--log", self.backend.access_log,
                                "--policies", blind, "--label", "app=backend").stdout)
        self.assertEqual(answer["unknown"], answer["judged"])
        self.assertIn("header x-other", answer["groups"][0]["why"])

    def test_lints_the_registry_with_lines(self):
        bad = self.write("bad.yaml", allow("bad", "nobody", """
  - to: [{operation: {paths: ["admin"]}}]
""", action="DENY"))
        done = run("authz", "lint", "-o", "json", "-f", self.mesh.config, "-f", bad)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {finding["code"]: finding for finding in json.loads(done.stdout)["findings"]
                 if finding["file"] == str(bad)}
        self.assertEqual(set(found), {"path-never-matches", "http-fields-without-ports",
                                      "selects-nothing"})
        self.assertGreater(found["path-never-matches"]["line"], 5)
        self.assertEqual(run("authz", "lint", "--strict", "-f", bad).returncode, 1)
        broken = self.write("broken.yaml", allow("broken", "backend", "  - form: []"))
        done = run("authz", "lint", "-f", broken)
        self.assertEqual(done.returncode, 1)
        self.assertIn('did you mean "from"?', done.stdout)

    def test_names_whom_strict_would_break(self):
        for source in (("--log", self.backend.access_log), ("--sidecar", self.backend.socket)):
            done = run("strict-readiness", "-o", "json", *source)
            self.assertEqual(done.returncode, 1, done.stderr)
            clients = json.loads(done.stdout)["clients"]
            self.assertEqual([(client["ip"], client["workload"], client["port"], client["count"])
                              for client in clients],
                             [("127.0.0.1", "demo/backend", self.app, 1)])
        self.assertEqual(run("strict-readiness", "--log", self.frontend.access_log).returncode, 0)
        self.assertEqual(run("strict-readiness").returncode, 64)


if __name__ == "__main__":
    unittest.main()
