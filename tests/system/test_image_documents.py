"""What Wherry writes for others to read obeys the OCI image specification's own schemas, and other tools read it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from registry_server import RegistryServer
from wherry_command import Wherry


def complaints(schemas: Path, name: str, document: Any) -> list[str]:
    """What the schema ``name`` has against a document; its schemas refer to each other by file name."""

    def retrieve(uri: str) -> Resource[Any]:
        content = json.loads((schemas / "image-spec" / uri.rpartition("/")[2]).read_text())
        return Resource.from_contents(content, default_specification=DRAFT4)

    schema = json.loads((schemas / "image-spec" / name).read_text())
    validator = Draft4Validator(schema, registry=Registry(retrieve=retrieve))
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(document)]


def skopeo(what: list[str], reference: str) -> Any:
    command = ["skopeo", "inspect", *what, "--tls-verify=false", f"docker://{reference}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_a_pulled_and_pushed_image_is_a_valid_manifest_and_configuration(
    wherry: Wherry, registry: RegistryServer, pushed: Any, schemas: Path, form: str
) -> None:
    ours = f"{registry.address}/ours:{form}"
    wherry.ok("pull", "-q", pushed("layered", form))
    wherry.ok("tag", pushed("layered", form), ours)
    wherry.ok("push", "-q", ours)
    assert complaints(schemas, "image-manifest-schema.json", skopeo(["--raw"], ours)) == []
    assert complaints(schemas, "config-schema.json", skopeo(["--config", "--raw"], ours)) == []


def test_a_pushed_image_is_what_was_pulled_bit_by_bit(wherry: Wherry, registry: RegistryServer, layered: str) -> None:
    wherry.ok("pull", "-q", layered)
    wherry.ok("tag", layered, f"{registry.address}/same:1")
    wherry.ok("push", "-q", f"{registry.address}/same:1")
    assert skopeo(["--raw"], layered)["layers"] == skopeo(["--raw"], f"{registry.address}/same:1")["layers"]


def test_a_saved_image_is_read_by_other_tools(wherry: Wherry, layered: str, tmp_path: Path) -> None:
    wherry.ok("pull", "-q", layered)
    wherry.ok("save", "-q", "-o", str(tmp_path / "image.tar"), layered)
    command = ["skopeo", "inspect", "--config", f"docker-archive:{tmp_path / 'image.tar'}"]
    read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert read["rootfs"]["diff_ids"] == skopeo(["--config"], layered)["rootfs"]["diff_ids"]
