#include "source/sidecar/identity_source.h"

#include <utility>

#include "source/base/status.h"
#include "source/control/workload_api_source.h"
#include "source/identity/ca_source.h"
#include "source/identity/file_source.h"

namespace kith::sidecar {
namespace {

using identity::CaSource;
using identity::FileSource;

// The members of IdentityConfig's variant, one function each.
struct Maker {
  event::Loop& loop;
  const Bootstrap& bootstrap;
  const base::SpiffeId& id;
  control::Channel& control_plane;

  absl::StatusOr<IdentitySource> operator()(const KithCaConfig&) const {
    IdentitySource made;
    control::CertificateClient::Options client;
    client.token_file = bootstrap.token_file;
    client.given_tokens = control::CertificateClient::GivenTokens::kKept;
    made.client = std::make_unique<control::CertificateClient>(loop, control_plane, client);
    CaSource::Options options{.id = id};
    options.lifetime = bootstrap.lifetime;
    made.source = std::make_unique<CaSource>(loop, *made.client, std::move(options));
    return made;
  }

  absl::StatusOr<IdentitySource> operator()(const IstioCaConfig& istio) const {
    IdentitySource made;
    control::Channel::Options channel;
    channel.address = istio.address;
    channel.server_name = istio.server_name;
    channel.roots_pem = istio.roots_pem;
    made.channel = std::make_unique<control::Channel>(std::move(channel));
    control::CertificateClient::Options client;
    client.token_file = istio.token_file;
    client.cluster_id = istio.cluster_id;
    made.client =
        std::make_unique<control::CertificateClient>(loop, *made.channel, std::move(client));
    CaSource::Options options{.id = id};
    options.name = "istio-ca";
    options.lifetime = bootstrap.lifetime;
    if (istio.roots_file.empty()) {
      options.roots = CaSource::Roots::kFromReply;
    } else {
      FileSource::Options roots{.id = id};
      roots.bundle_file = istio.roots_file;
      made.roots = std::make_unique<FileSource>(loop, std::move(roots));
    }
    made.source = std::make_unique<CaSource>(loop, *made.client, std::move(options));
    return made;
  }

  absl::StatusOr<IdentitySource> operator()(const FilesConfig& files) const {
    FileSource::Options options{.id = id};
    options.certificate_file = files.certificate_file;
    options.key_file = files.key_file;
    options.pkcs12_file = files.pkcs12_file;
    options.password_file = files.password_file;
    options.bundle_file = files.bundle_file;
    IdentitySource made;
    made.source = std::make_unique<FileSource>(loop, std::move(options));
    return made;
  }

  absl::StatusOr<IdentitySource> operator()(const WorkloadApiClientConfig& api) const {
    control::WorkloadApiSource::Options options{.id = id};
    options.endpoint = api.endpoint;
    options.hint = api.hint;
    IdentitySource made;
    KITH_ASSIGN_OR_RETURN(made.source,
                          control::WorkloadApiSource::Create(loop, std::move(options)));
    return made;
  }
};

}  // namespace

absl::StatusOr<IdentitySource> MakeSource(event::Loop& loop, const Bootstrap& bootstrap,
                                          control::Channel& control_plane) {
  KITH_ASSIGN_OR_RETURN(const base::SpiffeId id, bootstrap.Id());
  return absl::visit(Maker{loop, bootstrap, id, control_plane}, bootstrap.identity.source);
}

}  // namespace kith::sidecar
