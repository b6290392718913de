#include "hub/cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "hub/download.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
const std::string kCommit(40, 'c');
const std::string kBlob(64, 'b');

TEST(CachedRepo, LinksSnapshotsToBlobsAndNotesWhatABranchStoodFor) {
  const testing::TempFolder folder;
  const CachedRepo repo(folder.path() / "hub", "org/name");
  repo.begin("refs/pr/1", kCommit);
  write_file(repo.blob(kBlob), "bytes");
  repo.link(kCommit, "config.json", kBlob);
  repo.link(kCommit, "config.json", kBlob);
  EXPECT_EQ(repo.folder().filename(), "models--org--name");
  EXPECT_EQ(repo.commit("refs/pr/1"), kCommit);
  EXPECT_EQ(repo.commit("main"), std::nullopt);
  EXPECT_EQ(read_file(repo.snapshot(kCommit) / "config.json"), "bytes");
}

TEST(CachedRepo, LinksFilesInFolders) {
  const testing::TempFolder folder;
  const CachedRepo repo(folder.path(), "org/name");
  repo.begin("main", kCommit);
  write_file(repo.blob(kBlob), "bytes");
  repo.link(kCommit, "templates/tool_use.jinja", kBlob);
  EXPECT_EQ(read_file(repo.snapshot(kCommit) / "templates" / "tool_use.jinja"), "bytes");
}

TEST(CachedRepo, ReplacesALinkWhoseBlobIsGone) {
  const testing::TempFolder folder;
  const CachedRepo repo(folder.path(), "org/name");
  repo.begin("main", kCommit);
  repo.link(kCommit, "a", std::string(40, '0'));
  write_file(repo.blob(kBlob), "new");
  repo.link(kCommit, "a", kBlob);
  EXPECT_EQ(read_file(repo.snapshot(kCommit) / "a"), "new");
}

TEST(CachedRepo, TakesARefThatHoldsNoCommitForUnknown) {
  const testing::TempFolder folder;
  const CachedRepo repo(folder.path(), "org/name");
  repo.begin("main", kCommit);
  write_file(repo.folder() / "refs" / "main", "../../elsewhere");
  EXPECT_EQ(repo.commit("main"), std::nullopt);
}

TEST(FileLock, ExcludesOthersWhileItLives) {
  const testing::TempFolder folder;
  const fs::path file = folder.path() / "x.lock";
  const int other = ::open(file.c_str(), O_RDWR | O_CREAT, 0600);
  {
    const FileLock lock(file, silent_progress());
    EXPECT_NE(::flock(other, LOCK_EX | LOCK_NB), 0);
  }
  EXPECT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0);
  request_stop(2);
  EXPECT_THROW(FileLock(file, silent_progress()), Error);
  request_stop(0);
  ::close(other);
}

TEST(FileChecksum, IsSha256OrGitsNameOfABlob) {
  const testing::TempFolder folder;
  const fs::path file = folder.path() / "x";
  write_file(file, "hello\n");
  EXPECT_EQ(file_checksum(file, 40), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(file_checksum(file, 64), sha256("hello\n"));
}

}  // namespace
}  // namespace mop
