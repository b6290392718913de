"""A hub on the loopback: serves folders the way the real one does, and misbehaves when told to.

Small files come from the hub's own address with git's SHA-1 as ETag. Files kept by LFS are redirected to a second
address (another port, so another origin), as the real hub redirects to its store."""

import hashlib
import http.server
import json
import pathlib
import ssl
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_SUFFIXES = (".safetensors", ".model")


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class FakeHub:
    """`faults` maps a file's name to a list of faults; each GET of the bytes uses up the first one.

    drop:N     the connection ends after N bytes (of a file that is longer)
    stall:N    nothing more comes after N bytes
    short      announces and sends half of the file, as if it were all
    long       announces and sends more than the file
    wrong      sends other bytes of the right length
    no-range   ignores a Range
    status:N   answers N
    listing:N  (file name "listing") the listing answers N
    """

    def __init__(self, folder, repo="tests/tiny", token=None, gated=False, certificate=None):
        """With `certificate`, a (chain, key) pair of files, both addresses speak TLS."""
        self.repo, self.token, self.gated = repo, token, gated
        self.files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()}
        self.tls, self.scheme = None, "http"
        if certificate:
            self.tls, self.scheme = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "https"
            self.tls.load_cert_chain(*certificate)
        self.faults, self.requests, self.lie_about_size = {}, [], {}
        self.hub = self._start(self._hub_get)
        self.store = self._start(self._store_get)
        self.endpoint = f"{self.scheme}://127.0.0.1:{self.hub.server_port}"

    def close(self):
        for server in (self.hub, self.store):
            server.shutdown()
            server.server_close()

    def _start(self, answer):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake.requests.append((self.server.server_port, self.command, self.path, dict(self.headers)))
                answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        server = Server(("127.0.0.1", 0), Handler)
        if self.tls:  # the handshake in the connection's own thread
            server.socket = self.tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def _next_fault(self, name):
        return self.faults[name].pop(0) if self.faults.get(name) else ""

    def _allowed(self, handler):
        if self.token is None or handler.headers.get("Authorization") == f"Bearer {self.token}":
            return True
        handler.reply(403 if self.gated else 401, b"no", X_Error_Code="GatedRepo" if self.gated else "RepoNotFound",
                      X_Error_Message=f"denied for {handler.headers.get('Authorization')}")
        return False

    def _hub_get(self, handler):
        path = urllib.parse.urlsplit(handler.path).path
        if path.startswith("/api/models/"):
            return self._listing(handler, urllib.parse.unquote(path))
        parts = path.lstrip("/").split("/")
        if "/".join(parts[:2]) != self.repo or parts[2] != "resolve":
            return handler.reply(404, b"", X_Error_Code="RepoNotFound")
        if not self._allowed(handler):
            return None
        name = urllib.parse.unquote("/".join(parts[4:]))
        if name not in self.files:
            return handler.reply(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        data = self.files[name]
        if name.endswith(LFS_SUFFIXES):
            return handler.reply(302, b"", X_Repo_Commit=COMMIT, X_Linked_Size=str(len(data)),
                                 X_Linked_Etag=f'"{hashlib.sha256(data).hexdigest()}"',
                                 Location=f"{self.scheme}://127.0.0.1:{self.store.server_port}/{name}?Signature=secret")
        return self._send(handler, name, data, {"ETag": f'"{git_sha1(data)}"', "X-Repo-Commit": COMMIT})

    def _store_get(self, handler):
        name = urllib.parse.unquote(urllib.parse.urlsplit(handler.path).path.lstrip("/"))
        data = self.files[name]
        self._send(handler, name, data, {"ETag": f'"{hashlib.sha256(data).hexdigest()}"'})

    def _listing(self, handler, path):
        fault = self._next_fault("listing")
        if fault.startswith("status:"):
            return handler.reply(int(fault[7:]), b"")
        if not self._allowed(handler):
            return None
        repo, _, rest = path.removeprefix("/api/models/").partition("/revision/")
        if "/tree/" in repo:
            return handler.reply(200, json.dumps([self._entry(n) for n in self.files]).encode())
        if repo != self.repo:
            return handler.reply(404, b"", X_Error_Code="RepoNotFound")
        if rest not in ("main", "v1", "refs/pr/1", COMMIT, ""):
            return handler.reply(404, b"", X_Error_Code="RevisionNotFound")
        siblings = [self._sibling(name) for name in self.files]
        siblings.append({"rfilename": "onnx/model.onnx", "size": 10**12, "blobId": "0" * 40})
        body = json.dumps({"id": self.repo, "sha": COMMIT, "siblings": siblings}).encode()
        return handler.reply(200, body, Content_Type="application/json")

    def _sibling(self, name):
        data = self.files[name]
        size = self.lie_about_size.get(name, len(data))
        sibling = {"rfilename": name, "size": size, "blobId": git_sha1(data)}
        if name.endswith(LFS_SUFFIXES):
            sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 134}
        return sibling

    def _entry(self, name):
        data = self.files[name]
        entry = {"type": "file", "path": name, "size": len(data), "oid": git_sha1(data)}
        if name.endswith(LFS_SUFFIXES):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def _send(self, handler, name, data, headers):
        fault, _, number = (self._next_fault(name) if handler.command == "GET" else "").partition(":")
        if fault == "status":
            return handler.reply(int(number), b"", Retry_After="0")
        if fault == "wrong":
            data = bytes(255 - b for b in data)
        elif fault == "short":
            data = data[: len(data) // 2]
        elif fault == "long":
            data = data + b"x" * 1000
        first, status = 0, 200
        asked = handler.headers.get("Range")
        if asked and fault != "no-range":
            first, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
            if first >= len(data):
                return handler.reply(416)
            headers = headers | {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
        rest = data[first:]
        handler.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(rest)), "Accept-Ranges": "bytes"}).items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command != "GET":
            return None
        if fault in ("drop", "stall"):
            handler.wfile.write(rest[: int(number)])
            handler.wfile.flush()
            if fault == "stall":
                time.sleep(8)
            handler.close_connection = True
            handler.connection.shutdown(2)
            return None
        handler.wfile.write(rest)
        return None
