"""Bad words to the ``docker`` shim: a clear error, the peer's status, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

import images
from wherry_command import Wherry


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    wherry = Wherry(tmp_path_factory.mktemp("docker-hostile"))
    wherry.ok("tag", wherry.ok("load", "-q", str(images.image("tiny"))).strip(), "tiny")
    return wherry.named("docker")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--add-host", "a\n127.0.0.1 evil:1.2.3.4", "tiny", "true"),
        ("run", "--add-host", "a:not-an-address", "tiny", "true"),
        ("run", "--link", "a:b\nevil", "tiny", "true"),
        ("run", "--dns", "9.9.9.9\nsearch evil", "tiny", "true"),
        ("run", "-v", "x:/", "tiny", "true"),
        ("run", "-v", "/", "tiny", "true"),
        ("run", "-v", "vol:relative", "tiny", "true"),
        ("run", "-v", "vol:/a:b:c", "tiny", "true"),
        ("run", "--mount", "type=volume,source=../../x,target=/x", "tiny", "true"),
        ("run", "--mount", "type=volume", "tiny", "true"),
        ("run", "--mount", "", "tiny", "true"),
        ("run", "--cpuset-cpus", "9999", "tiny", "true"),
        ("run", "--cpuset-cpus", "a-b", "tiny", "true"),
        ("run", "--cpus", "1e300", "tiny", "true"),
        ("run", "--memory", "lots", "tiny", "true"),
        ("run", "--cap-add", "NOSUCH", "-u", "root", "tiny", "true"),
        ("run", "--device", "/dev/nosuch", "tiny", "true"),
        ("run", "--security-opt", "nosuch=1", "tiny", "true"),
        ("run", "--publish", "a:b", "tiny", "true"),
        ("run", "--pull", "sometimes", "tiny", "true"),
        ("run", "--stop-timeout", "soon", "tiny", "true"),
        ("run", "--label-file", "/nosuch", "tiny", "true"),
        ("run", "--env-file", "/nosuch", "tiny", "true"),
        ("run", "--volumes-from", "nosuch", "tiny", "true"),
        ("run", "--name", "../x", "tiny", "true"),
        ("run", "-u", "", "tiny", "true"),
        ("run", ""),
        ("run", "UPPER/case", "true"),
        ("run", "--platform", "plan9/vax", "tiny", "true"),
        ("volume", "create", "../x"),
        ("volume", "create", "-d", "nfs", "x1"),
        ("volume", "rm", "../.."),
        ("images", "--filter", "nosuch=1"),
        ("ps", "--filter", "nosuch=1"),
        ("ps", "--format", "{{.Nosuch"),
        ("inspect", "-f", "{{range}}", "tiny"),
        ("inspect", "--type", "nosuch", "tiny"),
        ("cp", "a", "b"),
        ("load", "-i", "/nosuch"),
        ("import", "/nosuch"),
        ("save", "nosuch"),
        ("nosuch",),
        ("-H", "tcp://example.org:2375", "ps"),
        ("--nosuch", "ps"),
        ("image", "nosuch"),
        ("logs",),
        ("exec", "tiny"),
    ],
    ids=repr,
)
def test_bad_words_end_in_a_clear_error(docker: Wherry, words: tuple[str, ...]) -> None:
    result = docker(*words)
    assert result.status in (1, 125), str(result)
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr
    assert "this is a bug" not in result.stderr
    assert docker.ok("ps", "-aq") == "", "a container is left"


def test_a_file_that_is_no_image_is_refused(docker: Wherry, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"\0" * 4096)
    for words in (("load", "-i", f"{tmp_path}/x.tar"), ("import", f"{tmp_path}/x.tar")):
        result = docker(*words)
        assert result.status == 1, str(result)
        assert "this is a bug" not in result.stderr


def test_a_volume_never_leads_elsewhere(docker: Wherry) -> None:
    """A name that would be a path is none."""
    docker("volume", "rm", "-f", *docker.ok("volume", "ls", "-q").split())
    docker("run", "--rm", "-v", "..:/x", "tiny", "true", cwd=docker.folder / "home")
    assert docker.ok("volume", "ls", "-q") == ""


def test_an_image_fills_a_volume_with_nothing_of_the_hosts(docker: Wherry, tmp_path: Path) -> None:
    """Links in the image are copied as links, a path through one is looked up in the image."""
    layer = images.Layer().directory("data").symlink("data/out", "/etc").symlink("way", "/etc").directory("etc")
    layer = layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    images.write_layout(tmp_path / "image", [layer.tar()], {}, base=images.image("tiny"))
    wherry = Wherry(docker.folder)
    wherry.ok("tag", wherry.ok("load", "-q", f"{tmp_path}/image").strip(), "links")
    docker.ok("run", "--rm", "-v", "links-1:/data", "-v", "links-2:/way", "links", "true")
    first = Path(docker.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "links-1").strip())
    assert (first / "out").is_symlink()
    second = Path(docker.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "links-2").strip())
    assert sorted(path.name for path in second.iterdir()) == ["group", "os-release", "passwd"]
    assert docker.ok("volume", "rm", "links-1", "links-2") == "links-1\nlinks-2\n"
