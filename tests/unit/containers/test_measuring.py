"""What a measurement that cannot be made says of the reason."""

from __future__ import annotations

import subprocess

import pytest

from wherry.containers import measuring
from wherry.containers.measuring import Measured, measure

NO_PROGRAM = b"wherry: cannot find 'python3' in the container's PATH: the image has no such program\n  next: spell it\n"
NO_MODULE = b"Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'asyncio'\n"
NO_START = (
    b"wherry: the image is shown read-only\ncgroups in hybrid mode not supported\nwherry: it ended\n  next: another\n"
)
REFUSED = b"wherry: a note\nwherry: no engine: it lacks something\n  next: wherry doctor\n"


@pytest.mark.parametrize(
    ("start", "imports", "problem"),
    [
        ((0, b"", b""), (127, b"", NO_PROGRAM), "the image has no python3 to import with"),
        (
            (0, b"", b""),
            (1, b"", NO_MODULE),
            "the image's python3 cannot import: ModuleNotFoundError: No module named 'asyncio'",
        ),
        ((125, b"", NO_START), None, "cgroups in hybrid mode not supported"),
        ((125, b"", REFUSED), None, "no engine: it lacks something"),
        ((1, b"", b""), None, "status 1"),
        ((0, b"", b""), (0, b"0.25\n", b""), ""),
    ],
)
def test_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
    start: tuple[int, bytes, bytes],
    imports: tuple[int, bytes, bytes] | None,
    problem: str,
) -> None:
    def run(engine: str, image: str, *command: str) -> subprocess.CompletedProcess[bytes]:
        said = start if command == ("true",) else imports
        assert said is not None, "nothing more is tried where no start works"
        return subprocess.CompletedProcess(command, *said)

    monkeypatch.setattr(measuring, "_run", run)
    found = measure("namespace", "small")
    assert found.problem == problem
    assert (found.start is None) is (start[0] != 0)
    assert found.imports == (250.0 if not problem else None)
    assert isinstance(found, Measured)
