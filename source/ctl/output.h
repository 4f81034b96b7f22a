// How a command prints. Threads: any. Owns: nothing. Errors: none.
#pragma once

namespace kith::ctl {

// kJunit: what runs tests; other commands print a table.
enum class Output { kTable, kJson, kJunit };

}  // namespace kith::ctl
