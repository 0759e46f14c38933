"""The process around a command: what its modules cost it, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src"


def python(code: str, *, path: str = str(SOURCE)) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "HOME": "/nonexistent"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)


def test_msgspec_comes_without_modules_that_nobody_uses_and_these_are_there_for_who_does() -> None:
    done = python(
        "import sys, wherry.cli\n"
        "assert 'msgspec' in sys.modules\n"
        "print(sorted({'uuid', 'textwrap', 'datetime', 'platform', 'typing_extensions'} & set(sys.modules)))\n"
        "import datetime, msgspec, textwrap, uuid\n"
        "assert textwrap.dedent('  a') == 'a' and uuid.UUID(int=1).int == 1\n"
        "moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)\n"
        "assert msgspec.json.decode(msgspec.json.encode(moment), type=datetime.datetime) == moment\n"
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_msgspec_that_needs_these_modules_gets_them(tmp_path: Path) -> None:
    (tmp_path / "msgspec").mkdir()
    (tmp_path / "msgspec/__init__.py").write_text("import textwrap\nWORD = textwrap.dedent('  real')\n")
    done = python("import wherry.cli, msgspec; print(msgspec.WORD)", path=f"{tmp_path}:{SOURCE}")
    assert (done.returncode, done.stdout) == (0, "real\n"), done.stderr


def ending(body: str) -> subprocess.CompletedProcess[str]:
    return python(f"import atexit, sys\nfrom wherry import __main__\n{body}\nsys.exit(__main__.main())")


def test_a_command_ends_with_its_status_after_what_others_want_done_at_the_end() -> None:
    late = (
        "def serve(): atexit.register(print, 'last'); print('first', end=' '); return 7\n"
        "__main__._serve = serve\nsys.argv[1:] = ['x']"
    )
    done = ending(late)
    assert (done.returncode, done.stdout, done.stderr) == (7, "first last\n", "")


def test_a_command_waits_for_its_threads() -> None:
    waiting = (
        "import threading, time\n"
        "def serve(): threading.Thread(target=lambda: (time.sleep(0.2), print('done'))).start(); return 0\n"
        "__main__._serve = serve"
    )
    done = ending(waiting)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_an_error_of_ours_is_not_lost_at_the_end() -> None:
    done = ending("def serve(): raise RuntimeError('why')\n__main__._serve = serve")
    assert done.returncode == 1
    assert "RuntimeError: why" in done.stderr
