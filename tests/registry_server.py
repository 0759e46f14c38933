"""Debian's ``docker-registry`` as a real registry on loopback, for tests, the demonstration and the bench.

::

    with serve(folder) as registry:                       # plain http, anonymous
    with serve(folder, tls=True) as registry:             # https; registry.ca is the authority's PEM file
    with serve(folder, users={"ada": "secret"}) as ...    # basic authentication
    with serve(folder, mirror_of=other.url) as ...        # a pull-through cache of another one

``folder`` holds everything (configuration, images, log, certificates) and outlives the server: serve it again and the
images are still there. Needs the programs ``docker-registry``, ``openssl`` (for tls) and ``htpasswd`` (for users); no
root. Nothing is left running when the block ends, also by an exception, nor when the interpreter ends.
"""

from __future__ import annotations

import atexit
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["RegistryServer", "make_authority", "make_certificate", "serve"]

_READY_SECONDS = 15.0
_PORT_ATTEMPTS = 5


@dataclass(frozen=True)
class RegistryServer:
    """A registry that runs: ``address`` is ``127.0.0.1:PORT``, as references and tools take it."""

    folder: Path
    address: str
    ca: Path | None
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.address}"

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def log(self) -> str:
        """All that the server wrote so far; with ``access_log``, one line a request."""
        return (self.folder / "registry.log").read_text(errors="replace")

    def blob_file(self, digest: str) -> Path:
        """Where the server keeps a blob, for tests that damage it."""
        algorithm, _, hexadecimal = digest.partition(":")
        return self.folder / "images/docker/registry/v2/blobs" / algorithm / hexadecimal[:2] / hexadecimal / "data"


@contextmanager
def serve(
    folder: Path,
    *,
    tls: bool = False,
    users: Mapping[str, str] | None = None,
    mirror_of: str = "",
    access_log: bool = False,
    host: str = "127.0.0.1",
    certificate_for: str = "",
    extra: Mapping[str, object] | None = None,
) -> Iterator[RegistryServer]:
    """Start a registry that keeps its images in ``folder``, wait until it answers, stop it at the end.

    ``certificate_for`` is the name in its certificate, where that shall be a wrong one. ``extra`` is merged into the
    configuration's top level (it is JSON, which is YAML).
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificate: tuple[Path, Path] | None = None
    ca: Path | None = None
    if tls:
        ca, ca_key = make_authority(folder)
        certificate = make_certificate(folder, ca, ca_key, certificate_for or host)
    if users is not None:
        _write_htpasswd(folder / "htpasswd", users)
    server = _start(folder, host, certificate, ca, users is not None, mirror_of, access_log, dict(extra or {}))
    try:
        yield server
    finally:
        _stop(server.process)


def make_authority(folder: Path) -> tuple[Path, Path]:
    """A certificate authority's certificate and key, made once in ``folder``."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not certificate.exists():
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"),
            *("-subj", "/CN=test authority", "-keyout", str(key), "-out", str(certificate)),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
    return certificate, key


def make_certificate(folder: Path, ca: Path, ca_key: Path, host: str) -> tuple[Path, Path]:
    """A server's certificate for ``host`` (any name of loopback is good for all of them), and its key."""
    certificate, key, request = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "server.ext"
    names = f"IP:{host}" if host.replace(".", "").isdigit() or ":" in host else f"DNS:{host}"
    loopback = ",DNS:localhost,IP:127.0.0.1,IP:::1" if host.startswith(("127.", "localhost")) else ""
    extensions.write_text(
        f"subjectAltName={names}{loopback}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
    )
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", f"/CN={host}", "-keyout", str(key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial"),
        *("-days", "30", "-extfile", str(extensions), "-out", str(certificate)),
    )
    return certificate, key


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _write_htpasswd(path: Path, users: Mapping[str, str]) -> None:
    """bcrypt, the only form that docker-registry takes; its cheapest cost, as each request is checked anew."""
    lines = [
        subprocess.run(
            ["htpasswd", "-niBC", "4", name], input=password.encode(), check=True, capture_output=True
        ).stdout.decode()
        for name, password in users.items()
    ]
    path.write_text("".join(line.strip() + "\n" for line in lines))


def _start(
    folder: Path,
    host: str,
    certificate: tuple[Path, Path] | None,
    ca: Path | None,
    basic: bool,
    mirror_of: str,
    access_log: bool,
    extra: dict[str, object],
) -> RegistryServer:
    last = ""
    for _ in range(_PORT_ATTEMPTS):  # another process may take the free port before the registry does
        address = f"{host}:{_free_port(host)}"
        http_section: dict[str, object] = {"addr": address, "secret": "the same at every start"}
        if certificate:
            http_section["tls"] = {"certificate": str(certificate[0]), "key": str(certificate[1])}
        configuration: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info" if access_log else "warn", "accesslog": {"disabled": not access_log}},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "images"), "maxthreads": 100},
                "delete": {"enabled": True},
                "cache": {"blobdescriptor": "inmemory"},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http_section,
        }
        if basic:
            configuration["auth"] = {"htpasswd": {"realm": "test registry", "path": str(folder / "htpasswd")}}
        if mirror_of:
            configuration["proxy"] = {"remoteurl": mirror_of}
        (folder / "registry.yml").write_text(json.dumps({**configuration, **extra}, indent=1))
        with open(folder / "registry.log", "wb") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", str(folder / "registry.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"},
            )
        atexit.register(_stop, process)
        server = RegistryServer(folder, address, ca, process)
        if _wait_until_ready(server):
            return server
        _stop(process)
        last = server.log
    raise RuntimeError(f"docker-registry does not start:\n{last}")


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listener:
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


def _wait_until_ready(server: RegistryServer) -> bool:
    deadline = time.monotonic() + _READY_SECONDS
    pause = 0.005
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if _answers(server):
                return True
        except (OSError, http.client.HTTPException):
            pass
        try:
            server.process.wait(pause)  # returns at once when the server ends
        except subprocess.TimeoutExpired:
            pause = min(pause * 2, 0.2)
    return False


def _answers(server: RegistryServer) -> bool:
    connection: http.client.HTTPConnection
    if server.ca:
        context = ssl.create_default_context(cafile=str(server.ca))
        context.check_hostname = False
        connection = http.client.HTTPSConnection(server.host, server.port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    try:
        connection.request("GET", "/v2/")
        response = connection.getresponse()
        response.read()
        return response.status in (200, 401)
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
