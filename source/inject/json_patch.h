// The difference between two JSON documents as a JSON Patch (RFC 6902), for people to read: an
// element that is put before others is one operation and moves nobody.
// Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include "source/inject/json.h"

namespace kith::inject {

// Applied to `before` it gives `after`, whose objects may have their members in another order.
Json MakePatch(const Json& before, const Json& after);

}  // namespace kith::inject
