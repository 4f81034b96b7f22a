// How a command prints. Threads: any. Owns: nothing. Errors: none.
#pragma once

namespace kith::ctl {

enum class Output { kTable, kJson };

}  // namespace kith::ctl
