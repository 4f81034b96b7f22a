#include "source/capture/apply.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/capture/program.h"

namespace kith::capture {
namespace {

absl::Status RequireNetAdmin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1U << CAP_NET_ADMIN)) != 0) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      "changing the redirection needs the capability NET_ADMIN; run as root, or give it to the "
      "init container (or use the CNI plugin where pods may not have it)");
}

// The four programs of one half of iptables.
struct Iptables {
  std::string command, restore, save;
};

Iptables ProgramsOf(Backend backend, bool v6) {
  const std::string prefix = absl::StrCat(v6 ? "ip6tables-" : "iptables-",
                                          backend == Backend::kIptablesNft ? "nft" : "legacy");
  return {prefix, absl::StrCat(prefix, "-restore"), absl::StrCat(prefix, "-save")};
}

bool HasJump(const Iptables& programs, const IptablesJump& jump) {
  return RunProgram({programs.command, "-w", "-t", jump.table, "-C", jump.from, "-p", "tcp", "-j",
                     jump.to})
      .ok();
}

absl::Status ApplyIptables(const Rules& rules, Backend backend, bool v6) {
  const Iptables programs = ProgramsOf(backend, v6);
  // Chains first: until a jump leads to them they do nothing.
  KITH_RETURN_IF_ERROR(
      RunProgram({programs.restore, "-w", "--noflush"}, IptablesScript(rules, v6)).status());
  for (const IptablesJump& jump : IptablesJumps(rules)) {
    if (HasJump(programs, jump)) continue;
    KITH_RETURN_IF_ERROR(RunProgram({programs.command, "-w", "-t", jump.table, "-A", jump.from,
                                     "-p", "tcp", "-j", jump.to})
                             .status());
  }
  return absl::OkStatus();
}

// Without a jump, a chain and an old half of iptables that is not there is nothing to remove.
void RemoveIptables(Backend backend, bool v6) {
  const Iptables programs = ProgramsOf(backend, v6);
  if (!HasProgram(programs.command)) return;
  const auto saved = RunProgram({programs.save});
  if (!saved.ok() || !absl::StrContains(*saved, ":KITH_")) return;
  const std::vector<IptablesJump> jumps = AllIptablesJumps();
  for (const IptablesJump& jump : jumps) {
    if (jump.from.empty()) continue;
    while (HasJump(programs, jump)) {
      if (!RunProgram({programs.command, "-w", "-t", jump.table, "-D", jump.from, "-p", "tcp", "-j",
                       jump.to})
               .ok()) {
        break;
      }
    }
  }
  for (const char* verb : {"-F", "-X"}) {
    for (const IptablesJump& jump : jumps) {
      (void)RunProgram({programs.command, "-w", "-t", jump.table, verb, jump.to});
    }
  }
}

// The sidecar binds kApplicationSource6, which unlike 127.0.0.6 is nobody's until it is given to
// lo.
absl::Status PrepareLoopback6() {
  return base::Annotate(RunProgram({"ip", "-6", "address", "replace",
                                    absl::StrCat(kApplicationSource6, "/128"), "dev", "lo"})
                            .status(),
                        "prepare IPv6 (or switch it off with --ipv6 off)");
}

std::vector<std::string> RuleCommand(bool v6, absl::string_view verb) {
  return {"ip",     v6 ? "-6" : "-4",          "rule",   std::string(verb),
          "fwmark", absl::StrCat(kTproxyMark), "lookup", absl::StrCat(kTproxyTable)};
}

absl::Status PrepareTproxyRouting(bool v6) {
  // "add" would put a second one beside the first.
  (void)RunProgram(RuleCommand(v6, "del"));
  KITH_RETURN_IF_ERROR(RunProgram(RuleCommand(v6, "add")).status());
  return RunProgram({"ip", v6 ? "-6" : "-4", "route", "replace", "local", v6 ? "::/0" : "0.0.0.0/0",
                     "dev", "lo", "table", absl::StrCat(kTproxyTable)})
      .status();
}

void RemoveTproxyRouting(bool v6) {
  (void)RunProgram(RuleCommand(v6, "del"));
  (void)RunProgram({"ip", v6 ? "-6" : "-4", "route", "flush", "table", absl::StrCat(kTproxyTable)});
}

}  // namespace

absl::string_view Name(Backend backend) {
  switch (backend) {
    case Backend::kNftables:
      return "nft";
    case Backend::kIptablesNft:
      return "iptables-nft";
    case Backend::kIptablesLegacy:
      return "iptables-legacy";
  }
  return "";
}

absl::StatusOr<Backend> ChooseBackend() {
  if (HasProgram("iptables-legacy-save")) {
    const auto saved = RunProgram({"iptables-legacy-save"});
    if (saved.ok() && absl::StrContains(*saved, "\n-A ")) return Backend::kIptablesLegacy;
  }
  if (HasProgram("nft")) return Backend::kNftables;
  if (HasProgram("iptables-nft-restore")) return Backend::kIptablesNft;
  if (HasProgram("iptables-legacy-restore")) return Backend::kIptablesLegacy;
  return absl::NotFoundError(
      "neither nft nor iptables is on this machine; install the package nftables or iptables");
}

absl::Status Apply(const Rules& rules, Backend backend) {
  KITH_RETURN_IF_ERROR(Validate(rules));
  KITH_RETURN_IF_ERROR(RequireNetAdmin());
  for (const bool v6 : {false, true}) {
    if (v6 && !rules.ipv6) continue;
    if (v6) KITH_RETURN_IF_ERROR(PrepareLoopback6());
    if (rules.inbound == Rules::Inbound::kTproxy) KITH_RETURN_IF_ERROR(PrepareTproxyRouting(v6));
    if (backend != Backend::kNftables) KITH_RETURN_IF_ERROR(ApplyIptables(rules, backend, v6));
  }
  if (backend != Backend::kNftables) return absl::OkStatus();
  return RunProgram({"nft", "-f", "-"}, NftablesScript(rules)).status();
}

absl::Status Remove() {
  KITH_RETURN_IF_ERROR(RequireNetAdmin());
  for (const bool v6 : {false, true}) {
    RemoveIptables(Backend::kIptablesNft, v6);
    RemoveIptables(Backend::kIptablesLegacy, v6);
    if (HasProgram("ip")) RemoveTproxyRouting(v6);
  }
  if (HasProgram("ip")) {
    (void)RunProgram(
        {"ip", "-6", "address", "del", absl::StrCat(kApplicationSource6, "/128"), "dev", "lo"});
  }
  if (!HasProgram("nft")) return absl::OkStatus();
  return RunProgram({"nft", "-f", "-"}, NftablesRemoval()).status();
}

std::string Print(const Rules& rules, Backend backend) {
  if (backend == Backend::kNftables) return NftablesScript(rules);
  std::string text;
  for (const bool v6 : {false, true}) {
    if (v6 && !rules.ipv6) continue;
    const Iptables programs = ProgramsOf(backend, v6);
    absl::StrAppend(&text, "# ", programs.restore, " --noflush\n", IptablesScript(rules, v6));
    for (const IptablesJump& jump : IptablesJumps(rules)) {
      absl::StrAppend(&text, "# ", programs.command, " -t ", jump.table, " -A ", jump.from,
                      " -p tcp -j ", jump.to, "\n");
    }
  }
  return text;
}

}  // namespace kith::capture
