#include "source/ctl/ca_offline.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/ctl/private_file.h"
#include "source/ctl/table.h"
#include "source/x509/describe.h"
#include "source/x509/key_type.h"
#include "source/x509/offline_ca.h"
#include "source/x509/pkcs12.h"

namespace kith::ctl {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kMaxLifetime = absl::Hours(24 * 3650);
constexpr int kMaxDays = 365 * 50;

absl::Status Write(const std::string& directory, absl::string_view prefix,
                   const x509::KeyPair& made) {
  const std::string base = absl::StrCat(directory, "/", prefix);
  KITH_RETURN_IF_ERROR(WriteNewFile(absl::StrCat(base, "-key.pem"), made.key_pem, 0600));
  return WriteNewFile(absl::StrCat(base, "-cert.pem"), made.certificate_pem, 0644);
}

absl::Status CheckInit(const CaInit& request) {
  if (!base::IsTrustDomain(request.trust_domain)) {
    return absl::InvalidArgumentError(
        absl::StrCat("trust domain \"", request.trust_domain,
                     "\": only lower-case letters, digits, '.', '-' and '_'"));
  }
  if (request.days < 1 || request.days > kMaxDays || request.intermediate_days < 0 ||
      request.intermediate_days > request.days) {
    return absl::InvalidArgumentError(
        absl::StrCat("days: give 1 to ", kMaxDays, ", and no more for the intermediate"));
  }
  return absl::OkStatus();
}

absl::StatusOr<x509::CertificateSpec> LeafSpec(const CsrSigning& request, absl::Time now) {
  x509::CertificateSpec spec;
  if (request.kind == "workload") {
    spec.kind = x509::CertificateKind::kWorkload;
  } else if (request.kind == "server") {
    spec.kind = x509::CertificateKind::kServer;
  } else if (request.kind == "client") {
    spec.kind = x509::CertificateKind::kClient;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("kind \"", request.kind, "\" is not workload, server or client"));
  }
  if (!request.spiffe_id.empty()) {
    KITH_ASSIGN_OR_RETURN(const base::SpiffeId id, base::SpiffeId::Parse(request.spiffe_id));
    spec.uris = {id.text()};
  }
  spec.dns_names = request.dns_names;
  if (spec.uris.empty() && spec.dns_names.empty()) {
    return absl::InvalidArgumentError("give --spiffe-id or --dns: who the certificate is for");
  }
  absl::Duration lifetime;
  if (!absl::ParseDuration(request.lifetime, &lifetime) || lifetime < absl::Seconds(1) ||
      lifetime > kMaxLifetime) {
    return absl::InvalidArgumentError(
        absl::StrCat("lifetime \"", request.lifetime, "\" is no duration such as 24h"));
  }
  spec.not_after = now + lifetime;
  return spec;
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

nlohmann::json ToJson(const x509::CertificateDescription& each) {
  nlohmann::json json = {{"subject", each.subject},
                         {"issuer", each.issuer},
                         {"serial", each.serial},
                         {"notBefore", Rfc3339(each.not_before)},
                         {"notAfter", Rfc3339(each.not_after)},
                         {"keyType", each.key_type},
                         {"keyId", each.key_id},
                         {"authorityKeyId", each.authority_key_id},
                         {"sha256", each.sha256},
                         {"ca", each.ca},
                         {"uses", each.uses},
                         {"names", each.names}};
  if (each.path_length >= 0) json["pathLength"] = each.path_length;
  return json;
}

void Print(const x509::CertificateDescription& each, absl::Time now) {
  auto line = [](absl::string_view name, absl::string_view value) {
    if (!value.empty()) std::cout << absl::StrCat("  ", name, "  ", value, "\n");
  };
  line("subject   ", each.subject);
  line("issuer    ", each.issuer);
  line("serial    ", each.serial);
  line("names     ", absl::StrJoin(each.names, ", "));
  line("not before",
       absl::StrCat(Rfc3339(each.not_before), " (", FromNow(Rfc3339(each.not_before), now), ")"));
  line("not after ",
       absl::StrCat(Rfc3339(each.not_after), " (", FromNow(Rfc3339(each.not_after), now), ")"));
  line("key       ", each.key_type);
  line("key id    ", each.key_id);
  line("issued by ", each.authority_key_id);
  line("uses      ", absl::StrJoin(each.uses, ", "));
  line("authority ",
       !each.ca
           ? "no"
           : (each.path_length < 0 ? "yes" : absl::StrCat("yes, path length ", each.path_length)));
  line("sha256    ", each.sha256);
}

}  // namespace

