"""An environment that a recipe activates is active in run, exec and shell, and by the image's variables anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wherry_command import Wherry

# No channel of conda can be reached by tests: the layout of an installation, as its documentation describes it.
RECIPE = """\
FROM tiny
RUN mkdir -p /opt/conda/conda-meta && \\
    for env in fit other; do mkdir -p /opt/conda/envs/$env/conda-meta /opt/conda/envs/$env/bin; done && \\
    printf '#!/bin/sh\\necho "$CONDA_DEFAULT_ENV $PROJ_DATA $THREADS"\\n' >/opt/conda/envs/fit/bin/fit && \\
    chmod +x /opt/conda/envs/fit/bin/fit && \\
    echo '{"env_vars": {"THREADS": "1"}}' >/opt/conda/envs/fit/conda-meta/state
RUN mkdir -p /opt/conda/envs/fit/etc/conda/activate.d && \\
    echo 'export PROJ_DATA=$CONDA_PREFIX/share/proj; touch /opt/trace' >/opt/conda/envs/fit/etc/conda/activate.d/proj.sh
"""
SAYS = "fit /opt/conda/envs/fit/share/proj 1\n"


@pytest.fixture
def made(wherry: Wherry, tiny: str, tmp_path: Path) -> Wherry:
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    (tmp_path / "context").mkdir()
    return wherry


def build(wherry: Wherry, tmp_path: Path, more: str = "", *options: str) -> str:
    (tmp_path / "context/Dockerfile").write_text(RECIPE + more)
    return wherry.ok("build", "-q", "-t", "made", *options, str(tmp_path / "context"))


@pytest.mark.parametrize(
    "more",
    [
        'RUN echo "conda activate fit" >>/root/.bashrc\n',
        'SHELL ["conda", "run", "-n", "fit", "/bin/sh", "-c"]\n',
        "ENV CONDA_DEFAULT_ENV=fit\n",
        "LABEL wherry.conda.env=fit\n",
    ],
)
def test_what_the_recipe_activates_is_active_in_run_exec_and_shell(made: Wherry, tmp_path: Path, more: str) -> None:
    build(made, tmp_path, more)
    assert made.ok("run", "made", "fit") == SAYS
    assert made.ok("shell", "made", stdin="fit\n").endswith(SAYS)
    made.ok("run", "-d", "--name", "stays", "made", "sleep", "60")
    assert made.ok("exec", "stays", "fit") == SAYS
    made.ok("rm", "-f", "stays")


def test_scripts_are_asked_under_proot_too(made: Wherry, tmp_path: Path) -> None:
    build(made, tmp_path, "ENV CONDA_DEFAULT_ENV=fit\n", "--owners", "proot")
    assert made.ok("run", "made", "fit") == SAYS
    assert made("run", "made", "ls", "/opt/trace").status != 0


def test_other_engines_find_it_in_the_configuration(made: Wherry, tmp_path: Path) -> None:
    build(made, tmp_path, "ENV CONDA_DEFAULT_ENV=fit\n")
    config = json.loads(made.ok("inspect", "made", "--format", "{{json .Config}}"))
    env = dict(pair.split("=", 1) for pair in config["Env"])
    assert env["PATH"].startswith("/opt/conda/envs/fit/bin:")
    assert (env["CONDA_PREFIX"], env["PROJ_DATA"]) == ("/opt/conda/envs/fit", "/opt/conda/envs/fit/share/proj")
    assert config["Labels"]["wherry.conda.env"] == "/opt/conda/envs/fit"
    assert made("run", "made", "ls", "/opt/trace").status != 0, "what activation writes does not stay"


def test_the_command_line_chooses_and_refuses(made: Wherry, tmp_path: Path) -> None:
    build(made, tmp_path, "ENV CONDA_DEFAULT_ENV=fit\n", "--conda-env", "other")
    assert made.ok("run", "made", "sh", "-c", "echo $CONDA_DEFAULT_ENV").strip() == "other"
    build(made, tmp_path, "ENV CONDA_DEFAULT_ENV=fit\n", "--conda-env", "none")
    assert made.ok("run", "made", "sh", "-c", "echo $CONDA_PREFIX").strip() == ""
    refused = made("build", "-q", "--conda-env", "fot", str(tmp_path / "context"))
    assert refused.status == 125
    assert "there is no environment 'fot' in the image, which --conda-env asks for: it has fit, other" in refused.stderr


def test_scripts_that_fail_leave_the_rest_of_the_activation(made: Wherry, tmp_path: Path) -> None:
    script = "RUN echo 'exit 3' >/opt/conda/envs/fit/etc/conda/activate.d/a.sh\nENV CONDA_DEFAULT_ENV=fit\n"
    (tmp_path / "context/Dockerfile").write_text(RECIPE + script)
    result = made("build", "-t", "made", str(tmp_path / "context"))
    assert result.status == 0, str(result)
    assert "the scripts of the environment 'fit' failed" in result.stderr
    assert made.ok("run", "made", "fit") == "fit  1\n"


def test_scripts_are_asked_once_for_the_same_files_and_variables(made: Wherry, tmp_path: Path) -> None:
    by_chance = (
        "RUN echo 'export CHANCE=$(cat /proc/sys/kernel/random/uuid)' >/opt/conda/envs/fit/etc/conda/activate.d/a.sh\n"
    )

    def chance(more: str = "", *options: str) -> str:
        build(made, tmp_path, f"{by_chance}ENV CONDA_DEFAULT_ENV=fit\n{more}", *options)
        return made.ok("run", "made", "sh", "-c", "echo $CHANCE")

    first = chance()
    assert len(first) == 37
    assert chance("LABEL a=b\n") == first
    assert chance('CMD ["fit"]\n') == first
    assert chance("ENV NEW=x\n") != first
    assert chance("RUN touch /new\n") != first
    again = chance("", "--no-cache")
    assert again != first
    assert chance() == again


def test_check_compares_the_variables_that_scripts_give(made: Wherry, tmp_path: Path) -> None:
    script = (
        "RUN echo 'export WHICH=$(cat /proc/sys/kernel/random/uuid)' >/opt/conda/envs/fit/etc/conda/activate.d/a.sh\n"
    )
    (tmp_path / "context/Dockerfile").write_text(RECIPE + script + "ENV CONDA_DEFAULT_ENV=fit\n")
    result = made("build", "-q", "--check", str(tmp_path / "context"))
    assert result.status == 1, str(result)
    assert "in the configuration:\n  config.Env." in result.stdout
    assert "WHICH=" in result.stdout
