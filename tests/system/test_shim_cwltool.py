"""cwltool's user-space docker: with the udocker shim as ``--udocker``, and with Wherry itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cwl_tools import TOOL
from tool_venv import tool_folder
from wherry_command import Wherry, installed

FILTER = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  DockerRequirement: {dockerPull: "%s"}
baseCommand: [cat]
inputs:
  table: {type: File}
stdin: $(inputs.table.path)
stdout: out.txt
outputs:
  out: {type: stdout}
"""


@pytest.fixture(scope="session")
def cwltool() -> Path:
    return tool_folder("cwltool") / "cwltool"


@pytest.fixture
def held(wherry: Wherry, tiny: str) -> Wherry:
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "lab/tiny:1")
    return wherry


def run_tool(cwltool: Path, wherry: Wherry, folder: Path, tool: str, *words: str) -> dict[str, str]:
    """The contents of the output files by name."""
    (folder / "table").write_text("1 2 3\n")
    (folder / "tool.cwl").write_text(tool % "lab/tiny:1")
    path = f"{installed().parent}:{wherry.environment['PATH']}"
    done = subprocess.run(
        [str(cwltool), "--outdir", str(folder / "results"), *words, str(folder / "tool.cwl"), "--table", "table"],
        cwd=folder,
        env={**wherry.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {name: Path(found["path"]).read_text() for name, found in json.loads(done.stdout).items()}


def test_cwltool_with_udocker(cwltool: Path, held: Wherry, tmp_path: Path) -> None:
    """Its own line: udocker --quiet run --nobanner --volume ... --rm; and --debug, without --quiet."""
    udocker = held.named("udocker")
    for words in (("--udocker",), ("--debug", f"--user-space-docker-cmd={udocker.program}")):
        found = run_tool(cwltool, udocker, tmp_path, TOOL, *words)
        assert found["out"] == "good day\nstaged\n1 2 3\n"
        where, home = found["where"].split()
        assert where == home  # as the specification says: HOME is the output directory
    assert udocker.ok("ps").count("\n") == 1  # nothing stays


def test_cwltool_with_wherry_itself(cwltool: Path, held: Wherry, tmp_path: Path) -> None:
    """``wherry`` takes the same words."""
    found = run_tool(cwltool, held, tmp_path, TOOL, f"--user-space-docker-cmd={installed()}")
    assert found["out"] == "good day\nstaged\n1 2 3\n"
    assert held.ok("ps", "-aq") == ""


def test_cwltool_gives_standard_input_to_tools(cwltool: Path, held: Wherry, tmp_path: Path) -> None:
    """With the shim always; with Wherry itself, which takes it only with -i, by the setting that lets it in."""
    assert run_tool(cwltool, held.named("udocker"), tmp_path, FILTER, "--udocker") == {"out": "1 2 3\n"}
    direct = Wherry(held.folder, {"WHERRY_RUN_INTERACTIVE": "1"})
    line = f"--user-space-docker-cmd={installed()}"
    assert run_tool(cwltool, direct, tmp_path, FILTER, line) == {"out": "1 2 3\n"}
