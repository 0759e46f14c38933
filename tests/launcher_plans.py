"""The launcher alone: hand-made plans on a tree with a static busybox, no Python of Wherry's but the plan's codec.

``Box`` holds a tree, a scratch folder and a runtime folder; ``box.plan(...)`` writes a plan and gives its path,
``box.run(command, ...)`` carries one out. The program is built here from ``native/launcher``.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from wherry.launch.codec import encode
from wherry.launch.plan import LaunchPlan, Operation

__all__ = ["NAMESPACES", "Box", "Operation", "beside_python", "launcher"]

NEW_NET = 0x40000000
NAMESPACES = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000
"""CLONE_NEW* of mount, cgroup, uts, ipc, user, pid."""
VERSION = "9.9.9"
_SOURCES = Path(__file__).parents[1] / "native" / "launcher"
_APPLETS = (
    "sh true cat ls id mount env ps head tail sleep kill grep stty tty touch mkdir rm echo readlink wc seq setsid"
)


@functools.cache
def launcher() -> str:
    """The program, built with this machine's compiler as a distribution would."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-launcher-"))
    program = folder / "wherry"
    sources = sorted(str(source) for source in _SOURCES.glob("*.c"))
    flags = ["-std=c11", "-D_GNU_SOURCE", "-DWHERRY_TEST_HOOKS", "-O1", "-static"]
    flags += ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run(
        ["cc", *flags, f'-DWHERRY_VERSION="{VERSION}"', *sources, "-o", str(program)], check=True, capture_output=True
    )
    return str(program)


def beside_python(folder: Path, script: str) -> Path:
    """The program in ``folder``, which is made, with ``script`` beside it where it looks for Python."""
    folder.mkdir()
    shutil.copy(launcher(), folder / "wherry")
    python = folder / "wherry-python"
    python.write_text(script)
    python.chmod(0o755)
    return folder / "wherry"


class Box:
    """One tree to start containers in, with everything that a start leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.scratch = folder / "scratch"
        self.runtime = folder / "run" / "wherry"
        for path in (self.scratch, self.runtime / "plans", self.tree / "bin"):
            path.mkdir(parents=True)
        self.runtime.chmod(0o700)
        for name in ("etc", "dev", "proc", "sys", "tmp", "home"):
            (self.tree / name).mkdir()
        shutil.copy("/bin/busybox", self.tree / "bin" / "busybox")
        for name in _APPLETS.split():
            (self.tree / "bin" / name).symlink_to("busybox")

    def operations(
        self,
        *,
        host: Sequence[Operation] = (),
        init: Sequence[Operation] = (),
        late: Sequence[Operation] = (),
        command: Sequence[Operation] = (),
        layers: Sequence[str] = (),
        stdio: int = 1,
        cwd: tuple[str, int] = ("/", 0),
        ids: tuple[int, int] | None = None,
        namespaces: int = NAMESPACES,
        entry: Sequence[str] = (),
        default: Sequence[str] = (),
        bits: int = 0,
        caps: int = 0,
    ) -> list[Operation]:
        """The operations of an ordinary start, with more at four places (``late``: when the tree is complete)."""
        uid, gid = ids or (os.getuid(), os.getgid())
        devices = ("null", "zero", "full", "random", "urandom", "tty")
        return [
            Operation("ID", ("",)),
            Operation("SCRATCH", ((str(self.scratch),), 0)),
            *[Operation("MKDIR", (f"\x01/{name}", 0o755)) for name in ("upper", "work", "root")],
            Operation("STDIO", (stdio,)),
            Operation("NAMESPACE", (namespaces, uid, gid)),
            *host,
            *init,
            Operation("OVERLAY", (tuple(layers) or (str(self.tree),), "\x01/upper", "\x01/work", "\x01/root", 3)),
            Operation("ROOT", ("\x01/root",)),
            Operation("MOUNT", ("proc", "proc", 14, "", "/proc")),
            Operation("MOUNT", ("tmpfs", "tmpfs", 2, "mode=755,size=64k", "/dev")),
            *[Operation("BIND", (f"/dev/{name}", f"/dev/{name}", 16)) for name in devices],
            Operation("MOUNT", ("devpts", "devpts", 10, "newinstance,ptmxmode=0666,mode=620", "/dev/pts")),
            Operation("SYMLINK", ("pts/ptmx", "/dev/ptmx")),
            *late,
            Operation("ENV_SET", (("PATH=/usr/bin:/bin", "HOME=/"),)),
            Operation("CWD", cwd),
            Operation("CAPS", (caps,)),
            Operation("NO_NEW_PRIVS"),
            *command,
            Operation("EXEC", (tuple(entry), tuple(default), bits)),
        ]

    def write(
        self,
        operations: Sequence[Operation],
        *,
        prefix: Sequence[str] = ("wherry", "run", "tree"),
        inputs: Sequence[Operation] = (),
        path: Path | None = None,
        uid: int | None = None,
    ) -> str:
        """A plan's file; by default under a name of its own, to be given to ``--plan``."""
        version = Operation("VERSION", (VERSION,))
        plan = LaunchPlan((Operation("PREFIX", (tuple(prefix),)), version, *inputs), tuple(operations))
        if path is None:
            path = Path(tempfile.mkdtemp(dir=self.folder)) / "a.plan"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(encode(plan, os.getuid() if uid is None else uid))
        return str(path)

    def plan(self, **changes: object) -> str:
        """Writes an ordinary plan with changes, as :meth:`operations` names them."""
        return self.write(self.operations(**changes))  # type: ignore[arg-type]

    def argv(self, words: Sequence[str], /, **changes: object) -> list[str]:
        return [launcher(), "run", "--plan", self.plan(**changes), "--", *words]

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(self.folder / "run"), **more}

    def run(
        self, *words: str, stdin: bytes = b"", variables: dict[str, str] | None = None, **changes: object
    ) -> subprocess.CompletedProcess[str]:
        """Starts a command and waits for it."""
        done = subprocess.run(
            self.argv(words, **changes),
            input=stdin,
            capture_output=True,
            timeout=60,
            env=self.environment(**(variables or {})),
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def shell(self, script: str, **changes: object) -> str:
        """What a script printed in the container; it must succeed."""
        done = self.run("sh", "-c", script, **changes)  # type: ignore[arg-type]
        assert done.returncode == 0, done.stderr
        return done.stdout

    def left(self) -> list[str]:
        """What starts left in the scratch folder, besides empty folders to be used again."""
        return sorted(name for name in os.listdir(self.scratch) if not name.startswith("spare."))

    def spare(self) -> list[Path]:
        """The folders that wait to be used again."""
        return sorted(self.scratch.glob("spare.*"))
