#include "source/ctl/inject_commands.h"

#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/base/version.h"
#include "source/config/document.h"
#include "source/inject/manifest.h"
#include "source/inject/options.h"
#include "source/inject/workloads.h"

namespace kith::ctl {
namespace {

using inject::Json;
using inject::ManifestPart;
using inject::Verdict;

constexpr config::Limits kManifestLimits = {
    .bytes = size_t{16} << 20, .depth = 64, .nodes = 2'000'000, .documents = 10'000};

constexpr char kInjectFooter[] = R"(Examples:
  kithctl inject -f app.yaml | kubectl apply -f -
  kubectl get deployment web -o yaml | kithctl inject -f - | kubectl apply -f -
  kithctl inject -f app.yaml --config injection.yaml --namespace shop -o json

Documents without pods, and pods that are skipped, come out byte for byte as they went in. What was
done is said on standard error.
Exit codes: 0 done, 65 a file cannot be read or a pod is refused: then nothing is printed.)";

struct InjectOptions {
  std::vector<std::string> files;
  std::string config;
  std::string image;
  std::string name_space = "default";
};

absl::StatusOr<std::string> ReadInput(const std::string& file) {
  if (file != "-") return config::ReadFile(file, kManifestLimits);
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.size() > kManifestLimits.bytes) {
    return absl::InvalidArgumentError("standard input: longer than 16 MiB; split it");
  }
  return text;
}

absl::StatusOr<inject::Options> ReadOptions(const InjectOptions& options) {
  inject::v1::InjectionConfig config;
  if (!options.config.empty()) {
    KITH_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(options.config));
    KITH_RETURN_IF_ERROR(config::DecodeSingle(text, options.config, config));
  }
  if (!options.image.empty()) config.set_image(options.image);
  if (config.image().empty()) config.set_image(absl::StrCat("kith:", base::kVersion));
  auto checked = inject::Options::From(config);
  if (!checked.ok()) return base::Annotate(checked.status(), options.config);
  return checked;
}

using Change = std::function<std::vector<inject::Report>(Json&)>;

void Tell(const inject::Report& report, absl::string_view done) {
  std::cerr << report.object << ": ";
  switch (report.kind) {
    case Verdict::Kind::kInjected:
      std::cerr << done << "\n";
      break;
    case Verdict::Kind::kSkipped:
      std::cerr << "skipped: " << report.reason << "\n";
      break;
    case Verdict::Kind::kRefused:
      std::cerr << "refused: " << report.reason << "\n";
      break;
  }
  for (const std::string& warning : report.warnings) std::cerr << "  warning: " << warning << "\n";
}

// What was changed in one file, as text or as the objects themselves.
struct Changed {
  std::string text;
  Json objects = Json::array();
  bool refused = false;
};

absl::StatusOr<Changed> ChangeFile(const std::string& file, absl::string_view done,
                                   const Change& change) {
  const std::string name = file == "-" ? "standard input" : file;
  absl::StatusOr<std::string> text = ReadInput(file);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  KITH_ASSIGN_OR_RETURN(std::vector<ManifestPart> parts, inject::ParseManifest(*text, name));
  Changed changed;
  for (ManifestPart& part : parts) {
    bool touched = false;
    for (const inject::Report& report : change(part.object)) {
      Tell(report, done);
      changed.refused |= report.kind == Verdict::Kind::kRefused;
      touched |= report.kind == Verdict::Kind::kInjected;
    }
    absl::StrAppend(&changed.text, part.separator, touched ? part.Rewritten() : part.text);
    if (!part.object.is_null()) changed.objects.push_back(std::move(part.object));
  }
  return changed;
}

absl::Status ChangeFiles(const std::vector<std::string>& files, absl::string_view done,
                         const Change& change, Output output) {
  std::string text;
  Json objects = Json::array();
  bool refused = false;
  for (const std::string& file : files) {
    KITH_ASSIGN_OR_RETURN(Changed changed, ChangeFile(file, done, change));
    refused |= changed.refused;
    if (!text.empty()) absl::StrAppend(&text, text.back() == '\n' ? "" : "\n", "---\n");
    text += changed.text;
    for (Json& object : changed.objects) objects.push_back(std::move(object));
  }
  if (refused) return absl::InvalidArgumentError("a pod is refused; nothing is printed");
  if (output != Output::kJson) {
    std::cout << text;
    return absl::OkStatus();
  }
  const Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}};
  std::cout << (objects.size() == 1 ? objects[0] : list)
                   .dump(2, ' ', false, Json::error_handler_t::replace)
            << "\n";
  return absl::OkStatus();
}

CLI::App* AddCommand(CLI::App& app, const char* name, const char* description,
                     InjectOptions& options) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("-f,--file", options.files, "Manifests, YAML or JSON; - is standard input")
      ->required()
      ->type_name("FILE|-");
  return command;
}

}  // namespace

void AddInjectCommands(CLI::App& app, CommandLine& line) {
  auto options = std::make_shared<InjectOptions>();
  CLI::App* add = AddCommand(app, "inject", "Put sidecars into the pods of manifests", *options);
  add->footer(kInjectFooter);
  add->add_option("--config", options->config, "What a sidecar looks like (docs/kubernetes.md)")
      ->type_name("FILE");
  add->add_option("--image", options->image, "Its image, before the configuration's");
  add->add_option("--namespace", options->name_space, "Of objects that name none")
      ->capture_default_str();
  add->callback([&line, options] {
    line.RunStatus([options](Output output) -> absl::Status {
      KITH_ASSIGN_OR_RETURN(const inject::Options config, ReadOptions(*options));
      return ChangeFiles(
          options->files, "injected",
          [&](Json& object) { return InjectInto(object, options->name_space, config); }, output);
    });
  });
  CLI::App* remove =
      AddCommand(app, "uninject", "Take sidecars out of the pods of manifests", *options);
  remove->footer("Examples:\n  kithctl uninject -f app.yaml | kubectl apply -f -");
  remove->callback([&line, options] {
    line.RunStatus([options](Output output) {
      return ChangeFiles(options->files, "sidecar taken out", inject::UninjectFrom, output);
    });
  });
}

}  // namespace kith::ctl
