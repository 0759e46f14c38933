"""Real parts: a registry that runs, images in it, and the installed command with a store of its own.

Every worker of a parallel run has its own registry; images are made once a machine (``tests/images.py``).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import images
from docker_daemon import Docker, connect
from registry_server import RegistryServer, serve
from registry_session import Visitor
from wherry.image import flatten, load_file
from wherry.store import open_at
from wherry_command import Wherry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry on loopback: plain http, anonymous, empty at first."""
    with serve(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def pushed(registry: RegistryServer) -> Callable[..., str]:
    """``pushed("tiny")`` has the image in the registry and gives its reference (``form="v2s2"``: as Docker has it)."""
    done: dict[tuple[str, str], str] = {}

    def push(name: str, form: str = "oci") -> str:
        reference = f"{registry.address}/{name}:{form}"
        if (name, form) not in done:
            source = f"oci:{images.image(name)}:latest"
            copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--format", form]
            subprocess.run([*copy, source, f"docker://{reference}"], check=True, capture_output=True)
            done[name, form] = reference
        return reference

    return push


@pytest.fixture(scope="session")
def tiny(pushed: Callable[..., str]) -> str:
    """The reference of an image with one static busybox."""
    return pushed("tiny")


@pytest.fixture(scope="session")
def small_image(pushed: Callable[..., str]) -> str:
    """The reference of a small Debian with Python."""
    return pushed("small")


@pytest.fixture(scope="session")
def layered(pushed: Callable[..., str]) -> str:
    """The reference of an image of three layers with all that applying layers has to get right."""
    return pushed("layered")


@pytest.fixture
def wherry(tmp_path: Path) -> Wherry:
    """The command in an empty store and home."""
    return Wherry(tmp_path / "wherry")


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Wherry:
    """The command in a store that has the tiny image as ``tiny``; shared by tests that do not change the store."""
    command = Wherry(tmp_path_factory.mktemp("seeded"))
    command.ok("pull", "-q", tiny)
    command.ok("tag", tiny, "tiny")
    return command


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    """The command in a store that has ``tiny`` and ``small``, for a module that builds upon them."""
    wherry = Wherry(tmp_path_factory.mktemp("lab"))
    for name in ("tiny", "small"):
        wherry.ok("tag", wherry.ok("load", "-q", f"oci:{images.image(name)}").split()[-1], name)
    return wherry


@pytest.fixture
def tiny_tree(tmp_path: Path) -> Iterator[str]:
    """The tiny image as one tree without write bits, within ``tmp_path``, all of which can be written to afterwards."""
    store = open_at(str(tmp_path / "unpacking"))
    yield flatten(store, load_file(store, str(images.image("tiny"))), plain=True)
    # Trees without write bits cannot be removed by pytest.
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=False)


@pytest.fixture
def processors() -> Iterator[list[int]]:
    """Those that a test may run on; it may choose among them."""
    before = os.sched_getaffinity(0)
    yield sorted(before)
    os.sched_setaffinity(0, before)


@pytest.fixture
def one_processor(processors: list[int]) -> None:
    """All that a test starts runs on one: launchers have a spare folder for each."""
    os.sched_setaffinity(0, {processors[0]})


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Docker:
    """A docker daemon's client; skips with one line where there is no daemon."""
    found = connect(tmp_path_factory.mktemp("docker"))
    if isinstance(found, str):
        pytest.skip(f"no docker here: {found}")
    return found


@pytest.fixture
def visitor(tmp_path: Path) -> Visitor:
    home = tmp_path / "home"
    home.mkdir()
    return Visitor(home)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with serve(tmp_path_factory.mktemp("plain"), access_log=True) as server:
        yield server


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """With TLS and a password."""
    with serve(tmp_path_factory.mktemp("locked"), tls=True, users={"ada": "count:ess", "bob": "b"}) as server:
        yield server
