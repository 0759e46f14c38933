"""An image, its tree and a host, made of plain values."""

from __future__ import annotations

import posixpath

import msgspec

from wherry.base.digest import Digest
from wherry.base.settings import Settings
from wherry.host import Group, Host
from wherry.launch import LaunchPlan, Paths, RunOptions, Surroundings, plan_run
from wherry.policy import Decision

PASSWD = (
    b"root:x:0:0:root:/root:/bin/bash\n"
    b"daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
    b"jovyan:x:1000:100::/home/jovyan:/bin/bash\n"
)
GROUP = b"root:x:0:\ndaemon:x:1:\nusers:x:100:\n"


class Meta(msgspec.Struct, frozen=True):
    overlay: bool = True
    whiteouts: int = 0
    open_folders: tuple[tuple[str, int], ...] = ()


class FakeLayer(msgspec.Struct, frozen=True):
    tree: str
    meta: Meta = Meta()


class FakeConfig(msgspec.Struct, frozen=True):
    env: tuple[str, ...] = ("PATH=/opt/bin:/usr/bin",)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("python3",)
    working_dir: str = ""
    user: str = ""
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""


class FakeImageConfig(msgspec.Struct, frozen=True):
    config: FakeConfig = FakeConfig()


class FakeImage(msgspec.Struct, frozen=True):
    reference: str = "docker.io/library/debian:12"
    digest: Digest = Digest("sha256", "ab" * 32)
    config: FakeImageConfig = FakeImageConfig()
    layers: tuple[FakeLayer, ...] = (FakeLayer("/store/layers/aa/tree"), FakeLayer("/store/layers/bb/tree"))


class FakeEntry(msgspec.Struct, frozen=True):
    is_dir: bool
    mode: int = 0o755
    folders: tuple[tuple[int, str], ...] = ()


class FakeTree:
    """``files`` maps paths to content (None: a directory, ``-> x``: a symbolic link), ``folders`` those of
    directories to what makes them up on the host; all are large."""

    def __init__(
        self,
        files: dict[str, bytes | str | None] | None = None,
        folders: dict[str, tuple[tuple[int, str], ...]] | None = None,
    ) -> None:
        self.folders = folders or {}
        self.files: dict[str, bytes | str | None] = {
            "/bin": "-> /usr/bin",
            "/etc/passwd": PASSWD,
            "/etc/group": GROUP,
            "/usr/bin/bash": b"",
            "/usr/bin/sh": b"",
            "/usr/lib/locale/C.utf8/LC_CTYPE": b"",
            "/tmp": None,
            "/home": None,
            "/root": None,
        }
        self.files.update(files or {})

    def resolve(self, path: str) -> str:
        parts = path.strip("/").split("/")
        done = ""
        for part in parts:
            done = posixpath.join(done or "/", part)
            found = self.files.get(done)
            if isinstance(found, str):
                done = posixpath.normpath(posixpath.join(posixpath.dirname(done), found[3:]))
        return done or "/"

    def stat(self, path: str) -> FakeEntry | None:
        if not self.exists(path):
            return None
        real = self.resolve(path)
        return FakeEntry(self.files.get(real) is None, folders=self.folders.get(real, ()))

    def holds(self, path: str, least: int) -> bool:
        return True

    def exists(self, path: str) -> bool:
        real = self.resolve(path)
        return real == "/" or any(name == real or name.startswith(f"{real}/") for name in self.files)

    def read(self, path: str, limit: int) -> bytes | None:
        found = self.files.get(self.resolve(path))
        return found[:limit] if isinstance(found, bytes) else None

    def listdir(self, path: str) -> list[str]:
        real = self.resolve(path).rstrip("/") + "/"
        return sorted({name[len(real) :].split("/")[0] for name in self.files if name.startswith(real)})


HOST = Host(
    uid=1001,
    gid=1001,
    group="alice",
    groups=(Group(1001, "alice"), Group(2000, "astro"), Group(2001, "")),
    user="alice",
    home="/home/alice",
    shell="/bin/bash",
    node="node1",
    boot_id="boot",
    kernel="6.1.0",
    architecture="amd64",
    userns=True,
    overlay=True,
    volatile=True,
    mount_proc=True,
)
PATHS = Paths(
    "/store", "/run/user/1001/wherry", "/home/alice/.local/state/wherry", ("/store/scratch",), "/store/leases/x/node1"
)
ALLOWED = Decision(True, "allow-all", "no policy is set")


def make_plan(
    options: RunOptions | None = None,
    *,
    image: FakeImage | None = None,
    tree: FakeTree | None = None,
    host: Host = HOST,
    settings: Settings | None = None,
    surroundings: Surroundings | None = None,
    **more: object,
) -> LaunchPlan:
    """A plan with everything at its default that the test does not name."""
    paths = more.pop("paths", PATHS)
    return plan_run(
        options or RunOptions(image="debian:12"),
        image or FakeImage(),
        tree or FakeTree(),
        host,
        settings or Settings({}),
        ALLOWED,
        paths=paths,  # type: ignore[arg-type]
        surroundings=surroundings or Surroundings(),
        **more,  # type: ignore[arg-type]
    )
