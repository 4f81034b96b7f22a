"""Both ends of Istio's certificate service, for tests: `serve` stands in for istiod, `request` for
Istio's agent. Run with Debian's Python, which has grpcio and cryptography (see DEBIAN_PYTHON).

serve DIRECTORY PORT: makes a P-256 root in DIRECTORY (root.pem, root.key) if there is none, takes
the bearer tokens that DIRECTORY/tokens lists, and notes each request in DIRECTORY/requests.jsonl.
request ADDRESS ROOTS TOKEN SPIFFE_ID: prints the chain as a JSON list.
"""

import concurrent.futures
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

DEBIAN_PYTHON = "/usr/bin/python3"
API = pathlib.Path(__file__).resolve().parents[2] / "api"
SERVICE = "istio.v1.auth.IstioCertificateService"
SERVER_NAME = "istiod.istio-system.svc"
CLUSTER = "Kubernetes"


def messages():
    """The service's messages, compiled now."""
    directory = tempfile.mkdtemp(prefix="istio-ca-")
    subprocess.run(["protoc", f"-I{API}", "-I/usr/include", f"--python_out={directory}",
                    "istio/v1/auth/ca.proto"], check=True)
    sys.path.insert(0, directory)
    from istio.v1.auth import ca_pb2  # Made just now.
    return ca_pb2


def pem_of(certificate):
    from cryptography.hazmat.primitives import serialization
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    from cryptography.hazmat.primitives import serialization
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def certify(subject, public_key, issuer, issuer_key, seconds, extensions):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
               .public_key(public_key).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(minutes=2))
               .not_valid_after(now + datetime.timedelta(seconds=seconds))
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                   issuer_key.public_key()), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def usage(**what):
    from cryptography import x509
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: what.get(name, False) for name in names}), True


def load_root(directory):
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    if not (directory / "root.pem").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "cluster.local")])
        root = certify(name, key.public_key(), name, key, 86400, [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            usage(key_cert_sign=True, crl_sign=True)])
        (directory / "root.key").write_text(key_pem(key))
        (directory / "root.pem").write_text(pem_of(root))
    root = x509.load_pem_x509_certificate((directory / "root.pem").read_bytes())
    key = serialization.load_pem_private_key((directory / "root.key").read_bytes(), None)
    return root, key


def serve(directory, port):
    import grpc
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    ca_pb2 = messages()
    directory = pathlib.Path(directory)
    root, root_key = load_root(directory)
    both = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH,
                                  x509.ExtendedKeyUsageOID.CLIENT_AUTH])

    def create(request, context):
        metadata = dict(context.invocation_metadata())
        csr = x509.load_pem_x509_csr(request.csr.encode())
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        token = metadata.get("authorization", "")
        with open(directory / "requests.jsonl", "a", encoding="utf8") as log:
            log.write(json.dumps({
                "token": token, "clusterid": metadata.get("clusterid"),
                "validity": request.validity_duration, "subject": csr.subject.rfc4514_string(),
                "names": [name.value for name in names]}) + "\n")
        allowed = dict(line.split() for line in (directory / "tokens").read_text().splitlines())
        identity = allowed.get(token.removeprefix("Bearer "))
        if identity is None or metadata.get("clusterid") != CLUSTER:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "authentication failure")
        leaf = certify(x509.Name([]), csr.public_key(), root.subject, root_key,
                       request.validity_duration, [
                           (x509.SubjectAlternativeName(
                               [x509.UniformResourceIdentifier(identity)]), True),
                           (x509.BasicConstraints(ca=False, path_length=None), True),
                           usage(digital_signature=True, key_encipherment=True), (both, False)])
        return ca_pb2.IstioCertificateResponse(cert_chain=[pem_of(leaf), pem_of(root)])

    handler = grpc.method_handlers_generic_handler(SERVICE, {
        "CreateCertificate": grpc.unary_unary_rpc_method_handler(
            create, ca_pb2.IstioCertificateRequest.FromString,
            ca_pb2.IstioCertificateResponse.SerializeToString)})
    key = ec.generate_private_key(ec.SECP256R1())
    own = certify(x509.Name([]), key.public_key(), root.subject, root_key, 86400, [
        (x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), True),
        usage(digital_signature=True), (both, False)])
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    bound = server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials(
        [(key_pem(key).encode(), pem_of(own).encode())]))
    if bound != int(port):
        sys.exit(f"port {port} cannot be bound")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def request(address, roots, token, spiffe_id):
    """As Istio's agent asks: an RSA key, one URI in the CSR, its metadata."""
    import grpc
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    ca_pb2 = messages()
    key = rsa.generate_private_key(65537, 2048)
    csr = (x509.CertificateSigningRequestBuilder()
           .subject_name(x509.Name([]))
           .add_extension(x509.SubjectAlternativeName(
               [x509.UniformResourceIdentifier(spiffe_id)]), True)
           .sign(key, hashes.SHA256()))
    channel = grpc.secure_channel(
        address, grpc.ssl_channel_credentials(pathlib.Path(roots).read_bytes()),
        [("grpc.ssl_target_name_override", "kith-controlplane")])
    call = channel.unary_unary(f"/{SERVICE}/CreateCertificate",
                               ca_pb2.IstioCertificateRequest.SerializeToString,
                               ca_pb2.IstioCertificateResponse.FromString)
    try:
        answer = call(ca_pb2.IstioCertificateRequest(
            csr=csr.public_bytes(serialization.Encoding.PEM).decode(), validity_duration=86400),
            timeout=10, metadata=[("authorization", f"Bearer {token}"), ("clusterid", CLUSTER)])
    except grpc.RpcError as error:
        print(json.dumps({"code": error.code().name, "message": error.details()}))
        return
    print(json.dumps({"code": "OK", "chain": list(answer.cert_chain)}))


if __name__ == "__main__":
    {"serve": serve, "request": request}[sys.argv[1]](*sys.argv[2:])
