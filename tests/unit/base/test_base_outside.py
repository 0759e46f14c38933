from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from wherry.base.errors import UsageError
from wherry.base.outside import Identity, Input, Outside, Stamp, caller_environment


def test_answers_are_remembered(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    Path(path).write_text("one")
    outside = Outside({})
    first = outside.stat(path)
    assert outside.read(path) == b"one"
    Path(path).write_text("another")
    assert outside.read(path) == b"one"
    assert outside.stat(path) == first


def test_forgetting_looks_again(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    outside = Outside({})
    assert outside.read(path) is None
    Path(path).write_text("new")
    assert outside.read(path) is None
    outside.forget(path)
    assert outside.read(path) == b"new"
    assert [found.value for found in outside.inputs] == [Stamp.of(path)]


def test_inputs_are_kept_once_in_the_order_of_first_use(tmp_path: Path) -> None:
    outside = Outside({"A": "1"})
    outside.env("A")
    outside.node()
    outside.env("B")
    outside.env("A")
    outside.boot_id()
    assert [(found.kind, found.name) for found in outside.inputs] == [
        ("env", "A"),
        ("node", ""),
        ("env", "B"),
        ("boot", ""),
    ]


def test_an_empty_variable_reads_as_unset_but_is_told_apart() -> None:
    outside = Outside({"EMPTY": ""})
    assert outside.env("EMPTY") is None
    assert outside.env("UNSET") is None
    assert outside.inputs == (Input("env", "EMPTY", ""), Input("env", "UNSET", None))


def test_variables_by_prefix_are_sorted() -> None:
    outside = Outside({"P_B": "2", "P_A": "1", "Q": "3"})
    assert outside.envs("P_") == {"P_A": "1", "P_B": "2"}
    assert outside.inputs == (Input("envs", "P_", ("P_A=1", "P_B=2")),)


def test_who_and_where() -> None:
    outside = Outside({})
    assert outside.identity() == Identity(os.geteuid(), os.getegid(), tuple(sorted(os.getgroups())))
    assert outside.node() == socket.gethostname()
    assert outside.cwd() == os.getcwd()
    assert outside.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert {found.kind for found in outside.inputs} == {"identity", "node", "cwd", "boot"}


def test_a_file_that_is_not_there_is_an_input_too(tmp_path: Path) -> None:
    outside = Outside({})
    assert outside.read(str(tmp_path / "none")) is None
    assert outside.inputs == (Input("file", str(tmp_path / "none"), Stamp(False)),)


def test_a_large_file_is_read_whole(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "large").write_bytes(data)
    assert Outside({}).read(str(tmp_path / "large")) == data


def test_an_unreadable_file_is_an_error_and_not_absent(tmp_path: Path) -> None:
    (tmp_path / "closed").touch(0o000)
    with pytest.raises(PermissionError):
        Outside({}).read(str(tmp_path / "closed"))


def test_the_nearest_file_is_found_upward_through_ones_own_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b" / "c")
    assert Outside({}).nearest("w.toml") is None
    (tmp_path / "a" / "w.toml").touch()
    assert Outside({}).nearest("w.toml") == str(tmp_path / "a" / "w.toml")
    (tmp_path / "a" / "b" / "w.toml").mkdir()
    assert Outside({}).nearest("w.toml") == str(tmp_path / "a" / "w.toml")
    (tmp_path / "a" / "b" / "c" / "w.toml").touch()
    assert Outside({}).nearest("w.toml") == str(tmp_path / "a" / "b" / "c" / "w.toml")


def test_in_a_directory_that_is_not_ones_own_nothing_is_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert Outside({}).nearest("bin") is None


def test_a_current_directory_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    outside = Outside({})
    assert outside.nearest("w.toml") is None
    assert not outside.local_file("x")
    assert not outside.apart(("/usr",))
    with pytest.raises(UsageError, match="the current directory is gone"):
        outside.cwd()


@pytest.mark.parametrize(
    ("directories", "apart"),
    [((), True), (("/usr",), True), (("HERE",), False), (("ABOVE",), False), (("/",), True), (("/usr", "HERE"), False)],
)
def test_whether_one_is_apart_from_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directories: tuple[str, ...], apart: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"HERE": os.getcwd(), "ABOVE": os.path.dirname(os.getcwd())}
    outside = Outside({})
    assert outside.apart(tuple(places.get(name, name) for name in directories)) is apart
    assert bool(outside.inputs) is apart


# ---- any change of a consulted input is noticed


CHANGES: dict[str, Callable[[str], object]] = {
    "written": lambda path: Path(path).write_bytes(b"other content"),
    "same length": lambda path: Path(path).write_bytes(Path(path).read_bytes()[::-1]),
    "appended": lambda path: Path(path).write_bytes(Path(path).read_bytes() + b"x"),
    "emptied": lambda path: Path(path).write_bytes(b""),
    "removed": os.unlink,
    "replaced": lambda path: (Path(path + ".new").write_bytes(b"content"), os.rename(path + ".new", path)),
    "mode": lambda path: os.chmod(path, 0o640),
    "touched": lambda path: os.utime(path, (1, 1)),
    "became a folder": lambda path: (os.unlink(path), os.mkdir(path)),
    "became a link": lambda path: (os.rename(path, path + ".old"), os.symlink("/dev/null", path)),
    "written, and its time set back": lambda path: (
        found := os.stat(path),
        Path(path).write_bytes(b"CONTENT"),
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns)),
    ),
}


