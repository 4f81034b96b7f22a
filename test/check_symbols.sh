#!/usr/bin/env bash
# No program exports a symbol of its TLS library: OpenSSL's copies of the same names live in the same
# process (gRPC links them), and the loader would bind one to the other.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in sidecar/kith-sidecar controlplane/kith-controlplane; do
  binary=bazel-bin/source/$program
  # The check must be able to fail: the library has to be in there.
  if ! grep -q ' [tT] EVP_PKEY_new$' <<< "$(nm "$binary")"; then
    echo "$program does not contain BoringSSL (or is stripped); nothing to check" >&2
    exit 1
  fi
  exported=$(nm --dynamic --defined-only "$binary" |
    grep -E ' (SSL|X509|EVP|BIO|RSA|EC|ASN1|CRYPTO|ERR|OPENSSL|PEM)_' || true)
  if [ -n "$exported" ]; then
    echo "$program exports symbols of its TLS library:" >&2
    head -n 5 <<< "$exported" >&2
    exit 1
  fi
done
