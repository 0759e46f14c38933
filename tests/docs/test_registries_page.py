"""The how-to page on registries shows settings that are accepted and commands that are understood."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from wherry.base import settings
from wherry.base.outside import Outside

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/registries.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_setting_shown_is_accepted(block: str, tmp_path: Path) -> None:
    folder = tmp_path / "wherry"
    folder.mkdir()
    (folder / "wherry.toml").write_text(block)
    outside = Outside(
        {"HOME": "/nonexistent", "XDG_CONFIG_HOME": str(tmp_path), "WHERRY_SITE_SETTINGS": "/nonexistent"}
    )
    loaded = settings.load(outside)
    for host, table in tomllib.loads(block)["registry"].items():
        for key in table:
            assert loaded.has(f"registry.{host}.{key}")


def test_there_are_settings_and_commands_on_the_page() -> None:
    assert len(BLOCKS) >= 4
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_is_understood(line: str) -> None:
    from wherry.cli import catalogue, parse

    words = shlex.split(line.partition(" < ")[0])
    assert words[0] == "wherry"
    parse.parse(catalogue.load(words[1]), words[2:])
