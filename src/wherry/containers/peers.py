"""The programs whose command lines Wherry also speaks, and the module of ``wherry.shims`` that does so."""

from __future__ import annotations

__all__ = ["PEERS"]

PEERS = {
    "docker": "docker",
    "podman": "docker",
    "udocker": "udocker",
    "singularity": "singularity",
    "apptainer": "singularity",
    "run-singularity": "singularity",
    "ch-run": "charliecloud",
    "ch-image": "charliecloud",
    "ch-convert": "charliecloud",
}
