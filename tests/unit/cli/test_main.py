"""Errors become two lines and a status; nothing else does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.base.errors import CommandNotFound, NotFound, WherryError
from wherry.cli import catalogue, main
from wherry.cli.grammar import Argument, Given, Verb

SOURCE = Path(__file__).resolve().parents[3] / "src"


def raising(error: BaseException) -> Callable[[Given], int]:
    def run(given: Given) -> int:
        raise error

    return run


def call(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    monkeypatch.delenv("WHERRY_DEBUG", raising=False)
    verb = Verb("ps", "x", raising(error), arguments=(Argument("NAME", required=False, many=True),))
    monkeypatch.setattr(catalogue, "load", lambda name: verb)
    return main.main(["ps"])


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            NotFound("no image 'x'", why="it was never pulled", hint="wherry pull x"),
            125,
            "wherry: no image 'x': it was never pulled\n  next: wherry pull x\n",
        ),
        (
            NotFound("no 'a\x1b[2K\r\n  next: evil'", hint="b\x07"),
            125,
            "wherry: no 'a\\x1b[2K\\r\\n  next: evil'\n  next: b\\x07\n",
        ),
        (CommandNotFound("no 'x' in the container"), 127, "wherry: no 'x' in the container\n"),
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 125, "wherry: out of memory\n  next: ask for more"),
        (OSError(errno.ENOSPC, "no", "/s/x"), 125, "wherry: no space left for '/s/x'\n  next: 'wherry df'"),
        (OSError(errno.EDQUOT, "no", "/s/x"), 125, "wherry: quota exceeded at '/s/x'\n"),
        (OSError(errno.EIO, "input/output error", "/s/x"), 125, "wherry: '/s/x' failed: input/output error\n"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "x"), 125, "wherry: 'a\\xff' is not text in UTF-8\n  next: only"),
        (ValueError("odd"), 125, "wherry: this is a bug in wherry: ValueError: odd\n  next: report it"),
    ],
)
def test_an_error_is_said_in_two_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, text: str
) -> None:
    assert status == call(monkeypatch, error)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(text) and (text or not said.err)
    assert "Traceback" not in said.err


def test_the_traceback_is_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = Verb("ps", "x", raising(WherryError("no")))
    monkeypatch.setattr(catalogue, "load", lambda name: verb)
    monkeypatch.setenv("WHERRY_DEBUG", "1")
    assert main.main(["ps"]) == 125
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "there is no verb 'rnu'\n  next: did you mean 'wherry run'?"),
        (["help", "rnu"], "there is no verb 'rnu'\n  next: did you mean 'wherry run'?"),
        (["ls"], "there is no verb 'ls': it is spelled otherwise\n  next: 'wherry images' or 'wherry ps'"),
        (["top", "x"], "there is no verb 'top': it comes with a later release\n  next: wherry exec CONTAINER ps"),
        (["qqqq"], "there is no verb 'qqqq'\n  next: 'wherry --help' lists them all"),
        (["--quiet", "ps"], "no such option '--quiet'\n  next: options come after the verb"),
        (["ps", "--al"], "'wherry ps' has no option '--al'\n  next: did you mean '--all'?"),
        (["ps", "x"], "'wherry ps' does not take 'x': it takes no arguments\n"),
        (["rm"], "'wherry rm' needs a CONTAINER\n  next: wherry rm --help"),
        (["stop", "-t", "soon", "x"], "'wherry stop': bad value for '--timeout': 'soon' is not a number"),
        (["help", "rnu"], "there is no verb 'rnu'\n"),
        (["run", "-v", "", "i"], "the value of '--volume' is empty\n  next: is a variable of your shell unset?"),
        (["save", "-o", "", "i"], "the value of '--output' is empty\n"),
        (["ps", "--all=maybe"], "'wherry ps': '--all' is true or false\n  next: write --all alone"),
    ],
)
def test_a_slip_gets_an_answer_that_helps(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main.main(words) == 125
    assert capsys.readouterr().err.startswith(f"wherry: {said}")


def test_a_closed_pipe_ends_quietly() -> None:
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "wherry", "settings"], stdout=writer, stderr=subprocess.PIPE, env=environ
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_leads_nowhere(tmp_path: Path, closed: str) -> None:
    """Nothing fails for it, and no file that is opened later takes its number."""
    program = (
        "import os, sys\n"
        "from wherry.cli import main\n"
        "status = main.main(['settings'])\n"
        "assert None not in (sys.stdin, sys.stdout, sys.stderr)\n"
        "assert not sys.stderr.isatty() and all(map(os.get_inheritable, (0, 1, 2)))\n"
        "sys.exit(status)\n"
    )
    (tmp_path / "program.py").write_text(program)
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = f"exec {sys.executable} {tmp_path}/program.py {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=environ)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["settings"], ["--help"], ["version"]])
def test_a_full_output_is_an_error_of_its_own(words: list[str]) -> None:
    """The store is not blamed for it, and Python's end stays silent."""
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wherry", *words], stdout=full, stderr=subprocess.PIPE, env=environ
        )
    assert (done.returncode, done.stderr) == (
        125,
        b"wherry: cannot write standard output: no space left on device\n",
    )


