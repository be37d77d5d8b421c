"""The HTTP end: GraphQL, the stream of a run's rows, and files."""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from wandb_server import artifacts, operations
from wandb_server.state import Run, State, loads


@dataclass
class Fault:
    """What the server does instead of answering, for requests whose path or operation matches."""

    matching: str
    status: int
    body: str = ""
    times: int = 1_000_000
    seen: int = 0


@dataclass
class Server:
    """At `address`, while it runs."""

    state: State = field(default_factory=State)
    faults: list[Fault] = field(default_factory=list)
    address: str = ""

    def fault(self, name: str) -> Fault | None:
        """The first that has not been used up."""
        for fault in self.faults:
            if re.search(fault.matching, name) and fault.seen < fault.times:
                fault.seen += 1
                return fault
        return None


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    told: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client closes connections as it likes; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Server]:
    """While this is open a server listens on a free port of the loopback."""
    server = Server()
    listener = _Listener(("127.0.0.1", 0), _Handler)
    listener.told = server
    server.address = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def told(self) -> Server:
        assert isinstance(self.server, _Listener)
        return self.server.told

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            told = json.loads(body)
            self._answer(told.get("operationName") or "", lambda: _graphql(self.told, told))
        elif found := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", self.path):
            self._answer("file_stream", lambda: _stream(self.told.state, found[3], json.loads(body)))
        else:
            self._answer(self.path, dict)

    def do_PUT(self) -> None:
        body = self._body()
        self._answer("storage", lambda: _store(self.told.state, self.path, body))

    def do_GET(self) -> None:
        if self.path.startswith("/artifact/"):
            self._answer("download", lambda: artifacts.fetch(self.told.state, self.path))
        elif self.path.startswith("/storage/"):
            self._answer("download", lambda: _fetch(self.told.state, self.path))
        else:
            self._answer(self.path, dict)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, name: str, make: Any) -> None:
        with self.told.state.lock:
            self.told.state.requests.append(name)
            fault = self.told.fault(name)
            body = _as_bytes(fault.body if fault else make())
        self.send_response(fault.status if fault else 200)
        self.send_header("Content-Type", "application/json" if body[:1] in (b"{", b"[") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None: ...


def _as_bytes(answer: Any) -> bytes:
    if isinstance(answer, bytes):
        return answer
    return (answer if isinstance(answer, str) else json.dumps(answer)).encode()


def _graphql(server: Server, told: dict[str, Any]) -> dict[str, Any]:
    name = told.get("operationName") or _named(told.get("query") or "")
    answer = operations.find(name)
    if answer is None:
        server.state.unknown.append(name)
        return {"errors": [{"message": f"{name}: not known here"}]}
    variables = told.get("variables") or {}
    return {"data": answer(server.state, variables.get("input") or variables, server.address)}


def _named(query: str) -> str:
    found = re.search(r"(?:query|mutation)\s+(\w+)", query)
    return found[1] if found else ""


def _stream(state: State, name: str, told: dict[str, Any]) -> dict[str, Any]:
    """Rows, the summary and the end of a run; a row that was sent before is at the place that it says."""
    run = state.run(name)
    for file, part in (told.get("files") or {}).items():
        _take_in(run, file, int(part.get("offset") or 0), part.get("content") or [])
    if told.get("complete"):
        run.exit_code = int(told.get("exitcode") or 0)
    return {}


def _take_in(run: Run, file: str, offset: int, lines: list[str]) -> None:
    if file == "wandb-history.jsonl":
        run.history[offset : offset + len(lines)] = [loads(line) for line in lines]
    elif file == "wandb-summary.json":
        for line in lines:
            run.summary |= loads(line)


def _store(state: State, path: str, body: bytes) -> dict[str, Any]:
    if path.startswith("/artifact/"):
        return artifacts.store(state, path, body)
    _, _, name, file = path.split("/", 3)
    state.run(name).files[unquote(file)] = body
    return {}


def _fetch(state: State, path: str) -> bytes:
    _, _, name, file = path.split("/", 3)
    return state.run(name).files[unquote(file)]
