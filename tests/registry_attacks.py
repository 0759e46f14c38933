"""What the hostile tests of the registry client share: an image, a pull, and ways to misbehave."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable

from fake_registry import FakeRegistry, Handler
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.reference import Reference

__all__ = ["BLOB", "DIGEST", "SMALL", "at", "log_in", "manifest", "pull", "redirect", "send_part"]

BLOB = random.Random(7).randbytes(1_500_000)
DIGEST = Digest.of(BLOB)
SMALL = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()


def pull(visitor: Visitor, fake: FakeRegistry, size: int = len(BLOB), digest: Digest = DIGEST) -> bytes:
    with visitor.connect() as registry, registry.open_blob(at(fake), digest, size) as stream:
        return b"".join(stream)


def manifest(visitor: Visitor, fake: FakeRegistry, name: str = "a/b:1.0") -> bytes:
    with visitor.connect() as registry:
        return registry.get_manifest(at(fake, name)).data


def at(fake: FakeRegistry, name: str = "a/b:1.0") -> Reference:
    return Reference.parse(f"{fake.address}/{name}")


def send_part(end: int) -> Callable[[Handler], None]:
    """An intervention: promise all that was asked for, send so many bytes of it, hang up."""

    def act(handler: Handler) -> None:
        first = int((handler.headers.get("range") or "bytes=0-")[6:].partition("-")[0])
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("content-range", f"bytes {first}-{len(BLOB) - 1}/{len(BLOB)}")
        handler.send_header("content-length", str(len(BLOB) - first))
        handler.end_headers()
        handler.wfile.write(BLOB[first : first + end])
        handler.hang_up()

    return act


def redirect(location: str, status: int = 307) -> Callable[[Handler], None]:
    return lambda handler: handler.reply(status, location=location)


def log_in(visitor: Visitor, fake: FakeRegistry, user: str, password: str) -> None:
    """Credentials as ``docker login`` leaves them."""
    folder = visitor.home / ".docker"
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {fake.address: {"auth": auth}}}))
