"""A web proxy in this process: forwards plain requests and tunnels others (CONNECT); records both."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

__all__ = ["FakeProxy", "fake_proxy"]


@dataclass
class FakeProxy:
    """``seen`` holds method and target of each request, ``authorizations`` what clients showed for the proxy."""

    address: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)


@contextmanager
def fake_proxy() -> Iterator[FakeProxy]:
    """Serve on a free port of loopback until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = FakeProxy(f"127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_accept, args=(listener, proxy), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, proxy: FakeProxy) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, proxy), daemon=True).start()


def _serve(client: socket.socket, proxy: FakeProxy) -> None:
    """One connection, one request or tunnel."""
    with client:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(65536)
            if not piece:
                return
            head += piece
        lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        proxy.seen.append((method, target))
        proxy.authorizations += [line[21:] for line in lines if line.lower().startswith("proxy-authorization:")]
        host, _, port = (target if method == "CONNECT" else urlsplit(target).netloc).rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                parts = urlsplit(target)
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                server.sendall(head.replace(target.encode(), path.encode(), 1))
            _tunnel(client, server)


def _tunnel(client: socket.socket, server: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([client, server], [], [], 20)
        if not ready:
            return
        for end in ready:
            try:
                data = end.recv(65536)
                (server if end is client else client).sendall(data)
            except OSError:
                return
            if not data:
                return
