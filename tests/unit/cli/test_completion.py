"""TAB offers verbs, options, values and names, and never prints an error into the line that is being typed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wherry.base.errors import UsageError
from wherry.cli import catalogue, complete, main
from wherry.cli.completion import script


def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    words = line.split(" ")
    monkeypatch.setenv("_WHERRY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert main.main([]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wherry ru", ["plain,run"]),
        ("wherry r", ["plain,rmi", "plain,run", "plain,rename", "plain,rm", "plain,record"]),
        ("wherry run --he", ["plain,--here", "plain,--help"]),
        ("wherry run --network ", ["plain,host", "plain,none"]),
        ("wherry run --engine p", ["plain,proot"]),
        ("wherry run --userns ", ["plain,one", "plain,range"]),
        ("wherry completion ", ["plain,bash", "plain,fish", "plain,zsh"]),
        ("wherry settings run.p", ["plain,run.profile", "plain,run.pull"]),
        ("wherry load -i x", ["file,x"]),
        ("wherry run image pyth", ["file,pyth"]),
    ],
)
def test_what_is_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, expected: list[str]
) -> None:
    assert sorted(expected) == sorted(offered(monkeypatch, capsys, line))


def test_names_are_offered_by_their_beginning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(complete._NAMES, "image", lambda: ["debian", "debian:12", "python"])
    monkeypatch.setitem(complete._NAMES, "container", lambda: ["deposit", "lab"])
    assert offered(monkeypatch, capsys, "wherry run -it de") == ["plain,debian", "plain,debian:12"]
    assert offered(monkeypatch, capsys, "wherry stop deposit l") == ["plain,lab"]
    assert offered(monkeypatch, capsys, "wherry inspect de") == ["plain,debian", "plain,debian:12", "plain,deposit"]


def test_a_store_that_cannot_be_read_offers_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> list[str]:
        raise OSError("no")

    monkeypatch.setitem(complete._NAMES, "image", broken)
    assert offered(monkeypatch, capsys, "wherry run de") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_accepts(shell: str, tmp_path: Path) -> None:
    text = script(shell)
    assert "_WHERRY_COMPLETE" in text
    program = shutil.which(shell)
    if shell == "bash":
        assert program is not None
        subprocess.run([program, "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("wherry ru", ["run"]),
        ("wherry ", sorted(catalogue.NAMES)),
        ("wherry run --network=h", ["host"]),
        ("wherry run --network h", ["host"]),
        ("wherry settings run.pu", ["run.pull"]),
        ("wherry inspect registry.example.org:50", ["5000/lab:1"]),
        ("wherry inspect debian:", ["11", "12"]),
    ],
)
def test_bash_inserts_the_rest_of_what_was_typed(line: str, reply: list[str], tmp_path: Path) -> None:
    names = ["debian:11", "debian:12", "registry.example.org:5000/lab:1"]
    stub = (
        "from wherry.cli import catalogue, complete, main\n"
        f"complete._NAMES.update(image=lambda: {names!r}, container=lambda: [])\n"
        "raise SystemExit(main.main([]))\n"
    )
    (tmp_path / "stub.py").write_text(stub)
    source = Path(__file__).resolve().parents[3] / "src"
    program = (
        f"{script('bash')}\n"
        f'wherry() {{ PYTHONPATH={source} {sys.executable} {tmp_path}/stub.py "$@"; }}\n'
        f'COMP_LINE="{line}"; COMP_POINT={len(line)}; compopt() {{ :; }}\n'
        '_wherry_completion; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "--norc"], input=program, capture_output=True, text=True, check=True)
    assert ("", reply) == (done.stderr, sorted(done.stdout.split()))


def test_an_unknown_shell_is_an_error() -> None:
    with pytest.raises(UsageError, match="'tcsh'"):
        script("tcsh")
