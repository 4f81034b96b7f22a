// As many sidecars as asked for, without their data path: each has the sidecar's own channel,
// certificate client, configuration stream, source and manager of its identity. They start spread
// over half of a lifetime, as those of a mesh that has run for a while, and run until SIGTERM.
// usage: stampede_clients ADDRESS ROOTS_FILE TOKENS_FOLDER COUNT LIFETIME_SECONDS
// TOKENS_FOLDER holds a token for service account "sN" of namespace "stampede" in file N.

#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/spiffe_id.h"
#include "source/config/document.h"
#include "source/control/certificate_client.h"
#include "source/control/channel.h"
#include "source/control/discovery_client.h"
#include "source/event/loop.h"
#include "source/event/signal.h"
#include "source/event/timer.h"
#include "source/identity/ca_source.h"
#include "source/identity/manager.h"

namespace kith {
namespace {

constexpr char kNamespace[] = "stampede";
constexpr char kTrustDomain[] = "cluster.local";

struct Arguments {
  std::string address;
  std::string roots_file;
  std::string tokens;
  int count = 0;
  int lifetime = 0;
};

class Client final : public control::DiscoveryClient::Handler {
 public:
  Client(event::Loop& loop, const Arguments& arguments, const std::string& roots, int number)
      : manager_(*identity::Manager::Create({.trust_domain = kTrustDomain, .roots_pem = roots})),
        channel_({.address = arguments.address,
                  .server_name = "kith-controlplane",
                  .roots_pem = roots,
                  .roots_file = arguments.roots_file,
                  .more_roots = [this] { return manager_->roots_pem(); }}),
        token_file_(absl::StrCat(arguments.tokens, "/", number)),
        certificates_(loop, channel_, {.token_file = token_file_}),
        source_(loop, certificates_,
                {.id = *base::SpiffeId::ForServiceAccount(kTrustDomain, kNamespace,
                                                          absl::StrCat("s", number)),
                 .lifetime = absl::Seconds(arguments.lifetime),
                 .random = nullptr}),
        discovery_(loop, channel_, *this, DiscoveryOptions(roots, number)),
        start_(loop, [this] {
          source_.Start(*manager_);
          discovery_.Start();
        }) {
    const double share = static_cast<double>(number) / arguments.count;
    start_.Start(absl::Seconds(arguments.lifetime) / 2 * share);
  }

  bool has_identity() const { return manager_->context() != nullptr; }
  bool connected() const { return discovery_.report().connected; }

  void OnUpdate(const control::Update&) override {}
  absl::Status OnTrustBundles(std::vector<tls::TrustBundle::Domain> domains) override {
    return manager_->SetBundle(std::move(domains));
  }
  void OnConnected() override { source_.TryOverdue(); }
  void OnDisconnected() override { source_.OnControlPlaneLost(); }

 private:
  control::DiscoveryClient::Options DiscoveryOptions(const std::string& roots, int number) const {
    control::DiscoveryClient::Options options;
    options.name_space = kNamespace;
    options.trust_domain = kTrustDomain;
    options.roots_pem = roots;
    options.token_file = token_file_;
    options.node.set_workload(absl::StrCat("w", number));
    return options;
  }

  std::unique_ptr<identity::Manager> manager_;
  control::Channel channel_;
  const std::string token_file_;
  control::CertificateClient certificates_;
  identity::CaSource source_;
  control::DiscoveryClient discovery_;
  event::Timer start_;
};

int Run(const Arguments& arguments) {
  base::SetLogLevel(base::LogLevel::kError);
  const auto loop = *event::Loop::Create();
  const auto roots = config::ReadFile(arguments.roots_file);
  if (!roots.ok()) {
    std::cerr << roots.status() << "\n";
    return 65;
  }
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < arguments.count; ++i) {
    clients.push_back(std::make_unique<Client>(*loop, arguments, *roots, i));
  }
  event::Timer report(*loop, [&] {
    int identities = 0;
    int connected = 0;
    for (const auto& client : clients) {
      identities += client->has_identity() ? 1 : 0;
      connected += client->connected() ? 1 : 0;
    }
    std::cout << "identities " << identities << ", connected " << connected << std::endl;
  });
  report.StartRepeating(absl::Seconds(1));
  const auto terminate = *event::Signal::Create(*loop, SIGTERM, [&] { loop->Stop(); });
  loop->Run();
  return 0;
}

}  // namespace
}  // namespace kith

int main(int argc, char** argv) {
  kith::Arguments arguments;
  if (argc != 6 || !absl::SimpleAtoi(argv[4], &arguments.count) ||
      !absl::SimpleAtoi(argv[5], &arguments.lifetime)) {
    std::cerr << "usage: stampede_clients ADDRESS ROOTS_FILE TOKENS_FOLDER COUNT SECONDS\n";
    return 64;
  }
  arguments.address = argv[1];
  arguments.roots_file = argv[2];
  arguments.tokens = argv[3];
  return kith::Run(arguments);
}
