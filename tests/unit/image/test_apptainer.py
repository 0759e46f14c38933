"""What Apptainer's files of an image say, and those that are written for it: shells take nothing of them apart."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wherry.image.apptainer import FolderFiles, container_config, parse_labels, scaffold
from wherry.image.model import ContainerConfig

SHELLS = (("dash",), ("bash",), ("busybox", "sh"))
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)


def script(config: ContainerConfig, name: str, tmp_path: Path) -> Path:
    path = tmp_path / "script"
    path.write_bytes(scaffold(config, "amd64", "lab:1")[f".singularity.d/{name}"][1])
    return path


def run(shell: tuple[str, ...], *words: str, env: Mapping[str, str] | None = None) -> bytes:
    return subprocess.run(
        [*shell, *words], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin", **(env or {})}
    ).stdout


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entry=st.lists(WORDS, max_size=3), command=st.lists(WORDS, min_size=1, max_size=3))
def test_a_runscript_executes_the_images_words_as_they_are(
    shell: tuple[str, ...], tmp_path: Path, entry: list[str], command: list[str]
) -> None:
    config = ContainerConfig(entrypoint=("/usr/bin/printf", "%s\\0", *entry), cmd=tuple(command))
    path = str(script(config, "runscript", tmp_path))
    assert run(shell, path) == b"".join(word.encode() + b"\0" for word in (*entry, *command))
    assert run(shell, path, "one two", "$x") == b"".join(word.encode() + b"\0" for word in (*entry, "one two", "$x"))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=WORDS)
def test_variables_have_the_images_values_unless_the_user_says_otherwise(
    shell: tuple[str, ...], tmp_path: Path, value: str
) -> None:
    config = ContainerConfig(env=(f"VALUE={value}", "PATH=/image/bin", "odd-name=x"))
    path = script(config, "env/10-docker2singularity.sh", tmp_path)
    show = ("-c", f'. {path}; /usr/bin/printf "%s|%s" "$VALUE" "$PATH"')
    assert run(shell, *show) == f"{value}|/image/bin".encode()
    assert run(shell, *show, env={"VALUE": "mine", "PATH": "/usr/bin"}) == b"mine|/image/bin"


def test_an_image_without_words_gets_a_shell(tmp_path: Path) -> None:
    assert "/bin/sh" in script(ContainerConfig(), "runscript", tmp_path).read_text()


def test_labels_are_json() -> None:
    config = ContainerConfig(labels={"b": "ü", "a": "1"})
    data = scaffold(config, "arm64", "lab:1")[".singularity.d/labels.json"][1]
    assert json.loads(data) == {
        "a": "1",
        "b": "ü",
        "org.label-schema.schema-version": "1.0",
        "org.label-schema.build-arch": "arm64",
        "org.label-schema.usage.singularity.deffile.bootstrap": "docker",
        "org.label-schema.usage.singularity.deffile.from": "lab:1",
    }


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b'{"a": "b", "n": 1}', {"a": "b", "n": "1"}),
        (b'{"system-partition": {"a": "b"}}', {"a": "b"}),
        (b'{"a": {"b": "c"}, "d": "e"}', {"d": "e"}),
        (b"[1]", {}),
        (b"\xff\xfe", {}),
        (b"[" * 100_000, {}),
    ],
    ids=["flat", "of a partition", "nested", "a list", "no text", "too deep"],
)
def test_labels_of_others_are_read_as_far_as_they_are_some(data: bytes, labels: dict[str, str]) -> None:
    assert parse_labels(data) == labels


def test_links_of_a_directory_stay_in_it(tmp_path: Path) -> None:
    """A runscript or a file that is a link to the host's is none of the image's."""
    (tmp_path / "image/.singularity.d/env").mkdir(parents=True)
    (tmp_path / "secret").write_text('export SECRET="x"\n')
    (tmp_path / "image/.singularity.d/env/10-docker2singularity.sh").symlink_to(tmp_path / "secret")
    (tmp_path / "image/.singularity.d/runscript").symlink_to("/bin/sh")
    config = container_config(FolderFiles(str(tmp_path / "image")))
    assert config.env == ()
    assert config.cmd == ("/bin/sh",)
