#include "source/ctl/install.h"

#include <gtest/gtest.h>

#include "source/ctl/chart_template.h"
#include "source/ctl/chart_values.h"

namespace kith::ctl {
namespace {

using inject::Json;

const Json kScope = {{"Values", {{"on", true}, {"off", false}, {"text", "a b"}, {"n", 3}}}};

std::string Render(absl::string_view text) {
  const auto rendered = RenderTemplate(text, "t", kScope);
  return rendered.ok() ? *rendered : std::string(rendered.status().message());
}

TEST(ChartTemplateTest, ShowsValuesAsTheyAreOrAsJson) {
  EXPECT_EQ(Render("a: {{ .Values.text }}, {{ toJson .Values.text }}; {{ .Values.n }}\n"),
            "a: a b, \"a b\"; 3\n");
}

TEST(ChartTemplateTest, LeavesOutWhatIsNotAskedFor) {
  EXPECT_EQ(Render("{{- if .Values.on }}\n  {{- if .Values.off }}\n1\n  {{- else }}\n2\n"
                   "  {{- end }}\n{{- end }}\n3"),
            "2\n3\n");
}

TEST(ChartTemplateTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(Render("\n{{ .Values.none }}"), "t:2: there is no .Values.none");
  EXPECT_EQ(Render("{{- range .Values }}"), "t:1: {{- range .Values }} is not understood");
  EXPECT_EQ(Render("{{- if .Values.on }}"), "t: an if has no end");
  EXPECT_EQ(Render("{{- end }}"), "t:1: end without an if");
  EXPECT_EQ(Render("{{.Values.on}}"), "t:1: this use of {{ is not understood");
}

Json Set(absl::string_view assignments) {
  Json values = {{"a", {{"b", 1}}}};
  const absl::Status done = SetValues(assignments, values);
  return done.ok() ? values : Json(std::string(done.message()));
}

TEST(ChartValuesTest, AreSetAsHelmDoes) {
  EXPECT_EQ(Set("a.c=x,d=007"), Json({{"a", {{"b", 1}, {"c", "x"}}}, {"d", "007"}}));
  EXPECT_EQ(Set("a=true"), Json({{"a", true}}));
  EXPECT_EQ(Set(R"(a.k\.io/os=x\,y=z)"), Json({{"a", {{"b", 1}, {"k.io/os", "x,y=z"}}}}));
}

TEST(ChartValuesTest, SayWhatCannotBeSet) {
  EXPECT_EQ(Set("a"), "\"a\" has no \"=\"; write KEY=VALUE");
  EXPECT_EQ(Set("a..b=1"), "\"a..b\" is no key");
  EXPECT_EQ(Set("a={1,2}"), "\"a={1\": lists and maps are written in a file, for -f");
}

absl::Status Installed(const Json& values) {
  return RenderInstallation({.name_space = "kith-system", .values = {values}}).status();
}

TEST(InstallTest, ChecksValuesByTheChartsSchema) {
  EXPECT_EQ(Installed(Json::object()), absl::OkStatus());
  EXPECT_EQ(Installed({{"replicas", 0}}).message(), "replicas: must be at least 1");
  EXPECT_EQ(Installed({{"replicas", "2"}}).message(),
            "replicas: must be of the type integer, and is \"2\"");
  EXPECT_EQ(Installed({{"trustDomain", "A B"}}).message(),
            "trustDomain: does not match ^[a-z0-9._-]+$");
  EXPECT_EQ(Installed({{"persistence", {{"sise", "1Gi"}}}}).message(),
            "persistence.sise: is not known; there is enabled, size");
  EXPECT_EQ(Installed({{"webhook", {{"failurePolicy", "Maybe"}}}}).message(),
            "webhook.failurePolicy: \"Maybe\" is not one of [\"Fail\",\"Ignore\"]");
  EXPECT_EQ(Installed({{"image", ""}}).message(), "image: must not be empty");
}

TEST(InstallTest, PutsFirstWhatOthersNeed) {
  const auto installation = RenderInstallation({});
  ASSERT_TRUE(installation.ok()) << installation.status();
  EXPECT_EQ(inject::Text(installation->objects.front(), "kind"), "CustomResourceDefinition");
  EXPECT_EQ(inject::Text(installation->objects.back(), "kind"), "ValidatingWebhookConfiguration");
  EXPECT_NE(installation->notes.find("kubectl logs --namespace kith-system"), std::string::npos);
}

}  // namespace
}  // namespace kith::ctl
