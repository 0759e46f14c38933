"""Environments that real programs make from a channel, active wherever the image runs: ``conda`` itself, and rattler.

No public channel can be reached by tests: theirs is a folder (``tests/conda_channel.py``). The newest conda that the
Python package index has is of 2017; what Python has taken away since is given back to it. Rattler is what pixi and
today's conda solve, install and activate with.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from conda_channel import write_channel
from engines import ENGINES, Declared
from runtimes import path_for
from wherry_command import Wherry

_GIVEN_BACK = """
import collections, collections.abc, platform
vars(collections).update((name, getattr(collections.abc, name)) for name in collections.abc.__all__)
platform.linux_distribution = lambda: ("debian", "12", "")
"""

_RATTLER = """
import asyncio, sys
from rattler import install, solve
from rattler.shell import ActivationVariables, Shell, activate
prefix = sys.argv[1]
async def main():
    records = await solve(["file:///channel"], sys.argv[2:], platforms=["linux-64", "noarch"])
    await install(records, prefix, show_progress=False)
asyncio.run(main())
open("/activate.sh", "w").write(activate(prefix, ActivationVariables(), Shell.bash, "linux-64").script)
"""

_PROGRAMS = """
FROM debian:12
RUN apt-get update && apt-get install -y --no-install-recommends python3-cytoolz python3-pip python3-pycosat \\
        python3-requests python3-ruamel.yaml python3-setuptools python3-venv python3-wheel \\
    && rm -rf /var/lib/apt/lists/*
COPY channel /channel
COPY given_back.py environment.yml /
RUN python3 -m venv --system-site-packages /opt/conda && cd /opt/conda/lib/python3*/site-packages \\
    && mv /given_back.py . && echo 'import given_back' >names.pth \\
    && /opt/conda/bin/pip install --no-cache-dir --no-deps --no-build-isolation conda==4.3.16 \\
    && printf '#!/bin/sh\\nexec /opt/conda/bin/python -m conda "$@"\\n' >/opt/conda/bin/conda \\
    && printf '#!/opt/conda/bin/python\\nfrom conda_env.cli.main import main\\nmain()\\n' >/opt/conda/bin/conda-env \\
    && chmod +x /opt/conda/bin/conda* && mkdir /opt/conda/conda-meta && touch /opt/conda/conda-meta/history \\
    && printf 'channels: ["file:///channel"]\\ndefault_channels: ["file:///channel"]\\n' >/opt/conda/.condarc
ENV PATH=/opt/conda/bin:$PATH
"""

_CONDA = """
FROM programs
RUN conda create --yes --name fit fit
RUN conda env create --file /environment.yml
"""

_WAYS = {
    "as in a shell": ('RUN echo "source activate fit" >>/root/.bashrc\n', "fit"),
    "as a variable": ("ENV CONDA_DEFAULT_ENV=fit\n", "fit"),
    "as a label": ("LABEL wherry.conda.env=orbits\n", "orbits"),
}


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wherry]:
    """The command in a store that has the image ``programs``."""
    wherry = Wherry(tmp_path_factory.mktemp("conda"))
    wherry = Wherry(
        wherry.folder, {"PATH": path_for(wherry.folder / "runtimes", wherry.environment["PATH"], "/usr/bin/crun")}
    )
    wherry.ok("tag", wherry.ok("load", "-q", f"oci:{images.image('small')}").split()[-1], "debian:12")
    context = wherry.folder / "context"
    context.mkdir()
    write_channel(context / "channel")
    (context / "given_back.py").write_text(_GIVEN_BACK)
    (context / "rattled.py").write_text(_RATTLER)
    (context / "environment.yml").write_text("name: orbits\ndependencies: [fit]\n")
    build(wherry, "programs", _PROGRAMS)
    yield wherry


def build(builder: Wherry, name: str, recipe: str, *more: str) -> None:
    context: Path = builder.folder / "context"
    (context / "Dockerfile").write_text(recipe)
    result = builder("build", "--progress", "plain", "-t", name, *more, str(context), timeout=280)
    assert result.status == 0, str(result)


@pytest.mark.parametrize("way", _WAYS)
def test_an_environment_that_conda_made_is_active_in_run_exec_and_shell(builder: Wherry, way: str) -> None:
    said, env = _WAYS[way]
    build(builder, "active", _CONDA + said)
    says = f"{env} /opt/conda/envs/{env}/share/proj 4 places\n"
    assert builder.ok("run", "active", "fit") == says
    assert builder.ok("shell", "active", stdin="fit\n").endswith(says)
    builder.ok("run", "-d", "--name", "stays", "active", "sleep", "60")
    try:
        assert builder.ok("exec", "stays", "fit") == says
    finally:
        builder.ok("rm", "-f", "stays")


def test_conda_makes_the_same_bytes_again(builder: Wherry) -> None:
    build(builder, "active", _CONDA + _WAYS["as a variable"][0])
    result = builder("build", "-q", "--check", str(builder.folder / "context"))
    assert result.status == 0, str(result)


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.is_here()], ids=lambda engine: engine.name)
def test_it_is_active_in_every_engine(builder: Wherry, engine: Declared) -> None:
    build(builder, "active", _CONDA + _WAYS["as a variable"][0])
    told = builder.ok("run", "--engine", engine.name, "active", "fit")
    assert told == "fit /opt/conda/envs/fit/share/proj 4 places\n"


def test_activation_gives_the_variables_that_rattler_gives(builder: Wherry) -> None:
    prefix = "/opt/conda/envs/rattled"
    recipe = f"""
FROM programs
COPY rattled.py /
RUN python3 -m venv /opt/rattler && /opt/rattler/bin/pip install --no-cache-dir py-rattler
RUN /opt/rattler/bin/python /rattled.py {prefix} fit
ENV PROJ_LIB=/usr/share/proj
"""
    build(builder, "rattled", recipe, "--conda-env", "none")
    build(builder, "activated", recipe, "--conda-env", "rattled")
    variables = "env -0 | sort -z | tr '\\0' '\\n'"
    theirs = builder.ok("run", "rattled", "bash", "-c", f". /activate.sh; {variables}").splitlines()
    ours = builder.ok("run", "activated", "bash", "-c", variables).splitlines()
    assert f"CONDA_PREFIX={prefix}" in ours and "PROJ_NETWORK=OFF" in ours and "THREADS=4" in ours
    assert not [pair for pair in ours if pair.startswith("PROJ_LIB=")]
    assert _compared(ours) == _compared(theirs)


def _compared(pairs: list[str]) -> dict[str, str]:
    """Without a shell's own, and a folder of the search path once."""
    found = dict(pair.split("=", 1) for pair in pairs)
    found["PATH"] = ":".join(dict.fromkeys(found["PATH"].split(":")))
    return {name: value for name, value in found.items() if name not in ("_", "SHLVL", "HOSTNAME", "CONDA_DEFAULT_ENV")}
