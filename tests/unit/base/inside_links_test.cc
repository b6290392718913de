#include "base/inside_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "kit/random_model.h"
#include "kit/refusal.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

class InsideLinks : public ::testing::Test {
 protected:
  fs::path make(const fs::path& name) {
    fs::create_directories((home() / name).parent_path());
    write_file(home() / name, "x");
    return home() / name;
  }
  fs::path link(const fs::path& name, const fs::path& to) {
    fs::create_directories((home() / name).parent_path());
    fs::create_symlink(to, home() / name);
    return home() / name;
  }
  std::string refusal(const fs::path& folder, const fs::path& file) {
    return refusal_of([&] { check_link_inside(folder, file); });
  }
  const fs::path& home() const { return temp_.path(); }

 private:
  testing::TempFolder temp_;
};

TEST_F(InsideLinks, FilesAndLinksWithinTheFolderAreFine) {
  make("model/config.json");
  EXPECT_EQ(refusal(home() / "model", home() / "model/config.json"), "nothing was refused");
  link("model/inner", "config.json");
  EXPECT_EQ(refusal(home() / "model", home() / "model/inner"), "nothing was refused");
  link("alias", home() / "model");
  EXPECT_EQ(refusal(home() / "alias", home() / "alias/inner"), "nothing was refused");
}

TEST_F(InsideLinks, LinksOutOfTheFolderAreRefusedWithTheirTarget) {
  make("model/config.json");
  make("modelled");
  for (const fs::path to : {"/etc/hostname", "../modelled"}) {
    const fs::path license = link("model/LICENSE", to);
    EXPECT_THAT(
        refusal(home() / "model", license),
        AllOf(HasSubstr("a link leads out of the model's folder"),
              HasSubstr("file:     " + license.string()), HasSubstr(to.filename().string())));
    fs::remove(license);
  }
  link("model/templates", home());
  EXPECT_THAT(refusal(home() / "model", home() / "model/templates/modelled"),
              HasSubstr("leads out"));
}

TEST_F(InsideLinks, ASnapshotMayLinkIntoItsOwnBlobsAlone) {
  make("models--a--b/blobs/01");
  make("models--c--d/blobs/02");
  const fs::path snapshot = home() / "models--a--b/snapshots/f00d";
  link("models--a--b/snapshots/f00d/config.json", "../../blobs/01");
  EXPECT_EQ(refusal(snapshot, snapshot / "config.json"), "nothing was refused");
  link("models--a--b/snapshots/f00d/LICENSE", home() / "models--c--d/blobs/02");
  EXPECT_THAT(refusal(snapshot, snapshot / "LICENSE"), HasSubstr("leads out"));
}

}  // namespace
}  // namespace mop
