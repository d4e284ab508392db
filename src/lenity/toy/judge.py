"""The exact scores of the toy world as a judge: an OpenAI-compatible server on loopback, ``python -m lenity.toy.judge``."""

from __future__ import annotations

import argparse
import json
import re
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lenity.judge.rubrics import take_apart
from lenity.toy.front import outcomes
from lenity.toy.language import KINDS
from lenity.toy.scores import PREFERENCES, scores

MODEL = "toy-ground-truth"


@cache
def attainable() -> dict[str, tuple[float, float]]:
    """The lowest and the highest score of each preference that any response to any kind of request has."""
    columns = zip(*(found for kind in KINDS for found in outcomes(kind)), strict=True)
    return {name: (min(column), max(column)) for name, column in zip(PREFERENCES, columns, strict=True)}


def rate(rubric: str, message: str) -> int:
    """The exact score, scaled to an integer from 0 to 10.

    Args:
        rubric: a system prompt that says "how helpful", "how harmless" or "how humorous".
        message: a user message of :func:`lenity.judge.rubrics.message`.

    Raises:
        ValueError: rubric or message has another form.
    """
    wanted, texts = re.search(f"how ({'|'.join(PREFERENCES)})", rubric), take_apart(message)
    if not wanted or not texts:
        raise ValueError("the toy judge reads the rubrics and the message of `lenity judge` alone")
    score: float = getattr(scores(*texts), wanted[1])
    low, high = attainable()[wanted[1]]
    return round(10 * (score - low) / (high - low))


def complete(body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion for the body of a request."""
    texts = {message["role"]: str(message["content"]) for message in body["messages"]}
    answer = str(rate(texts["system"], texts["user"]))
    read = sum(len(text.split()) for text in texts.values())
    return {
        "id": "toy", "object": "chat.completion", "created": int(time.time()), "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}],
        "usage": {"prompt_tokens": read, "completion_tokens": 1, "total_tokens": read + 1},
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        else:
            self._send(404, _error("not found"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            self._send(404, _error("not found"))
            return
        try:
            self._send(200, complete(json.loads(body)))
        except (ValueError, LookupError, TypeError) as error:
            self._send(400, _error(str(error)))

    def _send(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: one line per request would be thousands."""


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


class Server(ThreadingHTTPServer):
    """The judge's server, which listens once created and answers in ``serve_forever``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        attainable()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """The base URL for `lenity judge`."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def main() -> None:
    """Serve until interrupted; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    with Server(parser.parse_args().port) as server:
        print(server.url, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