def settle(path: str) -> None:
    """Wait until the file system's clock has moved on, so that a change cannot have the stamp of the first write."""
    before = os.stat(path).st_ctime_ns
    probe = path + ".probe"
    while True:
        Path(probe).write_bytes(b"")
        if os.stat(probe).st_ctime_ns > before:
            os.unlink(probe)
            return


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_file_is_noticed(tmp_path: Path, change: str) -> None:
    path = str(tmp_path / "f")
    Path(path).write_bytes(b"content")
    before = Outside({}).stat(path)
    settle(path)
    CHANGES[change](path)
    assert Outside({}).stat(path) != before


def test_a_file_that_appears_is_noticed(tmp_path: Path) -> None:
    before = Outside({}).stat(str(tmp_path / "f"))
    (tmp_path / "f").touch()
    assert Outside({}).stat(str(tmp_path / "f")) != before


def test_a_link_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
    (tmp_path / "link").symlink_to("a")
    before = Outside({}).stat(str(tmp_path / "link"))
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("b")
    assert Outside({}).stat(str(tmp_path / "link")) != before


NAMES = st.sampled_from(["WHERRY_A", "WHERRY_B", "XDG_A", "HOME"])
ENVIRONS = st.dictionaries(NAMES, st.text(alphabet="ab=\n", max_size=3), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENVIRONS, ENVIRONS, st.lists(NAMES, max_size=3), st.lists(st.sampled_from(["WHERRY_", "X"]), max_size=2))
def test_any_change_of_a_consulted_variable_is_noticed_and_no_other(
    before: dict[str, str], after: dict[str, str], asked: list[str], prefixes: list[str]
) -> None:
    def consulted(environ: dict[str, str]) -> tuple[Input, ...]:
        outside = Outside(environ)
        for name in asked:
            outside.env(name)
        for prefix in prefixes:
            outside.envs(prefix)
        return outside.inputs

    def concerned(environ: dict[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in environ.items()
            if name in asked or any(name.startswith(prefix) for prefix in prefixes)
        }

    assume(asked or prefixes)
    assert (consulted(before) == consulted(after)) is (concerned(before) == concerned(after))


def test_what_was_set_aside_for_our_python_has_its_name_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_ASIDE_PYTHONHOME", "/of/another")
    monkeypatch.delenv("PYTHONHOME", raising=False)
    environment = caller_environment()
    assert environment["PYTHONHOME"] == "/of/another"
    assert not any(name.startswith("WHERRY_ASIDE_") for name in environment)


def test_another_current_directory_is_noticed_where_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def consulted() -> tuple[Input, ...]:
        outside = Outside({})
        outside.cwd()
        outside.nearest("w.toml")
        outside.local_file("image.sif")
        return outside.inputs

    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    seen = [consulted()]
    (tmp_path / "a" / "image.sif").touch()
    seen.append(consulted())
    (tmp_path / "w.toml").touch()
    seen.append(consulted())
    (tmp_path / "a" / "w.toml").touch()
    seen.append(consulted())
    monkeypatch.chdir(tmp_path / "a" / "b")
    seen.append(consulted())
    assert len(set(map(repr, seen))) == len(seen)
