"""A folder on a plain web server of this process: ``with served_folder(path) as url: ...``."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["served_folder"]


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *given: Any, statuses: list[int], tags: bool, directory: str) -> None:
        self.statuses, self.tags = statuses, tags
        super().__init__(*given, directory=directory)

    def log_message(self, *arguments: object) -> None:
        pass

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.statuses.append(int(code))

    def do_GET(self) -> None:
        if self.tags and self.headers.get("If-None-Match", "") == self._tag():
            self.send_response(304)
            self.end_headers()
            return
        super().do_GET()

    def end_headers(self) -> None:
        if self.tags and self.command == "GET" and os.path.isfile(self.translate_path(self.path)):
            self.send_header("ETag", self._tag())
        super().end_headers()

    def _tag(self) -> str:
        with open(self.translate_path(self.path), "rb") as file:
            return f'"{hashlib.sha256(file.read()).hexdigest()}"'


@contextmanager
def served_folder(folder: Path, statuses: list[int] | None = None, *, tags: bool = False) -> Iterator[str]:
    """The folder's address, without a slash at its end; the folder is made when it is not there. ``statuses`` gets
    that of each answer; with ``tags`` a file has an entity tag of its content, by which is told that it is the same."""
    folder.mkdir(exist_ok=True)
    handler = partial(_Quiet, directory=str(folder), statuses=[] if statuses is None else statuses, tags=tags)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
