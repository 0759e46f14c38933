"""Who asks for an environment of conda, and what its activation changes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from layers import Item, directory, file, stack, tar_of
from wherry.base.errors import NotFound
from wherry.build.conda import (
    Activation,
    EnvChanges,
    activation_command,
    activation_difference,
    activation_request,
    merged,
    needs_shell,
    plain_activation,
    read_answer,
)
from wherry.image import Tree

FIT = Activation("/opt/conda/envs/fit", "fit", "RUN")


def installed(folder: Path, *more: Item) -> Tree:
    """An image with conda in /opt/conda, and the environments base, fit and (by its path) /srv/env."""
    items = [
        file("opt/conda/conda-meta/history", b""),
        file("opt/conda/envs/fit/conda-meta/history", b""),
        file("srv/env/conda-meta/history", b""),
        *more,
    ]
    return Tree.of(stack([tar_of(items)], folder))


def asked(tree: Tree, *commands: Sequence[str], by: str = "", **config: Any) -> tuple[str, str] | None:
    found = activation_request(config, commands, tree, by)
    return (found.prefix, found.name) if found is not None else None


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"Shell": ["conda", "run", "-n", "fit", "/bin/bash", "-c"]}, ("/opt/conda/envs/fit", "fit")),
        (
            {"Shell": ["/opt/conda/bin/conda", "run", "--no-capture-output", "--name=fit", "sh", "-c"]},
            ("/opt/conda/envs/fit", "fit"),
        ),
        ({"Entrypoint": ["micromamba", "run", "-p", "/srv/env", "python"]}, ("/srv/env", "/srv/env")),
        ({"Env": ["CONDA_DEFAULT_ENV=fit"]}, ("/opt/conda/envs/fit", "fit")),
        ({"Env": ["CONDA_DEFAULT_ENV=base"]}, ("/opt/conda", "base")),
        ({"Labels": {"wherry.conda.env": "fit"}}, ("/opt/conda/envs/fit", "fit")),
        ({"Labels": {"wherry.conda.env": "none"}, "Env": ["CONDA_DEFAULT_ENV=fit"]}, None),
        ({"Shell": ["/bin/bash", "-c"]}, None),
        ({"Shell": ["conda", "run", "-n", "missing", "sh", "-c"]}, None),
        ({"Env": ["PATH=/opt/conda/bin:/bin"]}, None),
    ],
)
def test_an_instruction_asks(tmp_path: Path, config: dict[str, Any], wanted: tuple[str, str] | None) -> None:
    assert asked(installed(tmp_path), **config) == wanted


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("conda activate fit", "fit"),
        ("mamba env create -f x.yml && conda activate fit", "fit"),
        ("source activate fit", "fit"),
        (". /opt/conda/bin/activate fit ;", "fit"),
        ("conda activate", "base"),
        ("conda activate fit && pip install .", None),
        ("echo conda activate fit", None),
        (". /opt/venv/bin/activate && pip install x", None),
        ("conda activate nowhere", None),
        ("true", None),
    ],
)
def test_a_run_that_ends_with_its_activation_can_mean_only_what_comes_later(
    tmp_path: Path, command: str, wanted: str | None
) -> None:
    found = asked(installed(tmp_path), ("/bin/sh", "-c", command))
    assert (found[1] if found else None) == wanted


def test_the_last_run_counts(tmp_path: Path) -> None:
    tree = installed(tmp_path)
    assert asked(tree, ("sh", "-c", "conda activate base"), ("sh", "-c", "conda activate fit")) == (FIT.prefix, "fit")


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("root/.bashrc", b". /opt/conda/etc/profile.d/conda.sh\nconda activate fit\n", "fit"),
        ("etc/profile.d/x.sh", b"conda activate base\nconda activate fit\n", "fit"),
        ("root/.bashrc", b"# conda activate fit\n", None),
        ("root/.bashrc", b'micromamba activate "${ENV_NAME:-fit}"\n', "fit"),
        ("home/ada/.bashrc", b"conda activate fit\n", None),
    ],
)
def test_a_shell_s_start_file_asks(tmp_path: Path, path: str, text: bytes, wanted: str | None) -> None:
    found = asked(installed(tmp_path, file(path, text)))
    assert (found[1] if found else None) == wanted


def test_the_start_files_are_those_of_the_image_s_user(tmp_path: Path) -> None:
    accounts = file("etc/passwd", b"ada:x:1000:1000::/home/ada:/bin/sh\n")
    tree = installed(tmp_path, accounts, file("home/ada/.bashrc", b"conda activate fit\n"))
    assert asked(tree, User="ada:ada") == asked(tree, User="1000") == (FIT.prefix, "fit")


def test_the_command_line_wins_and_names_what_is_there(tmp_path: Path) -> None:
    tree = installed(tmp_path)
    assert asked(tree, by="/srv/env", Env=["CONDA_DEFAULT_ENV=fit"]) == ("/srv/env", "/srv/env")
    assert asked(tree, by="none", Env=["CONDA_DEFAULT_ENV=fit"]) is None
    with pytest.raises(
        NotFound, match="there is no environment 'fot' in the image, which --conda-env asks for"
    ) as raised:
        asked(tree, by="fot")
    assert "fit" in raised.value.why


def test_commands_and_files_made_to_take_long_take_no_time(tmp_path: Path) -> None:
    import time

    tree = installed(tmp_path, file("root/.bashrc", b"(" * 2_000_000 + b"\nconda activate fit\n" * 3))
    began = time.monotonic()
    assert asked(tree, ("sh", "-c", "(" * 50_000_000)) is None
    assert asked(tree, ("sh", "-c", "true && " * 100_000 + "conda activate fit")) == (FIT.prefix, "fit")
    assert time.monotonic() - began < 5


def test_an_environment_from_another_stage_needs_no_conda(tmp_path: Path) -> None:
    tree = Tree.of(stack([tar_of([file("env/conda-meta/history", b"")])], tmp_path))
    assert asked(tree, Env=["CONDA_DEFAULT_ENV=/env"]) == asked(tree, by="/env") == ("/env", "/env")
    assert asked(tree, Env=["PATH=/env/bin:/bin"]) is None


def test_an_image_without_conda_is_asked_nothing(tmp_path: Path) -> None:
    tree = Tree.of(stack([tar_of([file("root/.bashrc", b"conda activate fit\n")])], tmp_path))
    assert asked(tree) is None


def test_activation_puts_the_environment_first_and_says_which_it_is(tmp_path: Path) -> None:
    state = json.dumps({"env_vars": {"OMP_NUM_THREADS": "1", "GONE": "***unset***", "bad name": "x"}}).encode()
    tree = installed(
        tmp_path,
        file("opt/conda/envs/fit/conda-meta/state", state),
        file("opt/conda/envs/fit/etc/conda/env_vars.d/a.json", b'{"GDAL_DATA": "/opt/conda/envs/fit/share/gdal"}'),
        file("opt/conda/envs/fit/etc/conda/env_vars.d/broken.json", b"{"),
    )
    before = {"PATH": "/opt/conda/bin:/usr/bin:/bin", "GONE": "1", "LANG": "C"}
    after = plain_activation(FIT, tree, before)
    assert after == {
        "PATH": "/opt/conda/envs/fit/bin:/opt/conda/bin:/usr/bin:/bin",
        "CONDA_PREFIX": "/opt/conda/envs/fit",
        "CONDA_DEFAULT_ENV": "fit",
        "CONDA_SHLVL": "1",
        "OMP_NUM_THREADS": "1",
        "GDAL_DATA": "/opt/conda/envs/fit/share/gdal",
        "LANG": "C",
    }
    assert plain_activation(FIT, tree, after) == after, "twice is once"
    assert activation_difference(before, after).unset == ("GONE",)


def test_another_environment_that_was_active_makes_room(tmp_path: Path) -> None:
    before = {"PATH": "/srv/env/bin:/bin", "CONDA_PREFIX": "/srv/env", "CONDA_DEFAULT_ENV": "/srv/env"}
    after = plain_activation(FIT, installed(tmp_path), before)
    assert (after["PATH"], after["CONDA_PREFIX"]) == ("/opt/conda/envs/fit/bin:/bin", FIT.prefix)


def test_packages_scripts_are_read_by_a_shell(tmp_path: Path) -> None:
    scripts = tmp_path / "env/etc/conda/activate.d"
    scripts.mkdir(parents=True)
    (scripts / "b.sh").write_text('echo loud\nexport ORDER="${ORDER}b" DATA="$CONDA_PREFIX/share"\nunset OLD\n')
    (scripts / "a.sh").write_text("export ORDER=a\nexport LINES='two\nlines'\n")
    (scripts / "notes.txt").write_text("exit 1")
    prefix = str(tmp_path / "env")
    items = [directory(f"{prefix[1:]}/etc/conda/activate.d")]
    items += [file(f"{prefix[1:]}/etc/conda/activate.d/{name}", b"") for name in ("b.sh", "a.sh", "notes.txt")]
    tree = Tree.of(stack([tar_of([*items, file("bin/bash", b"")])], tmp_path / "image"))
    activation = Activation(prefix, prefix, "--conda-env")
    assert needs_shell(activation, tree)
    env = {"PATH": os.environ["PATH"], "OLD": "1", "STAYS": "=x"}
    command = activation_command(activation, tree, env)
    done = subprocess.run(command, env=env, capture_output=True, check=True)
    before, after = read_answer(done.stdout)
    assert done.stderr == b"loud\n"
    changes = activation_difference(before, after)
    assert dict(changes.set) == {
        "PATH": f"{prefix}/bin:{os.environ['PATH']}",
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix,
        "CONDA_SHLVL": "1",
        "ORDER": "ab",
        "DATA": f"{prefix}/share",
        "LINES": "two\nlines",
    }
    assert changes.unset == ("OLD",)


def test_an_answer_that_is_not_whole_is_none() -> None:
    assert read_answer(b"A=1\0") == ({}, {})
    assert read_answer(b"A=1\0wherry-activated\0A=1\0B=") == ({}, {})
    assert read_answer(b"A=1\0wherry-activated\0A=2\0") == ({"A": "1"}, {"A": "2"})


def test_the_image_s_variables_keep_their_places() -> None:
    changes = EnvChanges((("NEW", "n"), ("PATH", "/env/bin:/bin")), ("GONE",))
    assert merged(["LANG=C", "PATH=/bin", "GONE=1"], changes) == ["LANG=C", "PATH=/env/bin:/bin", "NEW=n"]
    assert activation_difference({"PWD": "/"}, {"PWD": "/x", "_": "env", "SHLVL": "1"}) == EnvChanges()
