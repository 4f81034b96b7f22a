// The root rotation on the admin socket:
//   GET  /v1/ca/rotation
//   POST /v1/ca/rotation {"action": "start", "mode": "automatic" | "manual",
//                         "keyType": "P-256" | "P-384"
//                         | "certificate": PEM, "key": PEM, "roots": PEM}
//                        {"action": "continue", "force": "yes" | "no"}
//                        {"action": "abort"}
// A POST answers with what GET shows after it.
// Threads: the loop's. Owns: nothing. Errors: {"error": …} with 400 for a bad request, 409 for a
// step that is not possible now, 503 when it cannot be recorded.
#pragma once

#include <string>

#include "source/controlplane/root_rotation.h"
#include "source/http/embedded_message.h"

namespace kith::controlplane {

http::EmbeddedResponse AnswerRotation(RootRotation& rotation, const http::EmbeddedRequest& request);

std::string RotationJson(const RootRotation& rotation);

}  // namespace kith::controlplane
