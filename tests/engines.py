"""What each engine can do, declared once: the conformance suite proves it, and ``docs/reference/engines.md`` shows it.

``python tests/engines.py`` writes that page.

To register an engine: declare it below, with an image that it can run, what it lacks, and what must be installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wherry.launch.engines import engine_named
from wherry.launch.engines.engine import FEATURES

__all__ = ["ENGINES", "EXPLAINED", "PAGE", "REFUSED", "Declared", "page"]

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "engines.md"

EXPLAINED = {
    "bind": "`-v`, `--mount type=bind`, `--here`, `--home`",
    "bind-read-only": "`-v SRC:DST:ro`",
    "bind-nonrecursive": "`--mount ...,bind-nonrecursive=true`",
    "tmpfs": "`--tmpfs`, `--mount type=tmpfs`",
    "writable-root": "programs can write anywhere in the image, and the image stays as it is",
    "read-only-root": "`--read-only`",
    "pid-namespace": "the host's processes are not seen",
    "private-network": "`--network none`",
    "hostname": "`--hostname`",
    "user-root": "`-u root` shows you as root",
    "user-other": "`-u 4321` shows you as another user",
    "seccomp": "system calls are filtered, `--security-opt seccomp=FILE`",
    "exec": "`wherry exec`",
    "detach": "`-d`, `wherry logs`, `wherry stop`",
    "cp-running": "`wherry cp` into and out of a running container",
    "private-tmp": "a `/tmp` of its own",
    "private-home": "an empty home of its own",
    "identity-files": "you in `/etc/passwd` and `/etc/group`, the host's `/etc/hosts` and `/etc/resolv.conf`",
    "workdir": "`-w`, the image's working directory",
    "environment": "the container's own variables and no others",
    "signals": "signals reach the command; exit statuses are Docker's",
    "terminal": "`-t`",
    "limits": "`--ulimit`",
    "static-programs": "programs without a C library",
    "other-libc": "programs of another C library than the host's",
    "no-process-left": "whatever a command leaves behind ends with it",
}
"""Every feature, in the order of the page."""

REFUSED: dict[str, tuple[str, ...]] = {
    "bind-read-only": ("-v", "/usr:/data:ro"),
    "bind-nonrecursive": ("--mount", "type=bind,source=/usr,target=/data,bind-nonrecursive=true"),
    "tmpfs": ("--tmpfs", "/data"),
    "writable-root": ("--writable-copy",),
    "read-only-root": ("--read-only",),
    "private-network": ("--network", "none"),
    "hostname": ("--hostname", "node-1"),
    "user-root": ("-u", "root"),
    "user-other": ("-u", "4321"),
    "limits": ("--ulimit", "nofile=77:77"),
    "detach": ("-d",),
    "terminal": ("-t",),
    "workdir": ("-w", "/usr"),
    "bind": ("-v", "/usr:/data"),
}
"""How one asks for a feature; an engine without it must refuse. The others have no option of their own."""


@dataclass(frozen=True)
class Declared:
    """``lacks`` are features that it has not; ``image`` is one of ``tests/images.py``; ``needs`` are host programs."""

    name: str
    how: str
    lacks: frozenset[str] = frozenset()
    image: str = "tiny"
    needs: tuple[str, ...] = ()
    adds: frozenset[str] = frozenset()  # variables of its own

    @property
    def features(self) -> frozenset[str]:
        return FEATURES - self.lacks

    def is_here(self) -> bool:
        return all(shutil.which(program) for program in self.needs)


ENGINES = (
    Declared("namespace", "our own launcher, in user namespaces"),
    Declared(
        "proot",
        "the program `proot`, by ptrace",
        lacks=frozenset(
            (
                *("bind-read-only", "bind-nonrecursive", "tmpfs", "read-only-root"),
                *("pid-namespace", "private-network", "hostname"),
            )
        ),
        needs=("proot",),
    ),
    Declared(
        "fakechroot",
        "a library of ours in front of the C library",
        lacks=frozenset(
            (
                *("bind-nonrecursive", "tmpfs", "pid-namespace", "private-network", "hostname"),
                *("user-root", "user-other", "static-programs", "other-libc"),
            )
        ),
        image="small",
        adds=frozenset(("LOCPATH", "TZDIR")),
    ),
    Declared("oci", "a runtime of the OCI specification: `crun`, `runc`, `youki`", needs=("crun",)),
    Declared(
        "site",
        "the site's `apptainer`, `singularity`, `ch-run` or `podman` (here: `ch-run`)",
        lacks=frozenset(
            (
                *("bind-read-only", "bind-nonrecursive", "tmpfs"),
                *("pid-namespace", "private-network", "hostname", "user-other"),
            )
        ),
        needs=("ch-run",),
    ),
)

_HEAD = """<!-- made by tests/engines.py from what the conformance suite proves; change it there -->

# What each engine can do

An engine is how Wherry enters an image's files ([engines explained](../explanation/engines.md)). `wherry doctor` says
which one your machine gets, `--engine NAME` or the setting `run.engine` chooses one. Asked for something that its
engine has not, Wherry starts nothing and names an engine that has it.

Each mark below is a test of `tests/conformance/test_engines.py`: a mark means that it works, none that the option is
refused (or, without an option, that it is so).
"""


def page() -> str:
    """The page as Markdown."""
    rows = [f"| | {' | '.join(f'`{engine.name}`' for engine in ENGINES)} |", "|---|" + ":-:|" * len(ENGINES)]
    rows.append("| how | " + " | ".join(engine.how for engine in ENGINES) + " |")
    for feature, words in EXPLAINED.items():
        marks = ("yes" if feature in engine.features else "" for engine in ENGINES)
        rows.append(f"| {words} | {' | '.join(marks)} |")
    return f"{_HEAD}\n" + "\n".join(rows) + "\n"


def declared_in_code(name: str) -> Callable[..., frozenset[str]]:
    """``features`` of the engine itself."""
    return engine_named(name).features


if __name__ == "__main__":
    PAGE.write_text(page())
