"""``--chmod``, octal and symbolic."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.base.errors import UsageError
from wherry.build.context.modes import parse_chmod


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("755", 0o600, 0o755),
        ("0", 0o755, 0),
        ("4755", 0o600, 0o4755),
        ("00755", 0o600, 0o755),
        ("u+x", 0o644, 0o744),
        ("+x", 0o644, 0o755),
        ("go-rwx", 0o777, 0o700),
        ("u=rwX,go=rX", 0o600, 0o644),
        ("a=rX", 0o100, 0o555),
        ("g=u", 0o750, 0o770),
        ("u+s,g+s", 0o755, 0o6755),
        ("+t", 0o755, 0o1755),
        ("u=rw", 0o4755, 0o655),
        ("u-w+x", 0o644, 0o544),
    ],
)
def test_the_mode_of_a_file(text: str, mode: int, expected: int) -> None:
    chmod = parse_chmod(text)
    assert chmod is not None
    assert chmod.of(stat.S_IFREG | mode) == expected


def test_a_capital_x_is_for_directories() -> None:
    chmod = parse_chmod("go=rX")
    assert chmod is not None
    assert chmod.of(stat.S_IFDIR | 0o700) == 0o755
    assert chmod.of(stat.S_IFLNK | 0o777) == 0o777


@pytest.mark.parametrize("text", ["888", "10000", "x", "u+y", "u", "755x", "u+x,", "-1", "0x1ff", "u=rw go=r"])
def test_what_is_no_mode_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="is no mode"):
        parse_chmod(text)


def test_no_mode_is_none() -> None:
    assert parse_chmod("") is None


_CLAUSES = st.tuples(
    st.sampled_from(["u", "g", "o", "a", "ug", "go", "ugo"]),
    st.sampled_from(["+", "-", "="]),
    st.sampled_from(["r", "w", "x", "X", "rw", "rwX", "rx", "u", "g", "o", ""]),
)


@settings(max_examples=50)
@given(st.lists(_CLAUSES, min_size=1, max_size=3), st.integers(0, 0o777))
def test_it_does_what_chmod_does(clauses: list[tuple[str, str, str]], mode: int) -> None:
    text = ",".join("".join(clause) for clause in clauses)
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.chmod(mode)
        subprocess.run(["chmod", text, str(path)], check=True)
        expected = stat.S_IMODE(path.stat().st_mode)
    chmod = parse_chmod(text)
    assert chmod is not None
    assert chmod.of(stat.S_IFREG | mode) == expected
