"""A registry in this process that can be told to lie, stall, truncate, throttle and redirect; it records what it saw.

It serves blobs and manifests from dictionaries, takes uploads, and asks for tokens or passwords when told to. A test
changes its behaviour by ``intervene``: a function that gets the handler before anything else, for so many requests.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

__all__ = ["FakeRegistry", "Handler", "Seen", "fake_registry", "sha256"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@dataclass
class FakeRegistry:
    """What it has, what it saw, how it misbehaves. ``address`` is ``127.0.0.1:PORT``."""

    address: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    patient: bool = False  # waits for a line when somebody begins with TLS, as simple servers do
    scheme: str = "none"  # none, basic or bearer
    anonymous: bool = False  # whether the token server serves people without a name
    realm: str = ""
    token_life: int | None = 300
    token_uses: int = 1000000  # a token is refused after so many requests
    refresh_token: str = ""
    seen: list[Seen] = field(default_factory=list)
    interventions: list[tuple[str, str, Callable[[Handler], None], list[int]]] = field(default_factory=list)
    tokens: int = 0
    issued: dict[str, tuple[str, int]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None

    def add_blob(self, data: bytes) -> str:
        self.blobs[sha256(data)] = data
        return sha256(data)

    def add_manifest(self, repository: str, tag: str, data: bytes, media_type: str = MANIFEST) -> str:
        digest = sha256(data)
        self.manifests[repository, tag] = self.manifests[repository, digest] = (media_type, data)
        self.tags.setdefault(repository, []).append(tag)
        return digest

    def intervene(self, method: str, path: str, act: Callable[[Handler], None], times: int = 1000000) -> None:
        """Let ``act`` answer the next ``times`` requests whose path matches the regular expression."""
        self.interventions.append((method, path, act, [times]))

    def paths(self, method: str = "") -> list[str]:
        return [one.path for one in self.seen if not method or one.method == method]


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    registry: FakeRegistry

    def handle_one_request(self) -> None:
        # Whoever begins with a TLS handshake is told at once that nobody here speaks it.
        try:
            secure = isinstance(self.connection, ssl.SSLSocket)
            if not secure and self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                while self.registry.patient and self.connection.recv(4096):
                    pass
                self.close_connection = True
                return
            super().handle_one_request()
        except (ConnectionError, TimeoutError, ssl.SSLError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; a header's ``_`` stands for ``-``."""
        self.send_response(status)
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        named.setdefault("content-length", str(len(body)))
        for name, value in named.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status: int, code: str, message: str, **headers: str) -> None:
        """An error as the specification has it."""
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.reply(status, body, content_type="application/json", **headers)

    def hang_up(self) -> None:
        """End the connection, now."""
        self.close_connection = True
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.registry.seen.append(Seen(self.command, self.path, headers, self.body))
        for method, path, act, left in self.registry.interventions:
            if method == self.command and re.search(path, self.path) and left[0] > 0:
                left[0] -= 1
                act(self)
                return
        self.answer()

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def answer(self) -> None:
        """What an honest registry would say."""
        url = urlsplit(self.path)
        if url.path == "/token":
            self._token(parse_qs(url.query))
            return
        if not self.is_allowed():
            return
        if url.path == "/v2/":
            self.reply(200, b"{}")
        elif match := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", url.path):
            self._manifest(*match.groups())
        elif match := re.fullmatch(r"/v2/(.+)/tags/list", url.path):
            self._tags(match[1])
        elif match := re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", url.path):
            self._upload(match[1], match[2], parse_qs(url.query))
        elif match := re.fullmatch(r"/v2/(.+)/blobs/([^/]+)", url.path):
            self._blob(match[2])
        else:
            self.fail(404, "NOT_FOUND", "no such page")

    def is_allowed(self) -> bool:
        fake = self.registry
        if fake.scheme == "none":
            return True
        shown = self.headers.get("authorization", "")
        if fake.scheme == "basic":
            if self._user_of(shown):
                return True
            self.fail(401, "UNAUTHORIZED", "authentication required", www_authenticate='Basic realm="fake, of course"')
            return False
        token = shown.removeprefix("Bearer ")
        scope, uses = fake.issued.get(token, ("", 0))
        match = re.fullmatch(r"/v2/(.+?)/(manifests|blobs|tags)/.*", urlsplit(self.path).path)
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        needed = f"repository:{match[1]}:{'pull' if action == 'pull' else 'pull,push'}" if match else ""
        granted = not match or any(
            part.startswith(f"repository:{match[1]}:") and action in part.rpartition(":")[2].split(",")
            for part in scope.split()
        )
        if token in fake.issued and uses > 0 and granted:
            fake.issued[token] = (scope, uses - 1)
            return True
        realm = fake.realm or f"http://{fake.address}/token"
        challenge = f'Bearer realm="{realm}",service="fake"' + (f',scope="{needed}"' if needed else "")
        self.fail(401, "UNAUTHORIZED", "authentication required", www_authenticate=challenge)
        return False

    def _user_of(self, authorization: str) -> str:
        if not authorization.startswith("Basic "):
            return ""
        user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
        return user if self.registry.users.get(user) == password else ""

    def _token(self, query: dict[str, list[str]]) -> None:
        fake = self.registry
        if self.command == "POST":
            form = parse_qs(self.body.decode())
            allowed = form.get("refresh_token") == [fake.refresh_token] and bool(fake.refresh_token)
            scope = " ".join(form.get("scope", []))
        else:
            shown = self.headers.get("authorization", "")
            allowed = bool(self._user_of(shown)) or (fake.anonymous and not shown)
            scope = " ".join(query.get("scope", []))
        if not allowed:
            self.fail(401, "UNAUTHORIZED", "incorrect username or password")
            return
        fake.tokens += 1
        token = f"token-{fake.tokens}"
        fake.issued[token] = (scope, fake.token_uses)
        answer: dict[str, object] = {"token": token}
        if fake.token_life is not None:
            answer["expires_in"] = fake.token_life
        self.reply(200, json.dumps(answer).encode())

    def _manifest(self, repository: str, name: str) -> None:
        fake = self.registry
        if self.command == "PUT":
            media_type = self.headers.get("content-type", "")
            digest = sha256(self.body)
            fake.manifests[repository, name] = fake.manifests[repository, digest] = (media_type, self.body)
            self.reply(201, docker_content_digest=digest)
            return
        if (repository, name) not in fake.manifests:
            self.fail(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return
        media_type, data = fake.manifests[repository, name]
        self.reply(200, data, content_type=media_type, docker_content_digest=sha256(data))

    def _tags(self, repository: str) -> None:
        if repository not in self.registry.tags:
            self.fail(404, "NAME_UNKNOWN", "repository name not known to registry")
            return
        self.reply(200, json.dumps({"name": repository, "tags": self.registry.tags[repository]}).encode())

    def _blob(self, digest: str) -> None:
        data = self.registry.blobs.get(digest)
        if data is None:
            self.fail(404, "BLOB_UNKNOWN", "blob unknown to registry")
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if match is None:
            self.reply(200, data)
            return
        first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
        self.reply(206, data[first : last + 1], content_range=f"bytes {first}-{last}/{len(data)}")

    def _upload(self, repository: str, name: str, query: dict[str, list[str]]) -> None:
        fake = self.registry
        if self.command == "POST":
            mount = query.get("mount", [""])[0]
            if mount in fake.blobs and query.get("from") == ["has/it"]:
                self.reply(201, docker_content_digest=mount)
            else:
                self.reply(202, location=f"/v2/{repository}/blobs/uploads/{len(fake.seen)}?state=x%2Fy")
            return
        digest = query.get("digest", [""])[0]
        if sha256(self.body) != digest:
            self.fail(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            return
        fake.blobs[digest] = self.body
        self.reply(201, docker_content_digest=digest)


@contextmanager
def fake_registry(certificate: tuple[Path, Path] | None = None, port: int = 0) -> Iterator[FakeRegistry]:
    """Serve on a (free) port of loopback until the block ends; with a certificate and its key, by TLS."""
    fake = FakeRegistry()
    handler = type("BoundHandler", (Handler,), {"registry": fake, "timeout": 20})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    server.block_on_close = False
    fake.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    fake.stop = lambda: _stop(server, thread)
    try:
        yield fake
    finally:
        fake.stop()


def _stop(server: ThreadingHTTPServer, thread: threading.Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()
