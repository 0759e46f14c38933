"""Whether the programs by which engines enter a root work on this kernel, with this C library.

A version number does not tell: distributions carry changes of the kernel back, and C libraries begin to use system
calls that an older proot lets through with the path untranslated, so that a program looks at the host's file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import msgspec

from wherry.host.facts import Program, Proot
from wherry.host.places import remember

__all__ = ["try_interpose", "try_proot", "try_runtimes"]

_PATIENCE = 20.0
_GUEST = "/wherry-trial"
_SHELLS = ("/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash")

# Files are made, moved, linked and found again under translated paths; programs start others, also one without a
# dynamic loader (the launcher, which ends with 125 for a plan that is not there).
_SCRIPT = """
set -e
cd /wherry-trial
echo yes >one
ln one two
ln -s two three
test "$(cat /wherry-trial/three)" = yes
test "$(sh -c 'cd / && exec cat /wherry-trial/one')" = yes
if test -n "$1"; then
    status=0
    "$1" run --plan /nonexistent >/dev/null 2>&1 || status=$?
    test $status = 125
fi
"""

# The newer system calls that take a path, tried on a file which only the guest has. ENOSYS is an answer, too: the C
# library then takes an older one. Threads are started as the C library does it now (clone3).
_CALLS = """
import ctypes, errno, os, threading
where = b"/wherry-trial/one"
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(512)
how = (ctypes.c_uint64 * 3)(0, 0, 0)
arm = os.uname().machine != "x86_64"
calls = {
    "statx": (291 if arm else 332, -100, where, 0, 0x7FF, buffer),
    "openat2": (437, -100, where, how, 24),
    "faccessat2": (439, -100, where, 4, 0x200),
    "fchmodat2": (452, -100, where, 0o600, 0),
    "renameat2": (276 if arm else 316, -100, where, -100, where + b"-moved", 1),
}
missed = [name for name, call in calls.items() if libc.syscall(*call) < 0 and ctypes.get_errno() != errno.ENOSYS]
thread = threading.Thread(target=lambda: print("known", *missed))
thread.start()
thread.join()
"""


def try_proot(path: str, folder: str) -> Proot:
    """Run programs under it, first with its seccomp acceleration, which some kernels break, then without.

    ``folder`` is for a file or two.
    """
    problem, missed = _run(path, folder, {})
    if not problem:
        loader = _keep_loader(path, folder, {})
        return Proot(path, works=True, seccomp=_is_accelerated(path), untranslated=missed, loader=loader)
    plain = {"PROOT_NO_SECCOMP": "1"}
    slower, missed = _run(path, folder, plain)
    loader = "" if slower else _keep_loader(path, folder, plain)
    return Proot(path, works=not slower, seccomp=False, untranslated=missed, loader=loader, problem=slower or problem)


def try_interpose(program: str, folder: str) -> str:
    """Run programs by ``wherry-interpose``, to which a folder has another name; what went wrong, or ``""``.

    Where the host has no shell that it could run (of musl, static) nothing is tried: images have their own.
    """
    place = f"{folder}/.interpose-{os.getpid()}"
    try:
        os.mkdir(place, 0o700)
        with open(f"{place}/view", "w") as file:
            file.write(f"root / rw\nbind {_escape(place)} {_GUEST}\nhost /proc\nhost /dev\n")
        for shell in _SHELLS:
            if _command([program, "--check", f"{place}/view", shell], {})[1].strip() == "ok":
                return _command([program, f"{place}/view", "--", shell, "-c", _SCRIPT, "sh", ""], {})[0]
        return ""
    except OSError as error:
        return str(error)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def try_runtimes(programs: Sequence[Program], uid: int, gid: int, folder: str) -> tuple[Program, ...]:
    """The OCI runtimes, each with what went wrong in a container of the host's own programs; those that work first."""
    tried = [msgspec.structs.replace(each, problem=_try_runtime(each, uid, gid, folder)) for each in programs]
    return tuple(sorted(tried, key=lambda program: bool(program.problem)))


_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/usr")


