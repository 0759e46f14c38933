"""``pip install .`` in every kind of installation leaves a static command that finds its own Python."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry_command import Wherry

TREE = Path(__file__).resolve().parents[2]
BESIDE = Path(sys.executable).parent
PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``pip`` builds from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(TREE)], tmp=folder)
    (made,) = folder.glob("*.whl")
    return made


def run(command: list[str], tmp: Path, **variables: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "http", "no_"))
    }
    environment = {"PATH": f"{BESIDE}:/usr/bin:/bin", "HOME": str(tmp), "TMPDIR": str(tmp), **kept, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def in_venv(wheel: Path, home: Path) -> Path:
    run([PYTHON, "-m", "venv", str(home / "venv")], home)
    run([str(home / "venv/bin/pip"), "install", "-q", str(wheel)], home)
    return home / "venv/bin/wherry"


def for_user(wheel: Path, home: Path) -> Path:
    options = ["--user", "--break-system-packages", "--no-warn-script-location"]
    run([PYTHON, "-m", "pip", "install", "-q", *options, str(wheel)], home)
    return home / ".local/bin/wherry"


def with_pipx(wheel: Path, home: Path) -> Path:
    run([str(BESIDE / "pipx"), "install", "--python", PYTHON, str(wheel)], home)
    return home / ".local/bin/wherry"


def with_uv(wheel: Path, home: Path) -> Path:
    run([str(BESIDE / "uv"), "tool", "install", "--python", PYTHON, str(wheel)], home)
    return home / ".local/bin/wherry"


@pytest.mark.parametrize("install", [in_venv, for_user, with_pipx, with_uv])
def test_each_kind_of_installation_gives_a_command_that_works(
    install: Callable[[Path, Path], Path], wheel: Path, tmp_path: Path
) -> None:
    command = install(wheel, tmp_path)
    assert "0.1.0" in run([str(command), "version"], tmp_path, WHERRY_STORE=str(tmp_path / "store"))
    program = command.resolve()
    assert program.stat().st_mode & stat.S_IXUSR
    assert program.read_bytes()[:4] == b"\x7fELF"
    assert dynamic_loader(program) == "", "the command is static, so that a start loads nothing"
    path = f"{command.parent}:/usr/bin:/bin"
    [link] = run([str(command), "shim", "install", "apptainer"], tmp_path, PATH=path).split()
    assert link == f"{command.parent}/apptainer", "a shim lies where the command is found"
    assert run([link, "--version"], tmp_path, PATH="/usr/bin:/bin").startswith("apptainer version ")


def test_what_modules_of_a_site_set_for_another_python_does_not_matter(tmp_path: Path) -> None:
    for name in ("types", "msgspec", "click", "difflib"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('made for another Python')\n")
    variables = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/opt/nowhere", "PYTHONINSPECT": "1"}
    wherry = Wherry(tmp_path / "wherry", variables)
    done = wherry("images")
    assert (done.status, done.stderr) == (0, "")
    assert wherry.ok("pull", "--help").startswith("Usage: wherry pull")


def test_the_programs_lie_beside_the_package_and_may_be_executed() -> None:
    import wherry

    for name in ("wherry", "wherry-keeper", "wherry-supervisor", "wherry-unpack"):
        program = Path(wherry.__file__).parent / "_native" / name
        assert os.access(program, os.X_OK), program


def dynamic_loader(program: Path) -> str:
    """The loader that a program asks for (its ``INTERP`` segment, elf(5)); empty if it is static."""
    said = subprocess.run(["readelf", "-l", str(program)], check=True, capture_output=True, text=True).stdout
    return next((line.split()[-1].rstrip("]") for line in said.splitlines() if "program interpreter" in line), "")
