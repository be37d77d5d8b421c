"""The server, which comes and goes."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from wandb_server.faults import Fault
from wandb_server.handler import Handler
from wandb_server.state import State


@dataclass
class Server:
    """At `address`, while it is there."""

    state: State = field(default_factory=State)
    faults: list[Fault] = field(default_factory=list)
    address: str = ""
    gone: threading.Event = field(default_factory=threading.Event)
    _listener: _Listener | None = None

    def fault(self, name: str) -> Fault | None:
        """The first that strikes."""
        return next((fault for fault in self.faults if fault.strikes(name, self.state)), None)

    def come(self) -> None:
        """Listens; again at the same address, if it has been there before."""
        self.gone.clear()
        self._listener = _Listener(self, urlsplit(self.address).port or 0)
        self.address = f"http://127.0.0.1:{self._listener.server_port}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def leave(self) -> None:
        """As when its machine is switched off: nobody listens, and what was connected is cut off."""
        self.gone.set()  # who waits to answer late waits no longer
        if self._listener is not None:
            self._listener.leave()
            self._listener = None


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, told: Server, port: int) -> None:
        self.told = told
        self.connected: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connected.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.connected.discard(request)
        super().shutdown_request(request)

    def leave(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.connected):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client closes connections as it likes; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Server]:
    """While this is open a server listens on a free port of the loopback."""
    server = Server()
    server.come()
    try:
        yield server
    finally:
        server.leave()
