"""A request, answered: GraphQL, the stream of a run's rows, and files."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wandb_server import artifacts, operations
from wandb_server.faults import Fault
from wandb_server.shapes import Refused
from wandb_server.state import Run, State, loads

if TYPE_CHECKING:
    from wandb_server.server import Server


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def told(self) -> Server:
        told: Server = self.server.told  # type: ignore[attr-defined]  # set in server.py
        return told

    def handle(self) -> None:
        """Who begins with a TLS handshake gets what a plain server has to say to that."""
        if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
            self.told.state.requests.append("TLS")
            self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        else:
            super().handle()

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
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        headers = "".join(f"{name}: {value}\n" for name, value in self.headers.items() if name != "Authorization")
        self.told.state.received.append(f"{self.path}\n{headers}\n".encode() + body)
        return body

    def _answer(self, name: str, make: Callable[[], Any]) -> None:
        with self.told.state.lock:
            self.told.state.requests.append(name)
            fault = self.told.fault(name) or Fault("")
        self.told.gone.wait(fault.delay)
        if fault.leave:
            self.told.leave()
        if fault.drop or self.told.gone.is_set():
            self.close_connection = True
            return
        with self.told.state.lock:
            status, body = (fault.status, fault.body) if fault.status is not None else _made(make)
        body = _as_bytes(body)
        self.send_response(status)
        for header, value in fault.headers.items():
            self.send_header(header, value)
        self.send_header("Content-Type", "application/json" if body[:1] in (b"{", b"[") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None: ...


def _made(make: Callable[[], Any]) -> tuple[int, Any]:
    try:
        return 200, make()
    except Refused as why:
        return why.status, {"errors": [{"message": str(why)}]}


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
    run.preempting = run.preempting or bool(told.get("preempting"))
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
