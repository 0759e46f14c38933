"""The default filter in this kernel: a child installs it as the launcher does and tries what it refuses and allows."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from wherry.launch import seccomp

_SET_NO_NEW_PRIVS = 38
_SPEC_ALLOW = 4
_SECCOMP = {"x86_64": 317, "aarch64": 277}[platform.machine()]
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
_TIOCSTI = 0x5412


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _tried() -> dict[str, object]:
    """Runs under the filter: what each attempt gives."""
    libc = ctypes.CDLL(None, use_errno=True)

    def attempt(result: int) -> str:
        return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]

    terminal = os.open("/dev/tty", os.O_RDWR) if os.path.exists("/dev/tty") and os.isatty(0) else 0
    source = ctypes.create_string_buffer(b"wherry!!")
    target = ctypes.create_string_buffer(8)
    vector = ctypes.c_void_p * 2
    here, there = vector(ctypes.addressof(target), 8), vector(ctypes.addressof(source), 8)
    found: dict[str, object] = {
        "tiocsti": attempt(libc.ioctl(terminal, ctypes.c_ulong(_TIOCSTI), b"x")),
        "tiocsti with high bits": attempt(libc.ioctl(terminal, ctypes.c_ulong(_TIOCSTI | 1 << 32), b"x")),
        "unshare": attempt(libc.unshare(0x10000000)),
        "process_vm_readv": attempt(
            libc.process_vm_readv(os.getpid(), here, ctypes.c_ulong(1), there, ctypes.c_ulong(1), ctypes.c_ulong(0))
        ),
        "copied": target.raw.decode(),
    }
    status = Path("/proc/self/status").read_text().splitlines()
    found["speculation"] = next(
        (line.split(":", 1)[1].strip() for line in status if line.startswith("Speculation_Store")),
        "",
    )
    found["thread and process"] = subprocess.run(["/bin/true"], check=False).returncode
    return found


def _install_and_try() -> dict[str, object]:
    reader, writer = os.pipe()
    child, master = pty.fork()
    if child == 0:
        try:
            code = seccomp.default_filter(_ARCHITECTURE).program
            buffer = ctypes.create_string_buffer(code, len(code))
            program = _Program(len(code) // 8, ctypes.addressof(buffer))
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if libc.syscall(_SECCOMP, 1, _SPEC_ALLOW, ctypes.byref(program)):
                raise OSError(ctypes.get_errno(), "seccomp")
            os.write(writer, json.dumps(_tried()).encode())
        except BaseException as error:
            os.write(writer, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    os.close(master)
    result: dict[str, object] = json.loads(answer)
    return result


@pytest.fixture(scope="module")
def tried() -> dict[str, object]:
    return _install_and_try()


def test_the_kernel_takes_the_filter(tried: dict[str, object]) -> None:
    """It is a valid program, and an ordinary program runs under it."""
    assert "error" not in tried
    assert tried["thread and process"] == 0


def test_nobody_types_into_the_terminal(tried: dict[str, object]) -> None:
    """ioctl(TIOCSTI) is refused, also when bits that the kernel ignores are set."""
    assert tried["tiocsti"] == "EPERM"
    assert tried["tiocsti with high bits"] == "EPERM"


def test_memory_is_copied_between_processes(tried: dict[str, object]) -> None:
    """process_vm_readv, which MPI uses on one node, works."""
    assert tried["process_vm_readv"] == "ok"
    assert tried["copied"] == "wherry!!"


def test_no_new_user_namespaces(tried: dict[str, object]) -> None:
    """As under Docker."""
    assert tried["unshare"] == "EPERM"


def test_no_costly_mitigation_is_switched_on(tried: dict[str, object]) -> None:
    """With SPEC_ALLOW a filtered process is no slower than one without a filter."""
    assert "force mitigated" not in str(tried["speculation"])


if __name__ == "__main__":
    json.dump(_install_and_try(), sys.stdout)
