"""A repository made from a Debian source package, checked against a pinned digest."""

# The machine's apt may list no source packages, so apt is given sources of its own: the ones it
# already trusts, read as deb-src, with lists in the repository's folder. Nothing else is touched.
_FETCH = """
set -eu
mkdir -p apt/lists/partial apt/cache/archives/partial
apt-get indextargets --format 'deb-src $(SITE) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' 'Origin: Debian' 'Component: main' | sort -u > apt/sources.list
[ -s apt/sources.list ] || {
  echo "apt knows no package lists on this machine; run 'apt-get update' first" >&2
  exit 1
}
apt() {
  apt-get -qq -o APT::Sandbox::User=root \
    -o Dir::Etc::SourceList="$PWD/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" "$@"
}
apt update
apt source --download-only "$1=$2"
echo "$4  $3" | sha256sum --check --quiet
tar --extract --file "$3" --strip-components=1
rm -rf apt ./*.tar.* ./*.dsc
"""

def _debian_source_impl(ctx):
    result = ctx.execute(
        ["bash", "-c", _FETCH, "fetch", ctx.attr.package, ctx.attr.version, ctx.attr.tarball, ctx.attr.sha256],
        timeout = 600,
    )
    if result.return_code != 0:
        fail("fetch Debian source {}={}: {}{}".format(
            ctx.attr.package,
            ctx.attr.version,
            result.stdout,
            result.stderr,
        ))
    for build_file in ("BUILD", "src/BUILD"):
        ctx.delete(build_file)
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")
    ctx.file("WORKSPACE", "workspace(name = \"{}\")\n".format(ctx.name))

debian_source = repository_rule(
    implementation = _debian_source_impl,
    attrs = {
        "package": attr.string(mandatory = True),
        "version": attr.string(mandatory = True),
        "tarball": attr.string(mandatory = True),
        "sha256": attr.string(mandatory = True),
        "build_file": attr.label(mandatory = True),
    },
)
