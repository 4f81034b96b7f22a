// Load for the certificate authority: asks for certificates over gRPC with TLS as sidecars do, a
// fixed number at a time, and prints what came of it as JSON. ca.py starts the control plane,
// gives this its address, root and tokens, and reads the control plane's CPU time.
//   ca_load ADDRESS ROOT_FILE SECONDS CONCURRENCY TOKEN_FILE...
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "istio/v1/auth/ca.grpc.pb.h"
#include "source/x509/crypto.h"
#include "test/support/temporary_ca.h"

namespace {

using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;
using istio::v1::auth::IstioCertificateService;

// Several, so that one connection's window or lock is not what is measured.
constexpr int kChannels = 4;
constexpr int kKeys = 32;
constexpr int kSignatures = 2000;

std::string Read(const char* file) {
  std::ifstream in(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class Load {
 public:
  Load(std::vector<std::string> tokens,
       std::vector<std::unique_ptr<IstioCertificateService::Stub>> stubs)
      : tokens_(std::move(tokens)), stubs_(std::move(stubs)) {
    for (int i = 0; i < kKeys; i++) requests_.push_back(kith::test::MakeRequestPem({}));
  }

  void Run(int concurrency, std::chrono::seconds duration) {
    running_ = concurrency;
    for (int i = 0; i < concurrency; i++) Start(i);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait_for(lock, duration, [this] { return running_ == 0; });
    stop_ = true;
    done_.wait(lock, [this] { return running_ == 0; });
  }

  uint64_t issued() const { return issued_; }
  uint64_t failed() const { return failed_; }
  const std::string& error() const { return error_; }

 private:
  struct Call {
    grpc::ClientContext context;
    IstioCertificateRequest request;
    IstioCertificateResponse response;
  };

  void Start(uint64_t number) {
    auto call = std::make_shared<Call>();
    call->request.set_csr(requests_[number % requests_.size()]);
    call->request.set_validity_duration(3600);
    call->context.AddMetadata("authorization", "Bearer " + tokens_[number % tokens_.size()]);
    auto& stub = stubs_[number % stubs_.size()];
    stub->async()->CreateCertificate(&call->context, &call->request, &call->response,
                                     [this, call](const grpc::Status& status) {
                                       Done(status, call->response.cert_chain_size() >= 2);
                                     });
  }

  void Done(const grpc::Status& status, bool whole) {
    if (status.ok() && whole) {
      issued_++;
    } else {
      failed_++;
      const std::lock_guard<std::mutex> lock(mutex_);
      error_ = status.error_message();
    }
    if (!stop_) return Start(next_++);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--running_ == 0) done_.notify_all();
  }

  const std::vector<std::string> tokens_;
  const std::vector<std::unique_ptr<IstioCertificateService::Stub>> stubs_;
  std::vector<std::string> requests_;
  std::atomic<uint64_t> next_{1000};
  std::atomic<uint64_t> issued_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable done_;
  int running_ = 0;
  std::string error_;
};

// CPU time, like the control plane's: the clock on the wall runs on while others have the core.
double ThreadCpuMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

// What one signature of a certificate costs with the same library: the rest is everything else.
double MicrosecondsPerSignature() {
  auto key = kith::x509::GenerateP256Key();
  if (!key.ok()) return 0;
  const std::string message(500, 'x');
  uint8_t signature[128];
  const double start = ThreadCpuMicroseconds();
  for (int i = 0; i < kSignatures; i++) {
    bssl::ScopedEVP_MD_CTX context;
    size_t size = sizeof(signature);
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key->get());
    EVP_DigestSign(context.get(), signature, &size,
                   reinterpret_cast<const uint8_t*>(message.data()), message.size());
  }
  return (ThreadCpuMicroseconds() - start) / kSignatures;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: ca_load ADDRESS ROOT_FILE SECONDS CONCURRENCY TOKEN_FILE...\n");
    return 64;
  }
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = Read(argv[2]);
  std::vector<std::unique_ptr<IstioCertificateService::Stub>> stubs;
  for (int i = 0; i < kChannels; i++) {
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("kith-controlplane");
    arguments.SetInt("number", i);  // Channels of equal arguments would share a connection.
    stubs.push_back(IstioCertificateService::NewStub(
        grpc::CreateCustomChannel(argv[1], grpc::SslCredentials(tls), arguments)));
  }
  std::vector<std::string> tokens;
  for (int i = 5; i < argc; i++) {
    std::string token = Read(argv[i]);
    token.erase(token.find_last_not_of(" \n") + 1);
    tokens.push_back(std::move(token));
  }
  const double signature = MicrosecondsPerSignature();
  Load load(std::move(tokens), std::move(stubs));
  const auto start = std::chrono::steady_clock::now();
  load.Run(std::atoi(argv[4]), std::chrono::seconds(std::atoi(argv[3])));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("{\"issued\": %lu, \"failed\": %lu, \"seconds\": %.3f, \"signature_us\": %.2f}\n",
              load.issued(), load.failed(), took.count(), signature);
  if (load.failed() > 0) std::fprintf(stderr, "ca_load: %s\n", load.error().c_str());
  std::fflush(nullptr);
  // Threads of gRPC's may still be letting go of the last calls, which static objects must survive.
  std::_Exit(load.failed() == 0 ? 0 : 1);
}
