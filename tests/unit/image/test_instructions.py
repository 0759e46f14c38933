"""Dockerfile instructions that change an image's configuration."""

from __future__ import annotations

import pytest

from wherry.base.errors import UsageError
from wherry.image.instructions import changed_config

BASE: dict[str, object] = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["/bin/sh"], "WorkingDir": "/srv"}


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ('CMD ["a", "b c"]', "Cmd", ["a", "b c"]),
        ("cmd echo $HOME", "Cmd", ["/bin/sh", "-c", "echo $HOME"]),
        ('ENTRYPOINT ["/run"]', "Entrypoint", ["/run"]),
        (
            'ENV A=2 B=\'two words\' C="q \\"x\\"" D=a\\ b',
            "Env",
            ["PATH=/bin", "A=2", "B=two words", 'C=q "x"', "D=a b"],
        ),
        ("ENV B two words", "Env", ["PATH=/bin", "A=1", "B two words".replace(" ", "=", 1)]),
        ('LABEL a=1 "b.c"="d e"', "Labels", {"a": "1", "b.c": "d e"}),
        ("EXPOSE 80 53/udp 1-9", "ExposedPorts", {"80/tcp": {}, "53/udp": {}, "1-9/tcp": {}}),
        ('VOLUME ["/data", "/more"]', "Volumes", {"/data": {}, "/more": {}}),
        ("VOLUME /data /more", "Volumes", {"/data": {}, "/more": {}}),
        ("WORKDIR /a", "WorkingDir", "/a"),
        ("WORKDIR sub", "WorkingDir", "/srv/sub"),
        ("USER 1000:10", "User", "1000:10"),
        ("STOPSIGNAL INT", "StopSignal", "INT"),
    ],
)
def test_an_instruction_changes_its_field(line: str, key: str, expected: object) -> None:
    assert changed_config(BASE, (line,))[key] == expected
    assert BASE["Env"] == ["PATH=/bin", "A=1"]


def test_an_entry_point_forgets_the_command_before_it_only() -> None:
    assert "Cmd" not in changed_config(BASE, ('ENTRYPOINT ["x"]',))
    assert changed_config(BASE, ('ENTRYPOINT ["x"]', 'CMD ["y"]'))["Cmd"] == ["y"]


def test_instructions_add_up() -> None:
    found = changed_config({}, ("LABEL a=1", "LABEL b=2", "EXPOSE 1", "EXPOSE 2"))
    assert found == {"Labels": {"a": "1", "b": "2"}, "ExposedPorts": {"1/tcp": {}, "2/tcp": {}}}


@pytest.mark.parametrize(
    "line", ["RUN make", "FROM x", "CMD", 'CMD ["a"', "ENV A", "ENV A=1 B", 'ENV A="x', "EXPOSE http", "LABEL x", ""]
)
def test_what_cannot_be_done_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        changed_config({}, (line,))
