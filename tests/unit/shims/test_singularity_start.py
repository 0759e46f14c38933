"""What a start under Apptainer's name imports, and what its scripts are in any shell of an image."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wherry.launch.scripts import SOURCING

HEAVY = {
    "asyncio", "click", "concurrent.futures", "csv", "http", "isal", "json", "logging", "rich", "socket", "ssl",
    "subprocess", "tempfile", "tomllib", "typing_extensions", "urllib3", "zstandard",
}  # fmt: skip

SHELLS = [[name] for name in ("dash", "bash") if shutil.which(name)] + [["busybox", "sh"]]


def test_a_start_imports_nothing_heavy() -> None:
    """Each module costs a first start a fraction of a millisecond."""
    statement = """
from wherry.shims.singularity import _dispatch
from wherry.base.errors import WherryError
try:
    _dispatch("apptainer", ["exec", "-B", "/usr:/mnt", "--env", "A=b", "/nosuch.sif", "true"])
except WherryError:
    pass
import wherry.launch.scripts
"""
    script = f"import sys; before = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & HEAVY


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_scripts_are_read_alike_by_every_shell(shell: list[str], tmp_path: Path) -> None:
    """Prefixed variables come last, whatever their values are and whatever the scripts do to the shell."""
    folder = tmp_path / "env"
    folder.mkdir()
    (folder / "10-a.sh").write_text('export A="of the image" B="${B:-default}" PATH="/image:$PATH"; IFS=:\n')
    (folder / "90-b.sh").write_text("alias x=y\n")
    odd = "x 'y' \"z\" $HOME `id` \\ \n last"
    environment = {
        "PATH": "/bin:/usr/bin",
        "APPTAINERENV_A": odd,
        "SINGULARITYENV_B": "mine",
        "APPTAINERENV_PREPEND_PATH": "/first",
        "__given": "SINGULARITYENV_B APPTAINERENV_A APPTAINERENV_PREPEND_PATH ",
        "__asked": "APPTAINERENV_A",
        "__before": "/first",
        "__after": "/last",
        "__path": "",
    }
    script = (
        SOURCING.replace("/.singularity.d/env", str(folder)) + '\nprintf "%s\\n%s\\n%s\\n" "$A" "$B" "$PATH"; env\n'
    )
    done = subprocess.run([*shell, "-c", script, "sh"], env=environment, capture_output=True, text=True, check=True)
    expected = f"{odd}\nmine\n/first:/image:/bin:/usr/bin:/last\n"
    assert done.stdout.startswith(expected) and done.stderr == ""
    left = {line.partition("=")[0] for line in done.stdout[len(expected) :].splitlines()}
    assert not {name for name in left if name.startswith(("__", "APPTAINERENV_", "SINGULARITYENV_"))}
