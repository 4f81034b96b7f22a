#include "source/ctl/install.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/ctl/chart_files.h"
#include "source/ctl/chart_template.h"
#include "source/ctl/chart_values.h"
#include "source/inject/manifest.h"

namespace kith::ctl {
namespace {

using inject::Json;

constexpr char kFooter[] = R"(Examples:
  kithctl install --create-namespace | kubectl apply -f -
  kithctl install --set trustDomain=example.org --set podMonitor.enabled=true | kubectl apply -f -
  kithctl install --high-availability --set ca.secret=kith-ca | kubectl apply -f -
  kithctl install --show-values > values.yaml; kithctl install -f values.yaml | kubectl diff -f -
  kithctl install | kubectl delete -f -       takes it, its policies and their kinds away again

The same as `helm install kith deploy/helm/kith` with the same values. What to do next is said on
standard error.
Exit codes: 0 done, 65 a value or a file is refused: then nothing is printed.)";

absl::StatusOr<absl::string_view> ChartFile(absl::string_view name) {
  for (const EmbeddedFile& file : ChartFiles()) {
    if (file.name == name) return file.text;
  }
  return absl::InternalError(absl::StrCat("the chart has no ", name));
}

// The one object of a file.
absl::StatusOr<Json> ReadValues(absl::string_view text, const std::string& file) {
  KITH_ASSIGN_OR_RETURN(std::vector<inject::ManifestPart> parts, inject::ParseManifest(text, file));
  Json values = Json::object();
  int documents = 0;
  for (inject::ManifestPart& part : parts) {
    if (part.object.is_null()) continue;
    values = std::move(part.object);
    ++documents;
  }
  if (documents > 1 || !values.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": must be one map of values"));
  }
  return values;
}

absl::StatusOr<Json> ReadChartFile(const std::string& name) {
  KITH_ASSIGN_OR_RETURN(const absl::string_view text, ChartFile(name));
  return ReadValues(text, name);
}

// What others need comes first: a namespace, kinds, accounts; the webhooks, which call what is not
// running yet, last.
size_t Rank(const Json& object) {
  static constexpr absl::string_view kOrder[] = {"Namespace",
                                                 "CustomResourceDefinition",
                                                 "NetworkPolicy",
                                                 "PodDisruptionBudget",
                                                 "ServiceAccount",
                                                 "ConfigMap",
                                                 "PersistentVolumeClaim",
                                                 "ClusterRole",
                                                 "ClusterRoleBinding",
                                                 "Role",
                                                 "RoleBinding",
                                                 "Service",
                                                 "Deployment",
                                                 "PodMonitor"};
  const auto* const found =
      std::find(std::begin(kOrder), std::end(kOrder), inject::Text(object, "kind"));
  return static_cast<size_t>(found - std::begin(kOrder));
}

absl::Status AddObjects(const std::string& text, const std::string& file,
                        std::vector<Json>& objects) {
  KITH_ASSIGN_OR_RETURN(std::vector<inject::ManifestPart> parts, inject::ParseManifest(text, file));
  for (inject::ManifestPart& part : parts) {
    if (!part.object.is_null()) objects.push_back(std::move(part.object));
  }
  return absl::OkStatus();
}

struct InstallOptions {
  std::string name_space = "kith-system";
  std::vector<std::string> files, sets;
  bool create_namespace = false, high_availability = false, show_values = false;
};

// In the order of their weight: the chart's profile, files, single values.
absl::StatusOr<std::vector<Json>> GatherValues(const InstallOptions& options) {
  std::vector<Json> all;
  if (options.high_availability) {
    KITH_ASSIGN_OR_RETURN(Json values, ReadChartFile("values-ha.yaml"));
    all.push_back(std::move(values));
  }
  for (const std::string& file : options.files) {
    const absl::StatusOr<std::string> text = config::ReadFile(file);
    if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
    KITH_ASSIGN_OR_RETURN(Json values, ReadValues(*text, file));
    all.push_back(std::move(values));
  }
  for (const std::string& set : options.sets) {
    Json values = Json::object();
    if (const absl::Status done = SetValues(set, values); !done.ok()) {
      return base::Annotate(done, "--set");
    }
    all.push_back(std::move(values));
  }
  return all;
}

absl::Status Install(const InstallOptions& options, Output output) {
  if (options.show_values) {
    KITH_ASSIGN_OR_RETURN(const absl::string_view values, ChartFile("values.yaml"));
    std::cout << values;
    return absl::OkStatus();
  }
  InstallationOptions wanted;
  wanted.name_space = options.name_space;
  KITH_ASSIGN_OR_RETURN(wanted.values, GatherValues(options));
  KITH_ASSIGN_OR_RETURN(Installation installation, RenderInstallation(wanted));
  if (options.create_namespace) {
    const Json name_space = {
        {"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", options.name_space}}}};
    installation.objects.insert(installation.objects.begin(), name_space);
  }
  if (output == Output::kJson) {
    const Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", installation.objects}};
    std::cout << list.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    for (const Json& object : installation.objects) {
      std::cout << "---\n" << inject::ToYaml(object);
    }
  }
  std::cerr << installation.notes;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Installation> RenderInstallation(const InstallationOptions& options) {
  KITH_ASSIGN_OR_RETURN(const Json chart, ReadChartFile("Chart.yaml"));
  KITH_ASSIGN_OR_RETURN(const Json schema, ReadChartFile("values.schema.json"));
  KITH_ASSIGN_OR_RETURN(Json values, ReadChartFile("values.yaml"));
  for (const Json& more : options.values) MergeValues(more, values);
  KITH_RETURN_IF_ERROR(CheckValues(values, schema));
  const Json scope = {
      {"Values", values},
      {"Chart", {{"AppVersion", inject::Text(chart, "appVersion")}}},
      {"Release", {{"Name", "kith"}, {"Namespace", options.name_space}, {"Service", "kithctl"}}}};
  Installation installation;
  for (const EmbeddedFile& file : ChartFiles()) {
    if (!absl::StartsWith(file.name, "templates/")) continue;
    const std::string name(file.name);
    KITH_ASSIGN_OR_RETURN(std::string text, RenderTemplate(file.text, name, scope));
    if (absl::EndsWith(name, ".yaml")) {
      KITH_RETURN_IF_ERROR(AddObjects(text, name, installation.objects));
    } else {
      installation.notes = std::move(text);
    }
  }
  std::stable_sort(installation.objects.begin(), installation.objects.end(),
                   [](const Json& a, const Json& b) { return Rank(a) < Rank(b); });
  return installation;
}

void AddInstallCommand(CLI::App& app, CommandLine& line) {
  auto options = std::make_shared<InstallOptions>();
  CLI::App* install =
      app.add_subcommand("install", "Print the manifests of an installation in Kubernetes");
  install->footer(kFooter);
  install->add_option("-f,--values", options->files, "Values, as the chart's values.yaml has them")
      ->type_name("FILE");
  install->add_option("--set", options->sets, "One value; its key is a path with dots")
      ->type_name("KEY=VALUE");
  install->add_option("--namespace", options->name_space, "Of the control plane")
      ->capture_default_str();
  install->add_flag("--create-namespace", options->create_namespace, "Print it, too");
  install->add_flag("--high-availability", options->high_availability,
                    "Two control planes (values-ha.yaml); needs ca.secret");
  install->add_flag("--show-values", options->show_values,
                    "Print what may be set, and no manifests");
  install->callback([&line, options] {
    line.RunStatus([options](Output output) { return Install(*options, output); });
  });
}

}  // namespace kith::ctl
