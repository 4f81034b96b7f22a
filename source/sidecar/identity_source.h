// Builds the identity source that the bootstrap names, with what it needs.
// Threads: the loop's. Owns: the source and its clients; what MakeSource() is given is borrowed and
// outlives it.
// Errors: what the source could not be made with.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "source/control/certificate_client.h"
#include "source/control/channel.h"
#include "source/event/loop.h"
#include "source/identity/source.h"
#include "source/sidecar/bootstrap.h"

namespace kith::sidecar {

// In the order of their needs: destroyed from the last to the first.
struct IdentitySource {
  std::unique_ptr<control::Channel> channel;  // To an authority of its own; null: none.
  std::unique_ptr<control::CertificateClient> client;
  std::unique_ptr<identity::Source> source;
  std::unique_ptr<identity::Source> roots;  // A watched file of roots beside it; null: none.
};

// `control_plane` is the channel that Kith's own authority is reached by.
absl::StatusOr<IdentitySource> MakeSource(event::Loop& loop, const Bootstrap& bootstrap,
                                          control::Channel& control_plane);

}  // namespace kith::sidecar
