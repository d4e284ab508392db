"""A model hub on loopback: the few endpoints that huggingface_hub uploads through, so that its real client is what is tested."""

from __future__ import annotations

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_" + "w" * 34
READ_ONLY = "hf_" + "r" * 34


class Hub(ThreadingHTTPServer):
    """What was pushed is in ``files``, by repository and branch; what was asked for in ``asked``."""

    daemon_threads = True

    def __init__(self):
        self.files, self.private, self.asked, self.blobs = {}, {}, [], {}
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hub():
    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        self.server.blobs[self.path.rpartition("/")[2]] = self._body()
        self._say(200, {})

    def do_POST(self):
        body = self._body()
        self.server.asked.append(self.path)
        if self.headers["Authorization"] not in {f"Bearer {TOKEN}", f"Bearer {READ_ONLY}"}:
            self._say(401, {"error": "Invalid username or password."})
        elif self.path == "/api/validate-yaml":
            self._say(200, {"errors": [], "warnings": []})
        elif self.headers["Authorization"] == f"Bearer {READ_ONLY}":
            self._say(403, {"error": "You don't have the rights to create a model under the namespace"})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif found := re.fullmatch(r"/api/models/(.+)/branch/(.+)", self.path):
            self._say(200 if found[1] in self.server.files else 404, {})
        elif re.fullmatch(r"/api/models/.+/preupload/.+", self.path):
            self._say(200, {"files": [_mode(file["path"]) for file in json.loads(body)["files"]]})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            self._say(200, {"objects": [self._place(entry) for entry in json.loads(body)["objects"]]})
        elif found := re.fullmatch(r"/api/models/(.+)/commit/(.+)", self.path):
            self._commit(found[1], found[2], body)
        else:
            self._say(404, {"error": "no such page"})

    def _create(self, wanted):
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        there = name in self.server.files
        self.server.files.setdefault(name, {})
        self.server.private.setdefault(name, wanted.get("visibility", "default"))
        self._say(409 if there else 200, {"url": f"{self.server.url}/{name}", "name": name})

    def _place(self, entry):
        return {**entry, "actions": {"upload": {"href": f"{self.server.url}/blobs/{entry['oid']}"}}}

    def _commit(self, name, branch, body):
        files = self.server.files[name].setdefault(branch, {})
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
        self._say(200, {"commitOid": "c" * 40, "commitUrl": f"{self.server.url}/{name}/commit/{'c' * 40}"})

    def _body(self):
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _say(self, status, data):
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if "error" in data:
            self.send_header("X-Error-Message", data["error"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


def _mode(path):
    return {"path": path, "uploadMode": "lfs" if path.endswith(".safetensors") else "regular", "shouldIgnore": False}
