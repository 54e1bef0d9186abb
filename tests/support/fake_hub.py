"""A hub of one repository on localhost: what huggingface_hub asks of huggingface.co, and the faults of a network."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REPO, REVISION = "some/model", "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin")


class FakeHub:
    """Files of the repository, and what goes wrong: `cut` and `stall` are bytes after which an answer ends or waits."""

    def __init__(self, files: dict[str, bytes]):
        self.files = files
        self.served: dict[str, bytes] = {}
        """Other content than the hub claims to have."""
        self.cut: dict[str, int] = {}
        self.stall: dict[str, int] = {}
        self.asked: list[tuple[str, str | None]] = []
        """File and range of every download."""
        self.endpoint = ""

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name.endswith(LARGE):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def tree(self) -> list[dict]:
        rows = []
        for name, content in self.files.items():
            row = {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
            if name.endswith(LARGE):
                row["lfs"] = {"oid": self.etag(name), "size": len(content), "pointerSize": 130}
            else:
                row["oid"] = self.etag(name)
            rows.append(row)
        return rows


@contextmanager
def serve(hub: FakeHub) -> Iterator[FakeHub]:
    """The hub at `hub.endpoint`, as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def do_HEAD(self):
            self.answer(head=True)

        def do_GET(self):
            self.answer(head=False)

        def answer(self, head):
            path = unquote(urlsplit(self.path).path)
            if path == f"/api/models/{REPO}/tree/{REVISION}":
                self.reply(200, json.dumps(hub.tree()).encode())
            elif path.startswith(f"/{REPO}/resolve/{REVISION}/") and path.rpartition("/")[2] in hub.files:
                self.send_file(path.rpartition("/")[2], head)
            else:
                self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})

        def reply(self, status, body, headers=None):
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def send_file(self, name, head):
            content = hub.served.get(name, hub.files[name])
            asked = self.headers.get("Range")
            first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{hub.etag(name)}"')
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", str(len(content) - first))
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if head:
                return
            hub.asked.append((name, asked))
            if name in hub.cut:
                self.wfile.write(content[first : hub.cut.pop(name)])
                self.close_connection = True
            elif name in hub.stall:
                self.wfile.write(content[first : hub.stall[name]])
                self.wfile.flush()
                self.server.closing.wait(5)
                self.close_connection = True
            else:
                self.wfile.write(content[first:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.closing = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
