"""The programs that call ``singularity`` and ``apptainer``: Snakemake, cwltool, spython, and the lines of Nextflow and
Pegasus, which cannot be installed here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cwl_tools import TOOL
from tool_venv import tool_folder
from wherry_command import Wherry

SNAKEFILE = """
rule all:
    input: "out.txt"
rule one:
    output: "out.txt"
    container: "{image}"
    threads: 1
    shell: "echo $GREETING >{{output}}; head -1 /etc/debian_version >>{{output}}; pwd >>{{output}}"
"""
SPYTHON = """
import sys
from spython.main import Client
image, folder = sys.argv[1:]
made = Client.pull(image, name="made.sif", pull_folder=folder, force=True)
print(made)
print(Client.execute(made, ["echo", "hello"], bind="/usr:/mnt", quiet=True).strip())
print(Client.run(made, ["echo", "run"], quiet=True))
print(sorted(Client.inspect(made)["attributes"]))
sandbox = Client.build(image=folder + "/box", recipe=made, sandbox=True, sudo=False)
print(Client.execute(sandbox, ["ls", "/bin/busybox"], quiet=True).strip())
instance = Client.instance(made, name="spy", quiet=True)
print([each.name for each in Client.instances(quiet=True)])
print(Client.execute(instance, ["echo", "inside"], quiet=True).strip())
instance.stop()
print(Client.instances(quiet=True))
"""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    """Both names, in one home."""
    home = Wherry(tmp_path_factory.mktemp("tools"))
    home.named("singularity")
    return home.named("apptainer")


def _run(peer: Wherry, words: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**peer.environment, **variables}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def test_snakemake(peer: Wherry, small_image: str, tmp_path: Path) -> None:
    """It asks for the version, pulls into a file of its own, and executes rules in it; the user's file serves too."""
    snakemake = tool_folder("snakemake") / "snakemake"
    image = f"docker://{small_image}"
    for number in range(2):
        folder = tmp_path / f"flow{number}"
        folder.mkdir()
        (folder / "Snakefile").write_text(SNAKEFILE.format(image=image))
        words = [str(snakemake), "-c1", "--sdm", "apptainer", "--apptainer-args", "--cleanenv --env GREETING=hi", "-q"]
        _run(peer, words, folder)
        found = (folder / "out.txt").read_text().split()
        assert (found[0], found[1].partition(".")[0], found[2]) == ("hi", "12", str(folder))
        image = str(next((folder / ".snakemake/singularity").glob("*.simg"), image))


def test_cwltool(peer: Wherry, tiny: str, tmp_path: Path) -> None:
    """Contained, with a clean environment, in folders of its own."""
    cwltool = tool_folder("cwltool") / "cwltool"
    (tmp_path / "table").write_text("1 2 3\n")
    (tmp_path / "tool.cwl").write_text(TOOL % tiny)
    line = [str(cwltool), "--singularity", "--outdir", "results", "tool.cwl", "--table", "table"]
    done = _run(peer, line, tmp_path, CWL_SINGULARITY_CACHE=str(tmp_path))
    found = {name: Path(each["path"]).read_text() for name, each in json.loads(done.stdout).items()}
    assert found["out"] == "good day\nstaged\n1 2 3\n"
    where, home = found["where"].split()
    assert where == home


def test_spython(peer: Wherry, tiny: str, tmp_path: Path) -> None:
    """Its own calls of ``singularity``: pull, execute, run, inspect, build, instances."""
    python = tool_folder("spython") / "python"
    lines = _run(peer, [str(python), "-W", "ignore", "-c", SPYTHON, f"docker://{tiny}", str(tmp_path)], tmp_path).stdout
    assert "hello" in lines and "run" in lines and "inside" in lines
    assert "/bin/busybox" in lines and "'runscript'" in lines and "'deffile'" in lines
    assert "['spy']" in lines and lines.rstrip().endswith("[]")


NEXTFLOW = """
set +u
env - PATH="$PATH" ${TMP:+SINGULARITYENV_TMP="$TMP"} ${TMPDIR:+SINGULARITYENV_TMPDIR="$TMPDIR"} \
  SINGULARITYENV_NXF_TASK_WORKDIR="$PWD" SINGULARITYENV_NXF_DEBUG="${NXF_DEBUG:=0}" HOME="$HOME" \
  singularity exec --no-home --pid -B FLOW -B /usr:/mnt:ro IMAGE /bin/sh -c "cd $PWD; /bin/sh .command.run"
"""
PEGASUS = """
singularity exec --no-home --bind $PWD:/srv --bind FLOW:FLOW IMAGE /srv/job.sh
"""


def test_the_lines_of_nextflow(peer: Wherry, tiny: str, tmp_path: Path) -> None:
    """Pulled as it does; tasks of one flow share a plan though each has a directory of its own."""
    store = {
        name: value for name, value in peer.environment.items() if name.startswith(("WHERRY", "XDG", "CONTAINERS"))
    }
    settings = " ".join(f"{name}='{value}'" for name, value in {**store, "WHERRY_EXPLAIN": "plan"}.items())
    _run(peer, ["sh", "-c", f"singularity pull --name tiny.img docker://{tiny} > /dev/null"], tmp_path)
    for task in ("one", "two", "three"):
        work = tmp_path / "work" / task
        work.mkdir(parents=True)
        (work / ".command.run").write_text("echo $NXF_TASK_WORKDIR $TMPDIR >result; ls /mnt >/dev/null\n")
        line = NEXTFLOW.replace("env - ", f"env - {settings} ").replace("FLOW", str(tmp_path / "work"))
        line = line.replace("IMAGE", str(tmp_path / "tiny.img"))
        done = _run(peer, ["bash", "-c", f"cd {work}; {line}"], tmp_path, TMPDIR="/tmp")
        assert (work / "result").read_text() == f"{work} /tmp\n"
        while task == "two" and "planning anew" in done.stderr:  # a young file's stamp is not trusted yet
            done = _run(peer, ["bash", "-c", f"cd {work}; {line}"], tmp_path, TMPDIR="/tmp")
    assert "planning anew" not in done.stderr


def test_the_line_of_pegasus(peer: Wherry, tiny: str, tmp_path: Path) -> None:
    """The job's directory is /srv, and the job script sets HOME there."""
    peer.ok("pull", "image.sif", f"docker://{tiny}", cwd=tmp_path)
    job = tmp_path / "job.sh"
    job.write_text("#!/bin/sh\nunset TEMP TMP TMPDIR\nexport HOME=/srv\ncd $HOME\necho done >of_job\n")
    job.chmod(0o755)
    line = PEGASUS.replace("FLOW", str(tmp_path)).replace("IMAGE", "image.sif")
    _run(peer, ["bash", "-c", line], tmp_path)
    assert (tmp_path / "of_job").read_text() == "done\n"
