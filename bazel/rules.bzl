"""What every BUILD file of the project loads; a newer Bazel needs a change only here."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load(":layers.bzl", "visibility_of")

# Errors by .bazelrc's -Werror; a sanitizer build takes that back.
_COPTS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wnon-virtual-dtor",
    "-Wvla",
    # GCC 12 sees overlaps in std::string's own code that cannot be.
    "-Wno-restrict",
]

def kith_library(name, copts = [], visibility = None, **kwargs):
    cc_library(
        name = name,
        copts = _COPTS + copts,
        linkstatic = True,
        visibility = visibility or visibility_of(native.package_name()),
        **kwargs
    )

def kith_binary(name, copts = [], **kwargs):
    cc_binary(
        name = name,
        copts = _COPTS + copts,
        linkstatic = True,
        visibility = ["//visibility:public"],
        **kwargs
    )

def kith_test(name, srcs, deps = [], copts = [], data = [], size = "small", **kwargs):
    cc_test(
        name = name,
        srcs = srcs,
        copts = _COPTS + copts,
        data = data + ["//test:tsan.supp"],  # Read by --config=tsan.
        linkstatic = True,
        size = size,
        deps = deps + ["//bazel/deps:gtest_main"],
        **kwargs
    )

def kith_fuzz(name, srcs, corpus, deps = [], size = "small", **kwargs):
    """A fuzz target. As a test it replays its corpus and a bounded number of mutations of it.

    corpus is a folder of the package; tests run at the root of the tree, so its path is given from there.
    """
    seeds = native.glob([corpus + "/**"])
    if not seeds:
        fail("{}: no seeds under {}/{}".format(name, native.package_name(), corpus))
    cc_test(
        name = name,
        srcs = srcs,
        copts = _COPTS,
        linkstatic = True,
        size = size,
        data = seeds + ["//test:tsan.supp"],
        args = ["{}/{}".format(native.package_name(), corpus)],
        deps = deps + ["//test/support:fuzz_driver"],
        **kwargs
    )

def kith_proto(name, srcs, deps = [], grpc = False):
    """C++ of .proto files: the installed protoc makes it, the include root is api/."""
    stems = [src[:-len(".proto")] for src in srcs]
    outs = []
    for stem in stems:
        outs += [stem + ".pb.h", stem + ".pb.cc"]
        if grpc:
            outs += [stem + ".grpc.pb.h", stem + ".grpc.pb.cc"]
    native.filegroup(
        name = name + "_srcs",
        srcs = srcs + [dep + "_srcs" for dep in deps],
        visibility = ["//visibility:public"],
    )
    plugin = ""
    if grpc:
        plugin = "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=$(GENDIR)/api "
    native.genrule(
        name = name + "_gen",
        srcs = [":" + name + "_srcs"],
        outs = outs,
        cmd = "protoc -I api -I /usr/include --cpp_out=$(GENDIR)/api " + plugin +
              " ".join(["{}/{}".format(native.package_name(), src) for src in srcs]),
        message = "Generating C++ of " + name,
    )
    cc_library(
        name = name,
        srcs = [out for out in outs if out.endswith(".cc")],
        hdrs = [out for out in outs if out.endswith(".h")],
        copts = ["-w"],
        linkstatic = True,
        strip_include_prefix = "/api",
        visibility = ["//visibility:public"],
        deps = deps + ["//bazel/deps:grpc" if grpc else "//bazel/deps:protobuf"],
    )