FORBIDDEN = {
    "click",
    "rich",
    "urllib3",
    "subprocess",
    "tomllib",
    "tempfile",
    "difflib",
    "zstandard",
    "isal",
    "csv",
    "ssl",
    "typing_extensions",
    "inspect",
}


def test_a_start_imports_nothing_heavy_before_the_use_case() -> None:
    program = (
        "import sys\n"
        "from wherry import containers\n"
        "from wherry.cli import main\n"
        "class Prepared:\n"
        "    def execute(self): print(*sys.modules)\n"
        "def prepare(options, *, world, prefix, progress):\n"
        "    assert (options.image, options.command) == ('i', ('ls',)), options\n"
        "    assert prefix == ('wherry', 'run', '--here', '-it', '-e', 'A=1', 'i'), prefix\n"
        "    return Prepared()\n"
        "containers.prepare = prepare\n"
        "main.main(['run', '--here', '-it', '-e', 'A=1', 'i', 'ls'])\n"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environ, check=True, cwd="/"
    )
    loaded = set(done.stdout.split())
    assert not FORBIDDEN & {name.partition(".")[0] for name in loaded}
    assert not {"concurrent.futures", "http.client", "wherry.image", "wherry.registry", "wherry.store"} & loaded
    ours = {name.removeprefix("wherry.cli.") for name in loaded if name.startswith("wherry.cli.")}
    wanted = {
        "main",
        "catalogue",
        "grammar",
        "parse",
        "options",
        "verbs",
        "verbs.run",
        "launching",
        "becoming",
        "start",
        "moving",
        "interrupted",
    }
    assert ours == wanted


def test_a_variable_that_nobody_reads_is_named_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHERRY_STOER", "/x")
    monkeypatch.setenv("WHERRY_EXPLAIN", "plan")
    monkeypatch.setenv("WHERRY_FOO", "x")  # near to WHERRY_FACE, which is not for users
    assert main.main(["settings", "run.pull"]) == 0
    assert capsys.readouterr().err == (
        "wherry: note: WHERRY_FOO is set, and nobody reads it\n"
        "wherry: note: WHERRY_STOER is set, and nobody reads it: did you mean WHERRY_STORE?\n"
    )


def test_no_refused_verb_exists_and_their_hints_name_verbs_that_do() -> None:
    import re

    from wherry.cli import refused

    assert not set(refused.VERBS) & catalogue.NAMES
    for _, hint in refused.VERBS.values():
        for verb in re.findall(r"wherry ([a-z]+)", hint):
            assert verb in catalogue.NAMES, hint


def test_the_version_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    import wherry

    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"wherry {wherry.__version__}\n"
