#include "source/control/channel.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/config/document.h"
#include "source/tls/credentials.h"

namespace kith::control {
namespace {

constexpr int kMaxReceiveBytes = 16 * 1024 * 1024;  // One resource of a very large mesh.

// A signing reply is a few certificates: more is refused before it is read.
constexpr char kServiceConfig[] = R"({"methodConfig":[{
  "name":[{"service":"istio.v1.auth.IstioCertificateService"}],
  "maxResponseMessageBytes":1048576}]})";

grpc::ChannelArguments Arguments(const std::string& server_name) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // The name that TLS checks and that requests carry; the address may be an IP or another name.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, server_name);
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetServiceConfigJSON(kServiceConfig);
  // A host that vanished is noticed in seconds.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  // The clients space their attempts themselves; the channel must not be asleep when they try.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);  // The limit of one attempt.
  return arguments;
}

absl::string_view HintFor(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return "; check controlPlane.tokenFile and the workload's namespace and serviceAccount";
    case grpc::StatusCode::UNAVAILABLE:
      if (absl::StrContains(status.error_message(), "andshake") ||
          absl::StrContains(status.error_message(), "CERTIFICATE") ||
          absl::StrContains(status.error_message(), "Peer name")) {
        return "; does its certificate chain to controlPlane.trustBundleFile, and carry "
               "controlPlane.serverName? If the mesh's root has been rotated since that file was "
               "written, put the present bundle there: the control plane keeps it as "
               "root-cert.pem, and no restart is needed";
      }
      return "; is the control plane running there?";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "; is the way to it open?";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "; is that a control plane's port?";
    default:
      return "";
  }
}

}  // namespace

// A mesh outlives its roots, and so may a sidecar: the file is replaced when a root is rotated.
void Channel::ReadRoots() {
  if (options_.roots_file.empty()) return;
  auto text = config::ReadFile(options_.roots_file);
  absl::Status usable = text.status();
  if (usable.ok()) {
    if (*text == bootstrap_ || *text == unusable_) return;
    usable = tls::TrustBundle::Create({{"bootstrap", *text}}).status();
  }
  if (usable.ok()) {
    bootstrap_ = *std::move(text);
    return;
  }
  // Half-written, or gone: the roots that were read before stay.
  const std::string seen = text.ok() ? *text : std::string(usable.message());
  if (std::exchange(unusable_, seen) == seen) return;
  base::Log(base::LogLevel::kWarning, "control", "the bootstrap's roots stay as they were",
            {{"file", options_.roots_file}, {"error", std::string(usable.message())}});
}

std::shared_ptr<grpc::Channel> Channel::Get() {
  ReadRoots();
  std::string roots = bootstrap_;
  if (options_.more_roots) {
    const std::string more = options_.more_roots();
    if (more != roots) absl::StrAppend(&roots, "\n", more);
  }
  if (channel_ != nullptr && roots == roots_) return channel_;
  roots_ = std::move(roots);
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (options_.security == Security::kPlaintext) {
    credentials = grpc::InsecureChannelCredentials();
  } else {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = roots_;
    credentials = grpc::SslCredentials(ssl);
  }
  channel_ =
      grpc::CreateCustomChannel(options_.address, credentials, Arguments(options_.server_name));
  return channel_;
}

absl::Status Channel::Explain(absl::string_view attempted, const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(attempted, " at ", options_.address, ": ",
                                   status.error_message().substr(0, 1024), HintFor(status)));
}

}  // namespace kith::control
