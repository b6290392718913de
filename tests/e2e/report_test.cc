// Reports of runs as a user makes them: every value on the page is one of the run's files.
#include <fmt/format.h>

#include <set>

#include "e2e/program.h"
#include "plan/plan.h"
#include "report/scale.h"
#include "report/table.h"

namespace mop::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Cells = std::vector<std::vector<std::string>>;

std::string plain(std::string text) {
  for (const auto& [entity, sign] :
       {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}}) {
    for (size_t at = text.find(entity); at != text.npos; at = text.find(entity)) {
      text.replace(at, std::string_view(entity).size(), sign);
    }
  }
  return text;
}

/// A page as a parser sees it: tables by caption; throws where tags do not nest.
struct ParsedPage {
  std::map<std::string, Cells> tables;
  size_t drawings = 0;

  explicit ParsedPage(const std::string& html) {
    static const std::set<std::string> kAlone = {"!DOCTYPE", "meta", "br"};
    std::vector<std::string> open;
    std::string text, caption;
    for (size_t at = 0; at < html.size();) {
      if (html[at] != '<') {
        text += html[at++];
        continue;
      }
      const size_t end = html.find('>', at);
      if (end == html.npos) throw std::runtime_error("a tag without an end");
      std::string tag = html.substr(at + 1, end - at - 1);
      at = end + 1;
      const bool closes = tag.starts_with('/'), empty = tag.ends_with('/');
      if (closes) tag.erase(0, 1);
      tag = tag.substr(0, tag.find_first_of(" /"));
      if (closes) {
        if (open.empty() || open.back() != tag) throw std::runtime_error("</" + tag + "> too many");
        open.pop_back();
        if (tag == "caption") tables[caption = plain(text)];
        if (tag == "td") tables[caption].back().push_back(plain(text));
      } else if (!empty && !kAlone.contains(tag)) {
        open.push_back(tag);
        drawings += tag == "svg" ? 1 : 0;
        if (tag == "tr") tables[caption].emplace_back();
      }
      text.clear();
    }
    if (!open.empty()) throw std::runtime_error("<" + open.back() + "> has no end");
    for (auto& [name, rows] : tables) {
      if (!rows.empty() && rows[0].empty()) rows.erase(rows.begin());  // the head
    }
  }
  const std::vector<std::string>& row(const std::string& table, const std::string& name) const {
    for (const auto& cells : tables.at(table)) {
      if (cells.at(0) == name) return cells;
    }
    throw std::runtime_error("no row " + name);
  }
};

int64_t number(std::string text) {
  std::erase(text, ',');
  return text.empty() ? 0 : std::stoll(text);
}

class ReportOfRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    temp_ = new TempFolder;
    for (const auto& [name, args] :
         {std::pair<std::string, Args>{"mix", {"--iterations", "3", "--select", "perplexity"}},
          {"halves", {"--remove", "0.4", "--set", "damage.halves=true"}}}) {
      const Ran ran = run(prune_args(folder(name), args));
      ASSERT_EQ(ran.exit, 0) << ran.err;
      EXPECT_THAT(ran.out, HasSubstr("run/report.html"));
    }
  }
  static void TearDownTestSuite() {
    delete temp_;
    temp_ = nullptr;
  }
  static fs::path folder(const std::string& name) { return temp_->path() / name; }
  static std::string page(const std::string& name) {
    return read_file(folder(name) / "run/report.html");
  }
  // A copy whose files a test may change.
  static fs::path copy(const std::string& name, const std::string& other) {
    fs::remove_all(folder(other));
    fs::copy(folder(name), folder(other), fs::copy_options::recursive);
    return folder(other);
  }
  static std::string report_page(const fs::path& run_folder) {
    const fs::path out = folder("page.html");
    const Ran ran = run({"report", run_folder.string(), "--out", out.string(), "--force"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.exit == 0 ? read_file(out) : "";
  }
  static TempFolder* temp_;
};
TempFolder* ReportOfRun::temp_ = nullptr;

TEST_F(ReportOfRun, SizesAndFiguresAreThoseOfMetricsJson) {
  for (const char* name : {"mix", "halves"}) {
    const ParsedPage page(this->page(name));
    const Json metrics = read_json(folder(name) / "run/metrics.json");
    const auto& parameters = page.row("In numbers", "parameters");
    EXPECT_EQ(number(parameters[1]), metrics["dense"]["parameters"].get<int64_t>());
    EXPECT_EQ(number(parameters[2]), metrics["pruned"]["parameters"].get<int64_t>());
    EXPECT_EQ(number(page.row("In numbers", "parameters in layers")[2]),
              metrics["pruned"]["block_parameters"].get<int64_t>());
    const Json& figures = metrics["figures"];
    const auto& perplexity = page.row("In numbers", "perplexity, pruned");
    EXPECT_EQ(perplexity[1], figure_text(figures["dense"]["perplexity"]));
    EXPECT_EQ(perplexity[2], figure_text(figures["pruned"]["perplexity"]));
    EXPECT_EQ(page.row("In numbers", "KL to dense, pruned, nats a token")[2],
              figure_text(figures["pruned"]["kl"]));
    for (const Json& cost : metrics["costs"]) {
      const std::string suffix = cost["unit"] == "bytes" ? "" : ", a token";
      const auto& cells = page.row("In numbers", cost["name"].get<std::string>() + suffix);
      EXPECT_EQ(cells[2], short_bytes(cost["pruned"].get<int64_t>()));
    }
  }
}

TEST_F(ReportOfRun, MapsAreThePlan) {
  for (const char* name : {"mix", "halves"}) {
    const ParsedPage page(this->page(name));
    const Json metrics = read_json(folder(name) / "run/metrics.json");
    const PrunePlan plan = plan_from_json(read_json(folder(name) / "run/plan.json"), "plan");
    const Json& left = metrics["pruned"]["layers"];
    const Cells &groups = page.tables.at("Attention: KV groups"),
                &neurons = page.tables.at("MLP: neurons");
    ASSERT_THAT(groups, SizeIs(12));
    ASSERT_THAT(neurons, SizeIs(12));
    const IndexList sources = layers_left(plan, std::ssize(left));
    size_t next = 0;
    for (size_t layer = 0; layer < 12; ++layer) {
      const bool stays = next < sources.size() && sources[next] == static_cast<int32_t>(layer);
      const Json now = stays ? left[next++] : Json({{"kv_heads", 0}, {"mlp", 0}});
      EXPECT_EQ(number(groups[layer][1]), 3);
      EXPECT_EQ(number(groups[layer][2]), now["kv_heads"].get<int64_t>()) << name << layer;
      EXPECT_EQ(number(neurons[layer][1]), 512);
      EXPECT_EQ(number(neurons[layer][2]), now["mlp"].get<int64_t>()) << name << layer;
      EXPECT_EQ(groups[layer][3].find("with the layer") != std::string::npos, !stays);
    }
  }
}

TEST_F(ReportOfRun, ThePathAndItsCandidatesAreThoseOfTheSteps) {
  const ParsedPage page(this->page("mix"));
  const Json steps = read_json(folder("mix") / "run/metrics.json")["steps"];
  const Cells &sizes = page.tables.at("Size after every step"),
              &candidates = page.tables.at("Candidates of every step");
  ASSERT_EQ(sizes.size(), steps.size());
  size_t row = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(sizes[i][1], steps[i]["branch"]);
    EXPECT_EQ(number(sizes[i][2]), steps[i]["parameters"].get<int64_t>());
    EXPECT_EQ(sizes[i][4], steps[i]["shape"]);
    for (const Json& candidate : steps[i]["candidates"]) {
      const bool taken = candidate["branch"] == steps[i]["branch"];
      EXPECT_EQ(candidates.at(row)[2],
                candidate["branch"].get<std::string>() + (taken ? " (taken)" : ""));
      EXPECT_EQ(candidates.at(row)[3], figure_text(candidate["perplexity"]));
      ++row;
    }
  }
  EXPECT_EQ(row, candidates.size());
}

