"""External repositories: all of them come from this machine or from Debian's packages."""

load("//bazel/boringssl:debian_source.bzl", "debian_source")

def kith_repositories():
    # Bazel 4.2 looks these up even when nothing of them is used; the shims keep it offline.
    native.local_repository(name = "rules_cc", path = "bazel/shims/rules_cc")
    native.local_repository(name = "remote_coverage_tools", path = "bazel/shims/coverage")
    native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")
    native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")

    debian_source(
        name = "boringssl",
        package = "android-platform-external-boringssl",
        version = "13.0.0+r24-2",
        tarball = "android-platform-external-boringssl_13.0.0+r24.orig.tar.xz",
        sha256 = "583b7aeee1fca68b8244d086cea6fca23bd19d517bd63f0b9de714e048f92a7d",
        build_file = "//bazel/boringssl:boringssl.BUILD",
    )
