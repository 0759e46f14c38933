"""What starts parallel programs here: the batch system, and the MPI that the search path leads to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wherry.host.facts import Batch, Mpi
from wherry.host.programs import find_in_path
from wherry.host.switches import read_text

__all__ = ["find_batch", "find_mpi", "identify_mpi"]

_PATIENCE = 5.0
_JOBS = (("slurm", "SLURM_JOB_ID"), ("pbs", "PBS_JOBID"), ("lsf", "LSB_JOBID"))
_SUBMITTERS = (("slurm", "sbatch"), ("htcondor", "condor_submit"), ("lsf", "bsub"))
_FAMILIES = (
    ("intel", r"Intel\(R\) MPI Library.*?Version (\S+)"),
    ("openmpi", r"Open MPI\)? (\S+)"),
    ("mvapich", r"MVAPICH\S*\s+[Vv]ersion:?\s+(\S+)"),
    ("mpich", r"HYDRA build details:.*?Version:\s+(\S+)"),
    ("mpich", r"MPICH\s+[Vv]ersion:?\s+(\S+)"),
)


def find_batch(environ: Mapping[str, str]) -> Batch:
    """The batch system whose job we are in, else the one to which jobs can be submitted from here."""
    system, job = _job(environ)
    for name, program in _SUBMITTERS:
        path = find_in_path(program)
        if path and system in ("", name):
            return Batch(name, job, path)
    qsub = find_in_path("qsub")
    if qsub and system in ("", "pbs", "sge"):  # two systems have a program of this name
        grid = environ.get("SGE_ROOT") or find_in_path("qconf")
        return Batch(system or ("sge" if grid else "pbs"), job, qsub)
    return Batch(system, job)


def _job(environ: Mapping[str, str]) -> tuple[str, str]:
    for system, name in _JOBS:
        if environ.get(name):
            return system, environ[name]
    if environ.get("JOB_ID") and (environ.get("SGE_ROOT") or environ.get("SGE_TASK_ID")):
        return "sge", environ["JOB_ID"]
    advertisement = environ.get("_CONDOR_JOB_AD")
    if advertisement:
        text = read_text(advertisement)
        found = [re.search(rf"^{name} = (\d+)$", text, re.MULTILINE) for name in ("ClusterId", "ProcId")]
        numbers = [match.group(1) for match in found if match]
        return "htcondor", ".".join(numbers) or "unknown"
    return "", ""


def find_mpi() -> tuple[Mpi, ...]:
    """The launchers ``mpirun`` and ``mpiexec``, each once, with what they say of themselves."""
    found: dict[str, Mpi] = {}
    for name in ("mpirun", "mpiexec"):
        path = find_in_path(name)
        if path and os.path.realpath(path) not in found:
            kind, version = identify_mpi(_version(path))
            found[os.path.realpath(path)] = Mpi(kind, version, path)
    return tuple(found.values())


def identify_mpi(text: str) -> tuple[str, str]:
    """Kind and version from the output of ``mpirun --version``."""
    for kind, pattern in _FAMILIES:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return kind, match.group(1)
    return "unknown", ""


def _version(path: str) -> str:
    import subprocess

    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")
