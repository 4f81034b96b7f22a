#include "source/ctl/root_rotation.h"

#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/status.h"
#include "source/ctl/command_line.h"
#include "source/ctl/table.h"

namespace kith::ctl {

using nlohmann::json;

namespace {

constexpr char kPath[] = "/v1/ca/rotation";
constexpr size_t kMaxFile = 256 * 1024;

constexpr char kFooter[] = R"(Examples:
  kithctl ca rotate start                           a new root, made by the control plane
  kithctl ca rotate start --root-file root.pem --key-file root-key.pem
  kithctl ca rotate status                          the phase, and what it waits for
  kithctl ca rotate start --manual; kithctl ca rotate continue
  kithctl ca rotate abort                           back to the old root

Phases: adding (everybody learns to trust the new root), reissuing (it signs; certificates are
renewed), removing (the old root leaves the bundle), idle.)";

std::string Text(const json& object, const char* key) {
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return "";
  return member->is_string() ? member->get<std::string>() : member->dump();
}

absl::StatusOr<std::string> ReadPem(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  if (!stream || content.str().size() > kMaxFile ||
      content.str().find("-----BEGIN ") == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("read ", file, ": is it a PEM file that this user may read?"));
  }
  return content.str();
}

absl::Status Print(const json& rotation, Output output) {
  if (output == Output::kJson) {
    std::cout << rotation.dump(2) << "\n";
  } else {
    std::cout << RotationTable(rotation, absl::Now());
  }
  return absl::OkStatus();
}

absl::Status PostAndPrint(const AdminClient& control_plane, const json& body, Output output) {
  KITH_ASSIGN_OR_RETURN(const json rotation, control_plane.Post(kPath, body));
  return Print(rotation, output);
}

}  // namespace

std::string RotationTable(const json& rotation, absl::Time now) {
  const std::string phase = Text(rotation, "phase");
  std::string text = absl::StrCat("phase   ", phase);
  if (phase != "idle") {
    absl::StrAppend(&text, " (", Text(rotation, "mode"), "), ",
                    FromNow(Text(rotation, "since"), now), "; started ",
                    FromNow(Text(rotation, "startedAt"), now));
  }
  absl::StrAppend(&text, "\nbundle  generation ", Text(rotation, "generation"), "\n\n");
  Table roots({"ROOT", "ROLE", "SUBJECT", "EXPIRES", "LAST CERTIFICATE"});
  for (const json& root : rotation.value("roots", json::array())) {
    roots.AddRow({Text(root, "keyId"), Text(root, "role"), Text(root, "subject"),
                  FromNow(Text(root, "notAfter"), now),
                  FromNow(Text(root, "lastCertificateEnds"), now)});
  }
  text += roots.ToString();
  Table workloads(
      {"NAMESPACE", "WORKLOAD", "CONNECTED", "BUNDLE", "SERIAL", "ROOT", "EXPIRES", "WAITS FOR"});
  for (const json& each : rotation.value("workloads", json::array())) {
    const std::string wait = Text(each, "waitsFor");
    workloads.AddRow({Text(each, "namespace"), Text(each, "name"),
                      each.value("connected", false) ? "yes" : "no", Text(each, "bundleGeneration"),
                      Text(each, "serial"), Text(each, "rootKeyId").substr(0, 8),
                      FromNow(Text(each, "notAfter"), now), wait == "-" ? "" : wait});
  }
  absl::StrAppend(&text, "\n", workloads.ToString());
  const json waits = rotation.value("waitsFor", json::array());
  if (!waits.empty()) text += "\nwaits for:\n";
  for (const json& reason : waits) {
    absl::StrAppend(&text, "  ", reason.is_string() ? reason.get<std::string>() : reason.dump(),
                    "\n");
  }
  if (waits.empty() && Text(rotation, "mode") == "manual" && phase != "idle") {
    text += "\nready for the next step: kithctl ca rotate continue\n";
  }
  return text;
}

absl::Status StartRotation(const AdminClient& control_plane, const RotationStart& start,
                           Output output) {
  json body{{"action", "start"}, {"mode", start.manual ? "manual" : "automatic"}};
  if (start.key_file.empty()) {
    body["keyType"] = start.key_type;
    return PostAndPrint(control_plane, body, output);
  }
  KITH_ASSIGN_OR_RETURN(const std::string roots, ReadPem(start.root_file));
  KITH_ASSIGN_OR_RETURN(const std::string key, ReadPem(start.key_file));
  body["roots"] = roots;
  body["key"] = key;
  body["certificate"] = roots;
  if (!start.certificate_file.empty()) {
    KITH_ASSIGN_OR_RETURN(body["certificate"], ReadPem(start.certificate_file));
  }
  return PostAndPrint(control_plane, body, output);
}

absl::Status ShowRotation(const AdminClient& control_plane, Output output) {
  KITH_ASSIGN_OR_RETURN(const json rotation, control_plane.Get(kPath));
  return Print(rotation, output);
}

absl::Status ContinueRotation(const AdminClient& control_plane, const std::string& force,
                              Output output) {
  return PostAndPrint(control_plane, {{"action", "continue"}, {"force", force}}, output);
}

absl::Status AbortRotation(const AdminClient& control_plane, Output output) {
  return PostAndPrint(control_plane, {{"action", "abort"}}, output);
}

void AddRootRotationCommands(CLI::App& app, CommandLine& line) {
  CLI::App* ca = FindOrAddSubcommand(app, "ca", "The certificate authority");
  CLI::App* rotate = ca->add_subcommand("rotate", "Replace the root of the mesh");
  rotate->require_subcommand(1);
  rotate->footer(kFooter);

  auto start = std::make_shared<RotationStart>();
  CLI::App* begin = rotate->add_subcommand("start", "Begin: the new root joins every bundle");
  CLI::Option* key_type =
      begin->add_option("--key-type", start->key_type, "Of the root the control plane makes")
          ->check(CLI::IsMember({"P-256", "P-384"}))
          ->capture_default_str();
  CLI::Option* root =
      begin->add_option("--root-file", start->root_file, "Bring a root: its certificate, PEM");
  CLI::Option* key = begin->add_option("--key-file", start->key_file, "Its key, PEM")
                         ->needs(root)
                         ->excludes(key_type);
  root->needs(key);
  begin
      ->add_option("--certificate-file", start->certificate_file,
                   "An intermediate under that root, with its chain; the key is then its own")
      ->needs(key);
  begin->add_flag("--manual", start->manual, "Wait for 'continue' before each step");
  begin->callback([&line, start] {
    line.RunStatus([&line, start](Output output) {
      return StartRotation(line.ControlPlane(), *start, output);
    });
  });

  rotate->add_subcommand("status", "The phase, the roots, and every workload's progress")
      ->callback([&line] {
        line.RunStatus(
            [&line](Output output) { return ShowRotation(line.ControlPlane(), output); });
      });

  auto force = std::make_shared<std::string>("no");
  CLI::App* go_on = rotate->add_subcommand("continue", "Take the next step, if it is safe");
  go_on->add_flag_callback(
      "--force", [force] { *force = "yes"; },
      "Take it in any case: connections of what it still waits for will fail");
  go_on->callback([&line, force] {
    line.RunStatus([&line, force](Output output) {
      return ContinueRotation(line.ControlPlane(), *force, output);
    });
  });

  rotate->add_subcommand("abort", "Go back to the old root; possible until it is removed")
      ->callback([&line] {
        line.RunStatus(
            [&line](Output output) { return AbortRotation(line.ControlPlane(), output); });
      });
}

}  // namespace kith::ctl