absl::Status InitCa(const CaInit& request, absl::Time now, Output output) {
  KITH_RETURN_IF_ERROR(CheckInit(request));
  KITH_ASSIGN_OR_RETURN(const x509::KeyType type, x509::ParseKeyType(request.key_type));
  if (mkdir(request.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError(
        absl::StrCat("create ", request.directory, ": ", std::strerror(errno)));
  }
  KITH_ASSIGN_OR_RETURN(
      const x509::Authority made,
      x509::MakeAuthority({.key_type = type,
                           .trust_domain = request.trust_domain,
                           .common_name = request.common_name,
                           .now = now,
                           .lifetime = kDay * request.days,
                           .intermediate_lifetime = kDay * request.intermediate_days}));
  KITH_RETURN_IF_ERROR(Write(request.directory, "root", made.root));
  std::vector<std::string> files = {"root-cert.pem", "root-key.pem"};
  if (made.intermediate.has_value()) {
    KITH_RETURN_IF_ERROR(Write(request.directory, "ca", *made.intermediate));
    files.insert(files.end(), {"ca-cert.pem", "ca-key.pem"});
  }
  if (output == Output::kJson) {
    std::cout << nlohmann::json{{"directory", request.directory}, {"files", files}}.dump(2) << "\n";
    return absl::OkStatus();
  }
  std::cout << "made in " << request.directory << ": " << absl::StrJoin(files, ", ") << "\n"
            << (request.intermediate_days > 0
                    ? "The control plane needs ca-cert.pem, ca-key.pem and root-cert.pem; put "
                      "root-key.pem away.\n"
                    : "The control plane needs both; --intermediate-days makes one that signs "
                      "instead of the root.\n");
  return absl::OkStatus();
}

absl::Status SignCsr(const CsrSigning& request, absl::Time now) {
  KITH_ASSIGN_OR_RETURN(x509::CertificateSpec spec, LeafSpec(request, now));
  KITH_ASSIGN_OR_RETURN(const std::string chain_pem, ReadSmallFile(request.ca_certificate_file));
  KITH_ASSIGN_OR_RETURN(const std::string key_pem, ReadSmallFile(request.ca_key_file));
  KITH_ASSIGN_OR_RETURN(const std::string csr, ReadSmallFile(request.csr_file));
  KITH_ASSIGN_OR_RETURN(
      const std::string pem,
      x509::SignRequest(
          {.ca_chain_pem = chain_pem, .ca_key_pem = key_pem, .csr = csr, .spec = std::move(spec)},
          now));
  if (!request.out.empty()) return WriteNewFile(request.out, pem, 0644);
  std::cout << pem;
  return absl::OkStatus();
}

absl::Status ExportPkcs12(const Export& request) {
  x509::Pkcs12Content content;
  KITH_ASSIGN_OR_RETURN(content.chain_pem, ReadSmallFile(request.certificate_file));
  KITH_ASSIGN_OR_RETURN(content.key_pem, ReadSmallFile(request.key_file));
  content.friendly_name = request.name;
  KITH_ASSIGN_OR_RETURN(const std::string password, ReadPassword(request.password_file));
  KITH_ASSIGN_OR_RETURN(const std::string der, x509::MakePkcs12(content, password));
  return WriteNewFile(request.out, der, 0600);
}

absl::Status Inspect(const std::string& file, absl::Time now, Output output) {
  KITH_ASSIGN_OR_RETURN(const std::string pem, ReadSmallFile(file));
  const auto described = x509::DescribeCertificates(pem);
  if (!described.ok()) return base::Annotate(described.status(), file);
  if (output == Output::kJson) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& each : *described) list.push_back(ToJson(each));
    std::cout << nlohmann::json{{"file", file}, {"certificates", list}}.dump(2) << "\n";
    return absl::OkStatus();
  }
  int number = 0;
  for (const auto& each : *described) {
    std::cout << file << ": certificate " << ++number << " of " << described->size() << "\n";
    Print(each, now);
  }
  return absl::OkStatus();
}

}  // namespace kith::ctl
