"""A real HTTP server that misbehaves as a script says."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def say(text, **more):
    """A well-formed completion."""
    message = {"role": "assistant", "content": text}
    body = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13},
    }
    return Turn(body=json.dumps(body).encode(), **more)


def completion(message, finish="stop", **more):
    """A completion with any message, reason to finish, and further fields."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Turn(body=json.dumps({"object": "chat.completion", "choices": [choice], **more}).encode())


@dataclass
class Turn:
    """What the server does with one request; status 0 hangs up."""

    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    delay: float = 0.0


class Scripted(ThreadingHTTPServer):
    """``script(number, request)`` gives the :class:`Turn`; what came is in ``requests``, ``times`` and ``keys``."""

    daemon_threads = True

    def __init__(self, script, port=0):
        self.script, self.requests, self.times, self.keys = script, [], [], []
        self.lock, self.open, self.most = threading.Lock(), 0, 0
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address):
        """A client that gave up is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        server, request = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            number = len(server.requests)
            server.requests.append(request)
            server.times.append(time.monotonic())
            server.keys.append(self.headers["Authorization"])
            server.open += 1
            server.most = max(server.most, server.open)
        turn = server.script(number, request)
        time.sleep(turn.delay)
        with server.lock:
            server.open -= 1
        if turn.status == 0:
            self.close_connection = True
            return
        self.send_response(turn.status)
        for name, value in {"Content-Type": "application/json", **turn.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(turn.body)))
        self.end_headers()
        self.wfile.write(turn.body)

    def log_message(self, *_):
        """Quiet."""
