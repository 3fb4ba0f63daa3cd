"""A loopback address that leads to a Service's NodePort, a new connection each time. Used by the test of the pages.

`kubectl port-forward` would stay with one pod, and end with it. Browsers treat the loopback address as trustworthy,
so the pages set cookies there without TLS.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: Seconds to connect to a node.
CONNECT_SECONDS = 5.0
#: Bytes copied at a time.
CHUNK = 65_536


class Forwarder:
    """Listens on the loopback address from the start; connections are closed until `target` is set."""

    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self.target is None:
                return
            try:
                server = socket.create_connection(self.target, CONNECT_SECONDS)
            except OSError:
                return
            with server:
                server.settimeout(None)
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until either side ends, then end both."""
    with suppress(OSError):
        while piece := source.recv(CHUNK):
            sink.sendall(piece)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarder() -> Iterator[Forwarder]:
    """Yield a forwarder, closed at the end."""
    made = Forwarder()
    try:
        yield made
    finally:
        made.close()
