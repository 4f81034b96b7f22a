#include "source/ctl/check_roots.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/ctl/table.h"
#include "source/x509/describe.h"

namespace kith::ctl {
namespace {

constexpr absl::Duration kSoon = absl::Hours(30 * 24);

}  // namespace

absl::StatusOr<std::set<std::string>> Fingerprints(absl::string_view pem) {
  KITH_ASSIGN_OR_RETURN(const auto certificates, x509::DescribeCertificates(pem));
  std::set<std::string> found;
  for (const x509::CertificateDescription& each : certificates) found.insert(each.sha256);
  return found;
}

void CheckRoots(const std::string& whose, absl::string_view pem, absl::Time now, CheckList& list) {
  const std::string what = absl::StrCat("the roots of ", whose, " are valid");
  const auto roots = x509::DescribeCertificates(pem);
  if (!roots.ok() || roots->empty()) {
    list.Bad(what, roots.ok() ? "there is none" : std::string(roots.status().message()),
             "look at the control plane's log: it writes them");
    return;
  }
  absl::Time last = absl::InfinitePast();
  for (const x509::CertificateDescription& root : *roots) {
    last = std::max(last, root.not_after);
    if (root.not_before <= now && now < root.not_after) continue;
    list.Bad(what,
             absl::StrCat(root.subject, " is valid from ", absl::FormatTime(root.not_before),
                          " to ", absl::FormatTime(root.not_after)),
             "compare the clocks; replace a root that has ended: kithctl ca rotate");
    return;
  }
  const std::string left = absl::StrCat("for ", ShortDuration(last - now));
  if (last - now > kSoon) {
    list.Good(what, left);
  } else {
    list.Warn(what, absl::StrCat("only ", left), "begin their replacement: kithctl ca rotate");
  }
}

}  // namespace kith::ctl