TEST_F(ReportOfRun, ScoresCountEveryUnitAndThoseThatThePlanTakes) {
  const PrunePlan plan = plan_from_json(read_json(folder("halves") / "run/plan.json"), "plan");
  const Json step = read_json(folder("halves") / "run/steps/01/metrics.json");
  ASSERT_TRUE(step.contains("scores")) << step.dump();
  int64_t groups = 0, neurons = 0;
  for (const LayerRemoval& removal : plan.steps[0].removals) {
    groups += removal.attention || removal.whole ? 3 : std::ssize(removal.kv_heads);
    neurons += removal.mlp || removal.whole ? 512 : std::ssize(removal.neurons);
  }
  const ParsedPage page(this->page("halves"));
  for (const auto& [unit, all, gone] : {std::tuple{"KV group", int64_t{36}, groups},
                                        std::tuple{"neuron", int64_t{6144}, neurons}}) {
    int64_t kept = 0, removed = 0;
    for (const auto& cells : page.tables.at(fmt::format("Step 1: {}s by predicted damage", unit))) {
      kept += number(cells[2]);
      removed += number(cells[3]);
    }
    EXPECT_EQ(kept + removed, all) << unit;
    EXPECT_EQ(removed, gone) << unit;
  }
}

TEST_F(ReportOfRun, IsTheSamePageWhenItIsMadeAgain) {
  EXPECT_EQ(report_page(folder("mix")), page("mix"));
}

TEST_F(ReportOfRun, OfAnOlderBuildShowsTheSameMaps) {
  for (const char* name : {"mix", "halves"}) {
    const fs::path old = copy(name, "old");
    Json metrics = read_json(old / "run/metrics.json");
    for (const char* model : {"dense", "pruned"}) metrics[model].erase("layers");
    metrics.erase("costs");
    write_file(old / "run/metrics.json", to_text(metrics));
    fs::remove_all(old / "run/steps");
    const ParsedPage now(page(name)), before(report_page(old));
    EXPECT_EQ(before.tables.at("MLP: neurons"), now.tables.at("MLP: neurons"));
    EXPECT_EQ(before.tables.at("Attention: KV groups"), now.tables.at("Attention: KV groups"));
    EXPECT_FALSE(before.tables.contains("Size after every step"));
  }
}

TEST_F(ReportOfRun, OfARunAtWorkTellsWhatIsThere) {
  const fs::path partial = copy("mix", "half.partial");
  for (const char* file : {"run/metrics.json", "run/plan.json", "run/report.html", "config.json"}) {
    fs::remove(partial / file);
  }
  fs::remove_all(partial / "run/steps/03");
  const std::string html = report_page(folder("half"));  // by the name it will have
  EXPECT_THAT(html, HasSubstr("has not finished"));
  const ParsedPage page(html);
  EXPECT_THAT(page.tables.at("Size after every step"), SizeIs(2));
  EXPECT_THAT(page.tables.at("MLP: neurons"), SizeIs(12));
}

TEST_F(ReportOfRun, FiguresThatAreNotFiniteAreSaidToBeSo) {
  const fs::path odd = copy("mix", "odd");
  Json metrics = read_json(odd / "run/metrics.json");
  metrics["figures"]["pruned"]["perplexity"] = nullptr;
  write_file(odd / "run/metrics.json", to_text(metrics));
  const ParsedPage page(report_page(odd));
  EXPECT_EQ(page.row("In numbers", "perplexity, pruned")[2], "-");
}

TEST_F(ReportOfRun, NamesOfStrangersAreTexts) {
  const fs::path odd = copy("mix", "odd");
  Json plan = read_json(odd / "run/plan.json");
  plan["made_by"]["model"] = "</title><script>alert(\"1\")</script>&'";
  write_file(odd / "run/plan.json", to_text(plan));
  const std::string html = report_page(odd);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;/title&gt;&lt;script&gt;"));
  EXPECT_NO_THROW(ParsedPage{html});
}

