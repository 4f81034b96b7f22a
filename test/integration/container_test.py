"""The image, as far as no engine is needed: its packages are those that the programs are linked to,
and what the build copies is there.
"""

import pathlib
import re
import subprocess
import tempfile
import unittest

import mesh

CONTAINER = mesh.ROOT / "deploy" / "container"
TOOLS = {"ca-certificates", "iproute2", "iptables", "nftables"}  # That the programs call.


def libraries(programs):
    """The Debian packages of the libraries that programs load."""
    paths = set()
    for program in programs:
        output = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        paths |= {str(pathlib.Path(path).resolve()) for path in re.findall(r"=> (/\S+)", output)}
    # Debian's database has the paths from before /usr was merged as well.
    asked = paths | {path.removeprefix("/usr") for path in paths}
    found = subprocess.run(["dpkg", "-S", *asked], capture_output=True, text=True).stdout
    owners = {path.removeprefix("/usr"): package
              for package, path in re.findall(r"^([^:]+):.*? (/\S+)$", found, re.MULTILINE)}
    return {owners[path.removeprefix("/usr")] for path in paths}


class ContainerTest(unittest.TestCase):
    def test_the_image_has_every_library_and_no_other_package(self):
        needed = libraries([mesh.SIDECAR, mesh.CONTROL_PLANE, mesh.KITHCTL])
        listed = (CONTAINER / "packages.txt").read_text().split()
        self.assertEqual(sorted(needed | TOOLS), listed)

    def test_what_is_copied_is_gathered(self):
        with tempfile.TemporaryDirectory(prefix="kith-test-") as directory:
            subprocess.run([CONTAINER / "context.sh", directory], check=True,
                           env={"PATH": "/usr/bin:/bin", "KITH_BIN": str(mesh.BIN)})
            dockerfile = (CONTAINER / "Dockerfile").read_text()
            for sources in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE):
                for source in sources.split():
                    self.assertTrue((pathlib.Path(directory) / source).is_file(), source)
            self.assertRegex(dockerfile, r"(?m)^USER [1-9]\d*:[1-9]\d*$")


if __name__ == "__main__":
    unittest.main()