def _try_runtime(program: Program, uid: int, gid: int, folder: str) -> str:
    place = f"{folder}/.{program.name}-{os.getpid()}"
    try:
        for name in ("proc", "dev"):
            os.makedirs(f"{place}/rootfs/{name}", 0o700)
        shown = []
        for path in _SYSTEM:
            if os.path.islink(path):
                os.symlink(os.readlink(path), f"{place}/rootfs{path}")
            elif os.path.isdir(path):
                os.mkdir(f"{place}/rootfs{path}")
                shown.append(path)
        with open(f"{place}/config.json", "wb") as file:
            file.write(msgspec.json.encode(_trial_bundle(program, uid, gid, shown)))
        options = ["--cgroup-manager=disabled"] if program.name == "crun" else []
        command = [program.path, *options, "--root", f"{place}/state", "run", "--bundle", place, "trial"]
        return _command(command, {})[0]
    except OSError as error:
        return str(error)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _trial_bundle(program: Program, uid: int, gid: int, shown: Sequence[str]) -> dict[str, object]:
    """One id, as containers have it; runc wants that to be root's."""
    inside = (0, 0) if program.name == "runc" else (uid, gid)
    binds = [{"destination": path, "source": path, "type": "bind", "options": ["rbind", "ro"]} for path in shown]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": inside[0], "gid": inside[1]},
            "args": ["/bin/sh", "-c", ":"],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [
            {"destination": "/proc", "source": "proc", "type": "proc"},
            {"destination": "/dev", "source": "tmpfs", "type": "tmpfs"},
            *binds,
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("user", "mount", "pid", "ipc", "uts", "cgroup")],
            "uidMappings": [{"containerID": inside[0], "hostID": uid, "size": 1}],
            "gidMappings": [{"containerID": inside[1], "hostID": gid, "size": 1}],
        },
    }


def _escape(path: str) -> str:
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def _is_accelerated(path: str) -> bool:
    """Whether it was built with the acceleration at all; some distributions' was not."""
    _, said = _command([path, "--version"], {})
    return "seccomp_filter = no" not in said


def _run(path: str, folder: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """What went wrong (or ``""``), and the system calls that it let through as they were."""
    place = f"{folder}/.proot-{os.getpid()}"
    proot = [path, "-b", f"{place}:{_GUEST}"]
    try:
        os.mkdir(place, 0o700)
        problem, _ = _command([*proot, "/bin/sh", "-c", _SCRIPT, "sh", _launcher()], environ)
        if problem:
            return problem, ()
        problem, said = _command([*proot, sys.executable, "-I", "-S", "-c", _CALLS], environ)
        words = said.split()
        return (problem, ()) if words[:1] != ["known"] else ("", tuple(words[1:]))
    except OSError as error:
        return str(error), ()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _keep_loader(path: str, folder: str, environ: Mapping[str, str]) -> str:
    """Keep in ``folder`` the program that proot writes to a temporary file for each start, and that stays there when it
    is killed. Its path, or ``""`` where proot writes none or does not take this one."""
    with contextlib.suppress(OSError):
        content = _written_loader(path, environ)
        if not content:
            return ""
        kept = f"{folder}/proot-loader-{hashlib.sha256(content).hexdigest()[:16]}"
        if not os.path.exists(kept):  # whole, if it is there; and plans depend on its stamp
            remember(kept, content)
            os.chmod(kept, 0o500)
        if not _command([path, "/bin/sh", "-c", ":"], {**environ, "PROOT_LOADER": kept})[0]:
            return kept
        os.unlink(kept)
    return ""


def _written_loader(path: str, environ: Mapping[str, str]) -> bytes:
    """What a traced program is from outside, where proot wrote it (as ``prooted-PID-...``)."""
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(
        [path, "cat"], bufsize=0, stdin=pipe, stdout=pipe, stderr=null, env=_environment(environ)
    ) as tracer:
        assert tracer.stdin is not None and tracer.stdout is not None
        tracer.stdin.write(b"x")
        if not (select.select([tracer.stdout], [], [], _PATIENCE)[0] and tracer.stdout.read(1) == b"x"):
            tracer.kill()
            return b""
        with open(f"/proc/{tracer.pid}/task/{tracer.pid}/children") as file:
            traced = f"/proc/{file.read().split()[0]}/exe"
        if not os.path.basename(os.readlink(traced)).startswith("prooted"):
            return b""
        with open(traced, "rb") as program:
            return program.read()


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PROOT_TMP_DIR", "TMPDIR", "PROOT_LOADER") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **kept, **environ}


def _command(command: list[str], environ: Mapping[str, str]) -> tuple[str, str]:
    """What went wrong (or ``""``), and what the command printed."""
    try:
        done = subprocess.run(
            command,
            env=_environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {_PATIENCE:.0f} s", ""
    printed = done.stdout.decode(errors="replace")
    if done.returncode == 0:
        return "", printed
    if done.returncode < 0:
        return f"it was ended by signal {-done.returncode}", printed
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return (said[0] if said else f"programs fail under it (status {done.returncode})"), printed


def _launcher() -> str:
    from wherry.host.programs import native_folder

    path = os.environ.get("WHERRY_LAUNCHER") or f"{native_folder()}/wherry"
    return path if os.access(path, os.X_OK) else ""