TEST_F(ReportOfRun, AFolderOfNoRunIsRefusedByName) {
  const fs::path nothing = folder("nothing");
  fs::create_directories(nothing / "run");
  write_file(nothing / "run/manifest.json", "{\"program\": \"other\"}\n");
  const auto refused = [](const fs::path& place, const std::string& text) {
    const Ran ran = run({"report", place.string()});
    EXPECT_EQ(ran.exit, 1);
    EXPECT_THAT(ran.err, AllOf(HasSubstr(text), HasSubstr(place.string())));
  };
  refused(nothing, "this is not the folder of a run");
  refused(demo_model(), "this is not the folder of a run");
  refused(folder("absent"), "there is no such file or folder");
  const fs::path broken = copy("mix", "broken");
  write_file(broken / "run/metrics.json", "{\"dense\": ");
  const Ran ran = run({"report", broken.string()});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("metrics.json"));
  EXPECT_EQ(run({"report"}).exit, 2);
}

TEST_F(ReportOfRun, SeveralAreComparedInOnePageAndInTables) {
  const fs::path out = folder("both.html");
  const Args both = {"report", folder("mix").string(), folder("halves").string()};
  const auto with = [&](const Args& more) {
    Args args = both;
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  };
  const Json rows = with({"--out", out.string(), "--force", "--json"}).json()["runs"];
  ASSERT_THAT(rows, SizeIs(2));
  const Json metrics = read_json(folder("halves") / "run/metrics.json");
  EXPECT_EQ(rows[1]["run"], "halves");
  EXPECT_EQ(rows[1]["parameters"], metrics["pruned"]["parameters"]);
  EXPECT_EQ(rows[1]["perplexity"], metrics["figures"]["pruned"]["perplexity"]);
  EXPECT_EQ(rows[1]["kl"], metrics["figures"]["pruned"]["kl"]);
  const ParsedPage page(read_file(out));
  const Cells& points = page.tables.at("Perplexity against parameters, tinystories-12l");
  ASSERT_THAT(points, SizeIs(3));
  EXPECT_EQ(points[0][0], "dense");
  EXPECT_EQ(number(points[0][1]), metrics["dense"]["parameters"].get<int64_t>());
  EXPECT_EQ(points[2][2], figure_text(metrics["figures"]["pruned"]["perplexity"]));
  EXPECT_THAT(with({"--csv"}).out, HasSubstr(fmt::format("\nhalves,prune,tinystories-12l,", 0)));
  EXPECT_THAT(with({"--markdown"}).out, HasSubstr("\n| halves | "));
}

TEST_F(ReportOfRun, EvalLeavesAPageAndItsJsonJoinsAComparison) {
  const fs::path html = folder("eval.html"), json = folder("eval.json");
  const Args args = {"eval",       folder("mix").string(),
                     "--vs",       demo_model().string(),
                     "--text",     demo_calibration().string(),
                     "--protocol", "lines",
                     "--limit",    "4",
                     "--report",   html.string(),
                     "--out",      json.string()};
  const Ran ran = run(args);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json result = read_json(json);
  const ParsedPage page(read_file(html));
  const auto& perplexity = page.row("Perplexity, beside the dense model", "perplexity");
  EXPECT_EQ(perplexity[1], figure_text(result["dense"]["perplexity"]));
  EXPECT_EQ(perplexity[2], figure_text(result["model"]["perplexity"]));
  EXPECT_THAT(read_file(html), HasSubstr("--protocol lines --limit 4"));
  const fs::path out = folder("joined.html");
  ASSERT_EQ(
      run({"report", folder("mix").string(), json.string(), "--out", out.string(), "--force"}).exit,
      0);
  const ParsedPage joined(read_file(out));
  EXPECT_THAT(joined.tables, Contains(::testing::Key(HasSubstr("perplexity, protocol lines"))));
}

}  // namespace
}  // namespace mop::testing
