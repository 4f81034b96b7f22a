// kithctl ca: the certificate authority, at work and offline.

#include <iostream>
#include <memory>

#include "absl/time/clock.h"
#include "source/ctl/ca_audit.h"
#include "source/ctl/ca_offline.h"
#include "source/ctl/ca_revocation.h"
#include "source/ctl/command_line.h"

namespace kith::ctl {
namespace {

constexpr char kFooter[] = R"(Examples:
  kithctl ca revoke 5d1f… --reason keyCompromise
  kithctl ca revoke --principal spiffe://cluster.local/ns/demo/sa/backend
  kithctl ca init ca --key-type P-384 --intermediate-days 365
  kithctl ca sign-csr --ca-cert ca/ca-cert.pem --ca-key ca/ca-key.pem --csr partner.csr \
    --spiffe-id spiffe://cluster.local/ns/partner/sa/api --kind client --out partner.pem
  kithctl ca inspect partner.pem
  kithctl ca export --cert partner.pem --key partner-key.pem --out partner.p12
  kithctl ca audit verify /var/lib/kith/audit.jsonl
  kithctl ca audit show /var/lib/kith/audit.jsonl --decision refused --limit 20)";

const std::string& TimeText() {
  static const std::string text = "RFC 3339 time, such as 2026-11-21T12:00:00Z";
  return text;
}

// CLI11's check: an empty answer accepts.
std::string ReadTime(const std::string& text, absl::Time& time) {
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return "";
  return "\"" + text + "\" is no " + TimeText();
}

void AddRevocation(CLI::App& ca, CommandLine& line) {
  auto request = std::make_shared<RevocationRequest>();
  CLI::App* revoke = ca.add_subcommand(
      "revoke", "Revoke a certificate, or a principal with all of its certificates");
  CLI::Option* serial = revoke->add_option("serial", request->serial, "Serial number, in hex");
  CLI::Option* principal =
      revoke->add_option("--principal", request->principal, "SPIFFE ID to revoke");
  serial->excludes(principal);
  revoke->add_option("--reason", request->reason, "Why: keyCompromise, superseded, …")
      ->capture_default_str();
  revoke->callback([&line, request] {
    if (request->serial.empty() && request->principal.empty()) {
      throw CLI::RequiredError("SERIAL or --principal");
    }
    line.RunStatus(
        [&line, request](Output output) { return Revoke(line.ControlPlane(), *request, output); });
  });

  CLI::App* unrevoke =
      ca.add_subcommand("unrevoke", "Let a revoked principal have certificates again");
  unrevoke->add_option("--principal", request->principal, "SPIFFE ID")->required();
  unrevoke->callback([&line, request] {
    line.RunStatus([&line, request](Output output) {
      return Unrevoke(line.ControlPlane(), request->principal, output);
    });
  });

  ca.add_subcommand("revocations", "What is revoked")->callback([&line] {
    line.RunStatus([&line](Output output) { return ShowRevocations(line.ControlPlane(), output); });
  });
}

void AddAudit(CLI::App& ca, CommandLine& line) {
  CLI::App* audit = ca.add_subcommand("audit", "The log of everything issued and refused");
  audit->require_subcommand(1);

  auto verification = std::make_shared<AuditVerification>();
  CLI::App* verify =
      audit->add_subcommand("verify", "Check that no line was changed, removed or put in");
  verify->add_option("file", verification->file, "audit.jsonl of the state directory")->required();
  verify->add_option("--head", verification->head,
                     "The head an earlier verification printed; it must be there still");
  verify->callback([&line, verification] {
    line.RunStatus(
        [verification](Output output) { return VerifyAudit(*verification, output, std::cout); });
  });

  auto filter = std::make_shared<AuditFilter>();
  CLI::App* show = audit->add_subcommand("show", "Show lines of it");
  show->add_option("file", filter->file, "audit.jsonl of the state directory")->required();
  show->add_option("--event", filter->event, "certificate, token, revocation, …");
  show->add_option("--decision", filter->decision, "issued, refused, revoked, …");
  show->add_option("--principal", filter->principal, "SPIFFE ID");
  show->add_option("--serial", filter->serial, "Serial number, in lower-case hex");
  show->add_option("--limit", filter->limit, "Only the last so many");
  show->add_option_function<std::string>(
      "--since",
      [filter](const std::string& text) {
        const std::string wrong = ReadTime(text, filter->since);
        if (!wrong.empty()) throw CLI::ValidationError("--since", wrong);
      },
      TimeText());
  show->add_option_function<std::string>(
      "--until",
      [filter](const std::string& text) {
        const std::string wrong = ReadTime(text, filter->until);
        if (!wrong.empty()) throw CLI::ValidationError("--until", wrong);
      },
      TimeText());
  show->callback([&line, filter] {
    line.RunStatus([filter](Output output) { return ShowAudit(*filter, output, std::cout); });
  });
}

void AddInit(CLI::App& ca, CommandLine& line) {
  auto request = std::make_shared<CaInit>();
  CLI::App* init = ca.add_subcommand("init", "Make a root, and an intermediate, in a folder");
  init->add_option("directory", request->directory, "Folder for certificates and keys")->required();
  init->add_option("--key-type", request->key_type, "P-256, P-384, RSA-2048, RSA-3072, RSA-4096")
      ->capture_default_str();
  init->add_option("--cn", request->common_name, "Common name, before \"root\"");
  init->add_option("--trust-domain", request->trust_domain, "Trust domain")->capture_default_str();
  init->add_option("--days", request->days, "How long the root is valid")->capture_default_str();
  init->add_option("--intermediate-days", request->intermediate_days,
                   "Also make an intermediate that is valid so long");
  init->callback([&line, request] {
    line.RunStatus([request](Output output) { return InitCa(*request, absl::Now(), output); });
  });
}

void AddSigning(CLI::App& ca, CommandLine& line) {
  auto request = std::make_shared<CsrSigning>();
  CLI::App* sign = ca.add_subcommand("sign-csr", "Sign a certificate request, offline");
  sign->add_option("--ca-cert", request->ca_certificate_file,
                   "The signing certificate, and its chain after it")
      ->required();
  sign->add_option("--ca-key", request->ca_key_file, "Its key")->required();
  sign->add_option("--csr", request->csr_file, "The request (PKCS#10); only its key is used")
      ->required();
  sign->add_option("--spiffe-id", request->spiffe_id, "Identity to certify");
  sign->add_option("--dns", request->dns_names, "DNS name to certify; may be repeated");
  sign->add_option("--kind", request->kind, "workload (client and server), server or client")
      ->capture_default_str();
  sign->add_option("--lifetime", request->lifetime, "How long it is valid")->capture_default_str();
  sign->add_option("--out", request->out, "File to write; standard output otherwise");
  sign->callback([&line, request] {
    line.RunStatus([request](Output) { return SignCsr(*request, absl::Now()); });
  });
}

void AddFiles(CLI::App& ca, CommandLine& line) {
  auto file = std::make_shared<std::string>();
  CLI::App* inspect = ca.add_subcommand("inspect", "Show the certificates in a PEM file");
  inspect->add_option("file", *file, "PEM")->required();
  inspect->callback([&line, file] {
    line.RunStatus([file](Output output) { return Inspect(*file, absl::Now(), output); });
  });

  auto request = std::make_shared<Export>();
  CLI::App* to_file = ca.add_subcommand("export", "Write key and certificates as PKCS#12");
  to_file->add_option("--cert", request->certificate_file, "Certificate and chain, PEM")
      ->required();
  to_file->add_option("--key", request->key_file, "Its key, PEM")->required();
  to_file->add_option("--password-file", request->password_file,
                      "Its first line is the password; asked for otherwise");
  to_file->add_option("--name", request->name, "Friendly name")->capture_default_str();
  to_file->add_option("--out", request->out, "File to write")->required();
  to_file->callback(
      [&line, request] { line.RunStatus([request](Output) { return ExportPkcs12(*request); }); });
}

}  // namespace

void AddCaCommands(CLI::App& app, CommandLine& line) {
  CLI::App* ca = FindOrAddSubcommand(app, "ca", "The certificate authority");
  ca->footer(kFooter);
  AddRevocation(*ca, line);
  AddAudit(*ca, line);
  AddInit(*ca, line);
  AddSigning(*ca, line);
  AddFiles(*ca, line);
}

}  // namespace kith::ctl
