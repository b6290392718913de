"""What the tests of hub models share: a fake hub, an empty cache, the built program."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from fake_hub import FakeHub

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build")) / "src" / "mop"
MODEL = ROOT / "assets" / "tinystories-12l"
WEIGHTS = "model.safetensors"


class HubCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.cache = pathlib.Path(self.folder.name) / "hf" / "hub"
        self.serve()

    def serve(self, **options):
        if hasattr(self, "hub"):
            self.hub.close()
        self.hub = FakeHub(MODEL, **options)
        self.addCleanup(self.hub.close)

    def environment(self, **more):
        drop = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                "CURL_CA_BUNDLE", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY")
        plain = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        return plain | {"HF_HOME": str(self.cache.parent), "HF_ENDPOINT": self.hub.endpoint,
                        "HF_HUB_DOWNLOAD_TIMEOUT": "30", "OMP_NUM_THREADS": "1"} | more

    def mop(self, *args, **env):
        return subprocess.run([PROGRAM, *args], capture_output=True, text=True, env=self.environment(**env), timeout=120)

    def inspect(self, model="tests/tiny", **env):
        return self.mop("inspect", model, "--json", **env)

    def assert_works(self, ran):
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn('"family": "llama"', ran.stdout)

    def repo(self):
        return self.cache / "models--tests--tiny"

    def fetches(self, name):
        return [r for r in self.hub.requests if r[2].split("?")[0].endswith("/" + name)]

    def stored(self):
        return [r for r in self.fetches(WEIGHTS) if r[0] == self.hub.store.server_port]
