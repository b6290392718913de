#!/usr/bin/env python3
"""Models by their hub id: the built program against a hub on the loopback that drops, stalls and lies, and against
huggingface_hub, which must read the cache we wrote and write one that we read. Needs the reference environment for the
latter; everything else runs without."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_hub import COMMIT, FakeHub  # noqa: E402
from hub_case import MODEL, PROGRAM, ROOT, WEIGHTS, HubCase  # noqa: E402

# huggingface_hub 2.x and 0.x.
REFERENCES = [p for n in ("reference", "reference4") if (p := ROOT / ".env" / n / "bin" / "python").exists()]
TOKEN = "hf_" + "s3cr3t" * 5


class HubTest(HubCase):
    # --- layout

    def test_downloads_once_into_the_layout_of_huggingface_hub(self):
        self.assert_works(self.inspect())
        self.assertEqual((self.repo() / "refs" / "main").read_text(), COMMIT)
        link = self.repo() / "snapshots" / COMMIT / WEIGHTS
        self.assertTrue(link.is_symlink())
        self.assertTrue(os.readlink(link).startswith("../../blobs/"))
        self.assertEqual(link.read_bytes(), (MODEL / WEIGHTS).read_bytes())
        self.assertEqual(list(self.repo().glob("blobs/*.incomplete")), [])
        asked = len(self.hub.requests)
        self.assert_works(self.inspect())
        self.assertEqual(len(self.hub.requests), asked, "the second time the network was asked")
        self.assert_works(self.inspect("tests/tiny@" + COMMIT))
        self.assertEqual(len(self.hub.requests), asked)

    def test_fetches_only_what_a_verb_needs(self):
        self.hub.files |= {"pytorch_model.bin": b"x", "README.md": b"x", "LICENSE": b"mine"}
        ran = self.mop("plan", "tests/tiny", "--iterations", "1", "--select", "path:G")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual({p.name for p in (self.repo() / "snapshots" / COMMIT).iterdir()}, {"config.json"})
        text = pathlib.Path(self.folder.name) / "text.txt"
        text.write_text("once upon a time\n")
        ran = self.mop("tokenize", "tests/tiny", "--text", str(text))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertFalse((self.repo() / "snapshots" / COMMIT / WEIGHTS).exists())
        self.assert_works(self.inspect())
        names = {p.name for p in (self.repo() / "snapshots" / COMMIT).iterdir()}
        self.assertIn("LICENSE", names)
        self.assertTrue({"pytorch_model.bin", "README.md"}.isdisjoint(names), names)

    def test_fetches_chat_templates_from_their_folder_and_nothing_outside_of_the_models(self):
        self.hub.files |= {"additional_chat_templates/tool_use.jinja": b"tools", "onnx/config.json": b"x",
                           "additional_chat_templates/../../../out.jinja": b"x", "additional_chat_templates/.git": b"x"}
        self.assert_works(self.inspect())
        folder = self.repo() / "snapshots" / COMMIT
        self.assertEqual((folder / "additional_chat_templates/tool_use.jinja").read_text(), "tools")
        self.assertEqual([p.name for p in (folder / "additional_chat_templates").iterdir()], ["tool_use.jinja"])
        self.assertFalse((folder / "onnx").exists())
        self.assertEqual(list(self.cache.rglob("out.jinja")), [])

    def test_a_branch_a_pull_request_and_a_tag_have_their_own_refs(self):
        for revision in ("v1", "refs/pr/1"):
            self.assert_works(self.inspect("tests/tiny@" + revision))
            self.assertEqual((self.repo() / "refs" / revision).read_text(), COMMIT)
        self.assertEqual(len(self.fetches("config.json")), 1, "the same blob was fetched twice")

    def test_shards_are_those_that_the_index_names(self):
        data = self.hub.files.pop(WEIGHTS)
        names = [line for line in data[8:8 + int.from_bytes(data[:8], "little")].decode().split('"') if "." in line]
        shard = "model-00001-of-00001.safetensors"
        index = '{"weight_map": {%s}}' % ", ".join(f'"{n}": "{shard}"' for n in dict.fromkeys(names))
        self.hub.files |= {shard: data, "model.safetensors.index.json": index.encode(), "extra.safetensors": b"x"}
        self.assert_works(self.inspect())
        names = {p.name for p in (self.repo() / "snapshots" / COMMIT).iterdir()}
        self.assertIn(shard, names)
        self.assertNotIn("extra.safetensors", names)

    # --- offline

    def test_offline_uses_the_cache_and_names_what_it_lacks(self):
        ran = self.inspect(HF_HUB_OFFLINE="1")
        self.assertEqual(ran.returncode, 2)
        self.assertIn("'tests/tiny' is no local path, and the cache lacks it", ran.stderr)
        self.mop("plan", "tests/tiny", "--iterations", "1", "--select", "path:G")
        ran = self.inspect(HF_HUB_OFFLINE="1")
        self.assertIn("the cache lacks model.safetensors", ran.stderr)
        self.assert_works(self.inspect())
        asked = len(self.hub.requests)
        self.assert_works(self.inspect(HF_HUB_OFFLINE="1"))
        self.assertEqual(len(self.hub.requests), asked)

    def test_a_folder_of_that_name_wins(self):
        inside = pathlib.Path(self.folder.name) / "tests"
        inside.mkdir()
        (inside / "tiny").symlink_to(MODEL)
        ran = subprocess.run([PROGRAM, "inspect", "tests/tiny", "--json"], capture_output=True, text=True,
                             cwd=self.folder.name, env=self.environment(), timeout=60)
        self.assert_works(ran)
        self.assertEqual(self.hub.requests, [])

    # --- a network that fails

    def test_dropped_connections_are_continued_where_they_stopped(self):
        self.hub.faults[WEIGHTS] = ["drop:1000000", "drop:500000", "drop:0", "drop:700000"]
        self.assert_works(self.inspect())
        ranges = [r[3].get("Range") for r in self.stored()]
        self.assertEqual(ranges, [None, "bytes=1000000-", "bytes=1500000-", "bytes=1500000-", "bytes=2200000-"])

    def test_a_stall_is_noticed_and_mended(self):
        self.hub.faults[WEIGHTS] = ["stall:1000000"]
        start = time.time()
        self.assert_works(self.inspect(HF_HUB_DOWNLOAD_TIMEOUT="1"))
        self.assertLess(time.time() - start, 7)

    def test_a_server_without_ranges_starts_over(self):
        self.hub.faults[WEIGHTS] = ["drop:1000000", "no-range"]
        self.assert_works(self.inspect())

    def test_busy_servers_are_asked_again(self):
        self.hub.faults = {WEIGHTS: ["status:503", "status:429"], "listing": ["status:500"]}
        ran = self.inspect()
        self.assert_works(ran)
        self.assertIn("trying again", ran.stderr)

    def test_an_interrupted_download_goes_on_in_the_next_run(self):
        self.hub.faults[WEIGHTS] = ["stall:1000000"]
        process = subprocess.Popen([PROGRAM, "inspect", "tests/tiny"], env=self.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not any(p.stat().st_size >= 1000000 for p in self.repo().glob("blobs/*.incomplete")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=5), 130)
        self.assertFalse((self.repo() / "snapshots" / COMMIT / WEIGHTS).exists())
        self.assert_works(self.inspect())
        self.assertEqual(self.hub.requests[-1][3].get("Range"), "bytes=1000000-")

    def test_a_file_that_another_process_finished_is_used_and_not_changed(self):
        # As on file systems without locks: ours stalls, another one renames the same unfinished file.
        self.hub.faults[WEIGHTS] = ["stall:1000000", "no-range"]
        process = subprocess.Popen([PROGRAM, "inspect", "tests/tiny"], env=self.environment(HF_HUB_DOWNLOAD_TIMEOUT="3"),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        def unfinished():
            return [p for p in self.repo().glob("blobs/*.incomplete") if p.stat().st_size >= 1000000]
        while not unfinished():
            time.sleep(0.05)
        part = unfinished()[0]
        blob = part.with_suffix("")
        with open(part, "r+b") as file:
            file.write((MODEL / WEIGHTS).read_bytes())
        part.rename(blob)
        self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())
        process.stderr.close()
        self.assertEqual(blob.read_bytes(), (MODEL / WEIGHTS).read_bytes())

    def test_empty_weights_in_the_cache_are_fetched_again(self):
        self.assert_works(self.inspect())
        blob = (self.repo() / "snapshots" / COMMIT / WEIGHTS).resolve()
        blob.write_bytes(b"")
        self.assert_works(self.inspect())
        self.assertEqual(blob.read_bytes(), (MODEL / WEIGHTS).read_bytes())

    # --- a server that lies

    def test_wrong_bytes_are_never_accepted(self):
        self.hub.faults[WEIGHTS] = ["wrong"] * 9
        ran = self.inspect()
        self.assertEqual(ran.returncode, 1)
        self.assertIn("model.safetensors: what the server sends is not the file that the hub lists: checksum", ran.stderr)
        self.assertFalse((self.repo() / "snapshots" / COMMIT / WEIGHTS).exists())
        self.hub.faults = {WEIGHTS: ["wrong"], "config.json": ["wrong"]}
        self.assert_works(self.inspect())  # wrong once: fetched again

    def test_lies_about_sizes_are_never_accepted(self):
        for lie in ("short", "long"):
            self.hub.faults[WEIGHTS] = [lie]
            self.assert_works(self.inspect())
            for blob in self.repo().rglob("*"):
                if blob.is_symlink():
                    blob.unlink()
            for blob in self.repo().glob("blobs/*"):
                blob.unlink()
        self.hub.lie_about_size[WEIGHTS] = 12345
        ran = self.inspect()
        self.assertEqual(ran.returncode, 1)
        self.assertIn("bytes, the hub lists 12345", ran.stderr)

    def test_a_file_larger_than_the_disk_is_refused_before_it_starts(self):
        self.hub.lie_about_size[WEIGHTS] = 10**17
        ran = self.inspect()
        self.assertEqual(ran.returncode, 1)
        self.assertIn("needs 100000000.0 GB, the disk of the cache has", ran.stderr)
        self.assertEqual(self.fetches(WEIGHTS), [])
        self.hub.lie_about_size.update({WEIGHTS: 2**62, "config.json": 2**62})  # their sum overflows
        self.assertIn("the hub lists files of more than 2^60 bytes", self.inspect().stderr)

    # --- refusals

    def test_an_unknown_model_and_an_unknown_revision_are_named(self):
        self.assertIn("there is no model 'tests/tny', here or on the hub", self.inspect("tests/tny").stderr)
        self.assertIn("tests/tiny has no revision 'v2'", self.inspect("tests/tiny@v2").stderr)

    def test_a_model_without_safetensors_says_so(self):
        self.hub.files["pytorch_model.bin"] = self.hub.files.pop(WEIGHTS)
        self.assertIn("tests/tiny has no model.safetensors", self.inspect().stderr)

    def test_no_network_is_one_clear_error(self):
        ran = self.inspect(HF_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("'tests/tiny' is no local model, and the hub cannot be asked", ran.stderr)

    def test_the_token_goes_to_the_hub_alone_and_into_no_text(self):
        self.serve(token=TOKEN)
        ran = self.inspect()
        self.assertIn("it does not exist, or is private", ran.stderr)
        ran = self.inspect(HF_TOKEN=TOKEN)
        self.assert_works(ran)
        for port, _, path, headers in self.hub.requests[1:]:
            expected = f"Bearer {TOKEN}" if port == self.hub.hub.server_port else None
            self.assertEqual(headers.get("Authorization"), expected, path)
        self.assertTrue(any(r[0] == self.hub.store.server_port for r in self.hub.requests))
        wrong = "hf_" + "wr0ng" * 6
        texts = ran.stdout + ran.stderr
        for env in ({"HF_TOKEN": wrong}, {"HF_TOKEN": wrong, "HF_HOME": self.folder.name}):
            texts += self.inspect("tests/tiny@v1", **env).stderr
        self.assertIn("denied for Bearer ***", texts)
        self.assertNotIn(TOKEN, texts)
        self.assertNotIn(wrong, texts)
        for path in self.cache.rglob("*"):
            if path.is_file():
                self.assertNotIn(TOKEN.encode(), path.read_bytes())

    def test_a_gated_model_says_what_to_do(self):
        self.serve(token=TOKEN, gated=True)
        ran = self.inspect(HF_TOKEN="hf_other")
        self.assertIn("access to tests/tiny is restricted (403)", ran.stderr)
        self.assertIn("accept its terms", ran.stderr)

    def test_a_token_file_serves_as_well(self):
        self.serve(token=TOKEN)
        self.cache.parent.mkdir(parents=True)
        (self.cache.parent / "token").write_text(TOKEN + "\n")
        self.assert_works(self.inspect())

    def test_signatures_of_redirects_are_not_shown(self):
        self.hub.faults[WEIGHTS] = ["wrong"] * 9
        self.assertNotIn("secret", self.inspect().stderr)

    # --- TLS

    def authority(self, name, host):
        """A certificate authority of our own and a server certificate for `host` by it: (authority, (chain, key))."""
        folder = pathlib.Path(self.folder.name) / name
        folder.mkdir()
        quiet = {"check": True, "capture_output": True, "cwd": folder}
        new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        subprocess.run([*new, "-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.pem"], **quiet)
        subprocess.run([*new, "-subj", "/CN=hub", "-addext", f"subjectAltName={host}", "-addext",
                        "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key.pem",
                        "-out", "cert.pem"], **quiet)
        return str(folder / "ca.pem"), (folder / "cert.pem", folder / "key.pem")

    def test_tls_with_an_authority_of_ones_own(self):
        authority, certificate = self.authority("ours", "IP:127.0.0.1")
        self.serve(token=TOKEN, certificate=certificate)
        for variable in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
            shutil.rmtree(self.cache, ignore_errors=True)
            self.hub.requests.clear()
            self.assert_works(self.inspect(HF_TOKEN=TOKEN, **{variable: authority}))
            sent = {port for port, _, _, headers in self.hub.requests if "Authorization" in headers}
            self.assertEqual(sent, {self.hub.hub.server_port}, "the token went elsewhere")
            self.assertTrue(self.stored())

    def test_tls_that_cannot_be_trusted_is_refused_before_anything_is_sent(self):
        authority, certificate = self.authority("ours", "IP:127.0.0.1")
        another, other_host = self.authority("another", "DNS:hub.example")
        for served, env, reason in ((certificate, {}, "certificate"), (certificate, {"SSL_CERT_FILE": another}, "certificate"),
                                    (other_host, {"SSL_CERT_FILE": another}, "127.0.0.1"),
                                    (certificate, {"SSL_CERT_FILE": authority + ".none"}, "ca.pem.none")):
            self.serve(token=TOKEN, certificate=served)
            ran = self.inspect(HF_TOKEN=TOKEN, **env)
            self.assertEqual(ran.returncode, 1, ran.stdout)
            first, *rest = ran.stderr.strip().splitlines()
            self.assertIn("error: 'tests/tiny' is no local model, and the hub cannot be asked: ", first)
            self.assertIn(reason, first)
            self.assertIn("CURL_CA_BUNDLE or SSL_CERT_FILE names the file", rest[-1])
            self.assertEqual(self.hub.requests, [])

    # --- several programs

    def test_two_programs_at_once_share_one_download(self):
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.inspect())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for ran in results:
            self.assert_works(ran)
        self.assertEqual(len(self.stored()), 1)

    # --- huggingface_hub

    def references(self):
        """Each version of huggingface_hub, with an empty cache."""
        if not REFERENCES:
            self.skipTest("no reference environment: ./run setup --reference")
        for python in REFERENCES:
            self.cache = pathlib.Path(self.folder.name) / python.parent.parent.name / "hub"
            yield python

    def python(self, python, code, **env):
        ran = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120,
                             env=self.environment(HF_HUB_DISABLE_XET="1", **env))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout.strip()

    def test_huggingface_hub_reads_what_we_wrote(self):
        code = ("import huggingface_hub as h; "
                "[h.hf_hub_download('tests/tiny', f) for f in ('config.json', 'tokenizer.model')]; "
                f"print(h.hf_hub_download('tests/tiny', '{WEIGHTS}')); "
                "r = h.scan_cache_dir().repos; assert [x.repo_id for x in r] == ['tests/tiny'], r; "
                "assert not h.scan_cache_dir().warnings, h.scan_cache_dir().warnings")
        for python in self.references():
            self.assert_works(self.inspect())
            path = self.python(python, code, HF_HUB_OFFLINE="1")
            self.assertEqual(pathlib.Path(path).read_bytes(), (MODEL / WEIGHTS).read_bytes())
            self.assertEqual(pathlib.Path(path), self.repo() / "snapshots" / COMMIT / WEIGHTS)

    def test_we_read_what_huggingface_hub_wrote(self):
        for python in self.references():
            self.python(python, "import huggingface_hub as h; "
                        f"[h.hf_hub_download('tests/tiny', f) for f in {sorted(self.hub.files)!r}]")
            self.assert_works(self.inspect(HF_HUB_OFFLINE="1"))
            self.assertFalse(list(self.repo().glob("blobs/*.incomplete")))

    def test_each_waits_for_the_others_lock(self):
        self.assert_works(self.inspect())
        blob = os.path.basename(os.readlink(self.repo() / "snapshots" / COMMIT / WEIGHTS))
        lock = self.cache / ".locks" / "models--tests--tiny" / (blob + ".lock")
        self.assertTrue(lock.exists())
        (self.repo() / "snapshots" / COMMIT / WEIGHTS).unlink()
        (self.repo() / "blobs" / blob).unlink()
        holder = subprocess.Popen([REFERENCES[0] if REFERENCES else sys.executable, "-c",
                                   "import fcntl, os, sys, time\n"
                                   "try:\n from huggingface_hub.utils import WeakFileLock\n"
                                   " c = WeakFileLock(sys.argv[1]); c.__enter__()\n"
                                   "except ImportError:\n f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX)\n"
                                   "print('held', flush=True); time.sleep(2)", str(lock)], stdout=subprocess.PIPE, text=True)
        self.assertEqual(holder.stdout.readline(), "held\n")
        start = time.time()
        self.assert_works(self.inspect())
        self.assertGreater(time.time() - start, 1)
        holder.communicate()


def run_at_once(count):
    """All tests, some at once: they spend their time waiting for a hub that fails."""
    def run(name):
        result = unittest.TestResult()
        HubTest(name).run(result)
        return result.errors + result.failures

    names = unittest.TestLoader().getTestCaseNames(HubTest)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        broken = [b for found in pool.map(run, names) for b in found]
    for test, text in broken:
        print(test, text, sep="\n")
    print(f"{len(names)} tests, {len(broken)} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        unittest.main()
    sys.exit(run_at_once(4))
