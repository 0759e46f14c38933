"""Builds: again with nothing changed, with one file changed, and the first time, against the peers that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from measuring import Case, Command, Failure, interleave, table
from peers import docker, wherry
from workplace import Workplace, program, remove

FILES = 200
STEPS = 30
LENGTHS = {"a tenth of a second": 120, "half a second": 800}
"""How often a step hashes; those of scientists, who install and compile, take longer still."""

MUST = "unchanged: under 70 ms, half of BuildKit's time and a tenth of buildah's; one file changed: half of BuildKit's"

_WORK = """import hashlib, sys
data = b"x" * 1000000
for _ in range(int(sys.argv[2])):
    data = hashlib.sha256(data).digest() * 31250
open(sys.argv[1], "wb").write(data)
"""


def measure(at: Workplace, rounds: int) -> str:
    again, changed = (at.folder / "builds" / name for name in ("again", "changed"))
    remove(at.folder / "builds")
    for folder in (again, changed):
        _many(folder, at)
    few = max(3, rounds // 20)
    parts = [f"Must reach: {MUST}.\n\nA recipe of 15 steps that copies {FILES} files; nothing changed:\n"]
    parts.append(table(interleave(_cases(at, again, None), max(5, rounds // 4), warm=1), "wherry build"))
    parts.append("\nOne of the copied files changed:\n")
    parts.append(table(interleave(_cases(at, changed, _change), few * 2, warm=1), "wherry build"))
    for length, loops in LENGTHS.items():
        parts.append(
            f"\n{STEPS} steps for the first time, each a program of Python of {length}; and the same commands in one "
            "container (must reach: steps within 5 % of that, nothing slower than BuildKit):\n"
        )
        parts.append(_first_build(at, loops, few if loops < 500 else 2))
    remove(at.folder / "builds")
    return "\n".join(parts)


def _first_build(at: Workplace, loops: int, rounds: int) -> str:
    folder = at.folder / "builds" / f"first-{loops}"
    _long(folder, at, loops)
    name = "in one container (wherry run)"
    plain = Case(name, lambda n: _plain(at, folder, loops))
    return table(interleave([plain, *_cases(at, folder, None, fresh=True)[:2]], rounds, warm=int(loops < 500)), name)


def _many(folder: Path, at: Workplace) -> None:
    """A context of some files, and a recipe that copies them late."""
    data = folder / "data"
    data.mkdir(parents=True)
    for number in range(FILES):
        (data / f"file-{number}").write_text(f"{number}\n" * 500)
    lines = [f"FROM {at.reference('small')}", "ENV LANG=C.UTF-8", "WORKDIR /work"]
    lines += [f"RUN echo {number} > /work/made-{number}" for number in range(9)]
    lines += ["COPY data /data", "RUN cat /data/* | wc -c > /work/size", 'CMD ["cat", "/work/size"]']
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")


def _long(folder: Path, at: Workplace, loops: int) -> None:
    folder.mkdir(parents=True)
    (folder / "work.py").write_text(_WORK)
    lines = [f"FROM {at.reference('small')}", "COPY work.py /work.py"]
    lines += [f"RUN python3 /work.py /made-{number} {loops}" for number in range(STEPS)]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")


def _plain(at: Workplace, folder: Path, loops: int) -> Command:
    script = " && ".join(f"python3 /in/work.py /made-{number} {loops}" for number in range(STEPS))
    return wherry.start(at, "small", ["sh", "-c", script], "-v", f"{folder}:/in:ro")


def _change(folder: Path, count: list[int] = []) -> None:  # noqa: B006 - counts on from call to call
    count.append(0)
    (folder / "data" / "file-7").write_text(f"changed {len(count)} {os.getpid()}\n")


def _cases(
    at: Workplace, folder: Path, change: Callable[[Path], None] | None, *, fresh: bool = False
) -> Sequence[Case]:
    cached = ["--no-cache"] if fresh else []
    name = folder.name

    def case(title: str, make: Callable[[], Command], rounds: int | None = None) -> Case:
        before = (lambda: change(folder)) if change else None
        return Case(title, lambda n: make(), before, rounds)

    return [
        case("wherry build", lambda: _wherry(at, folder, name, cached)),
        case("docker build (BuildKit)", lambda: _docker(at, folder, name, cached)),
        case("buildah bud --layers", lambda: _buildah(at, folder, name, cached), 2),
        case("ch-image build", lambda: _charliecloud(at, folder, name, cached), 2),
    ]


def _wherry(at: Workplace, folder: Path, name: str, more: Sequence[str]) -> Command:
    words = [program("wherry"), "build", "-q", "-t", f"bench-{name}", *more, str(folder)]
    return Command(words, wherry.environment(at))


def _docker(at: Workplace, folder: Path, name: str, more: Sequence[str]) -> Command:
    """Debian's client has BuildKit's part in it; newer ones need a further program."""
    client = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else program("docker")
    env = {**docker.environment(at), "DOCKER_BUILDKIT": "1"}
    return Command([client, "build", "-q", "--network", "host", "-t", f"bench-{name}", *more, str(folder)], env)


def _buildah(at: Workplace, folder: Path, name: str, more: Sequence[str]) -> Command:
    """As the user, with a subordinate range: without one it refuses."""
    place = at.folder / "buildah"
    words = [
        program("buildah"),
        "--root",
        str(place / "root"),
        "--runroot",
        str(place / "run"),
        "bud",
        "-q",
        "--layers",
    ]
    words += ["--isolation", "chroot", "--tls-verify=false", "--network", "host", *more, "-t", f"bench-{name}"]
    return Command([*words, str(folder)], {**at.environment, "XDG_RUNTIME_DIR": str(_made(place / "runtime"))})


def _charliecloud(at: Workplace, folder: Path, name: str, more: Sequence[str]) -> Command:
    words = [program("ch-image"), "--tls-no-verify", "--force", "build", *more, "-t", f"bench-{name}", str(folder)]
    path = "/usr/local/bin:/usr/bin:/bin"  # it is a program of Python, and wants Debian's
    return Command(words, {**at.environment, "PATH": path, "CH_IMAGE_STORAGE": str(_made(at.folder / "ch-image"))})


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def forget(at: Workplace) -> None:
    """What the peers kept."""
    for name in ("buildah", "ch-image"):
        if (at.folder / name).exists():
            subprocess.run(
                [shutil.which("buildah") or "true", "unshare", "rm", "-rf", str(at.folder / name)], check=False
            )


__all__ = ["Failure", "measure"]
