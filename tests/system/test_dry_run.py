"""``--dry-run`` of every verb that changes something: it changes nothing, and names what the real run then does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_server import RegistryServer
from wherry.cli import catalogue
from wherry_command import Wherry

CHANGING = frozenset(catalogue.NAMES) - {
    *("images", "inspect", "history", "diff", "wait", "logs", "ps", "stats", "record", "df", "settings"),
    *("version", "completion", "doctor", "host", "lint"),
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, tiny: str, layered: str) -> Iterator[Wherry]:
    """Two images with three names, one of them for nobody; a container that runs and one that does not."""
    wherry = Wherry(tmp_path_factory.mktemp("full"))
    wherry.ok("pull", "-q", tiny, layered)
    wherry.ok("tag", tiny, "tiny")
    wherry.ok("tag", layered, "other/layered:1")
    wherry.ok("save", "-q", "-o", str(wherry.folder / "tiny.tar"), "tiny")
    wherry.ok("run", "--name", "done", "tiny", "sh", "-c", "mkdir /data; echo 12345 > /data/file")
    wherry.ok("run", "-d", "--name", "busy", "tiny", "sleep", "600")
    (wherry.folder / "udocker/repos").mkdir(parents=True)
    (wherry.folder / "context").mkdir()
    (wherry.folder / "context" / "Dockerfile").write_text("FROM tiny\nRUN echo made > /made\n")
    yield wherry
    wherry("rm", "-f", "busy", "done")


def snapshot(wherry: Wherry) -> dict[str, Any]:
    """All that a command could leave: names, kinds, sizes and times of files; but for caches of this boot (``run``)."""
    found: dict[str, Any] = {}
    for name in ("home", "store", "state", "config"):
        for folder, folders, files in os.walk(wherry.folder / name):
            folders[:] = [entry for entry in folders if entry != "scratch"]  # made when this machine is looked at
            for entry in (*folders, *files):
                path = os.path.join(folder, entry)
                status = os.lstat(path)
                content = () if entry in folders else (status.st_size, status.st_mtime_ns)
                found[path] = (status.st_mode, status.st_ino, *content)
    return found


def foreseen(wherry: Wherry, *words: str, **more: Any) -> list[dict[str, Any]]:
    """The changes that a dry run names, having made sure that it made none."""
    before = snapshot(wherry)
    told = wherry.ok(words[0], "--dry-run", "--format", "json", *words[1:], **more)
    assert snapshot(wherry) == before
    return [json.loads(line) for line in told.splitlines()]


def brief(changes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [(change["Action"], change["Kind"], change["Name"], change["Target"]) for change in changes]


LINES: dict[str, tuple[str, ...]] = {
    "run": ("--name", "new", "tiny", "true"),
    "create": ("--name", "new", "tiny", "true"),
    "shell": ("tiny",),
    "exec": ("busy", "true"),
    "start": ("done",),
    "build": ("-t", "new:1", "{folder}/context"),
    "commit": ("done", "new:1"),
    "pull": ("{layered}",),
    "push": ("{tiny}",),
    "load": ("-i", "{folder}/tiny.tar"),
    "save": ("-o", "{folder}/home/new.tar", "tiny"),
    "import": ("{folder}/home", "new:1"),
    "export": ("--bundle", "{folder}/home/new-bundle", "tiny"),
    "tag": ("tiny", "new:1"),
    "rmi": ("other/layered:1", "{layered}"),
    "prune": ("-a",),
    "rm": ("-f", "busy"),
    "stop": ("busy",),
    "kill": ("busy",),
    "rename": ("done", "new"),
    "cp": ("done:/data", "{folder}/home"),
    "login": ("127.0.0.1:1",),
    "logout": ("127.0.0.1:1",),
    "pack": ("tiny", "{folder}/home/new.sif"),
    "import-store": ("--from", "udocker", "{folder}/udocker"),
    "expose": ("--dir", "{folder}/home/new", "tiny", "true"),
    "shim": ("install", "--dir", "{folder}/home/new", "docker"),
}


def test_every_verb_that_changes_something_has_it() -> None:
    assert LINES.keys() == CHANGING
    for name in CHANGING:
        assert {"dry_run", "format"} <= {option.key for option in catalogue.load(name).options}


@pytest.mark.parametrize("form", [(), ("--format", "json")], ids=["table", "json"])
@pytest.mark.parametrize("verb", sorted(LINES))
def test_it_changes_nothing(full: Wherry, tiny: str, layered: str, verb: str, form: tuple[str, ...]) -> None:
    words = [word.format(tiny=tiny, layered=layered, folder=full.folder) for word in LINES[verb]]
    full.ok("version")
    before = snapshot(full)
    told = full.ok(verb, "--dry-run", *form, *words)
    assert snapshot(full) == before
    assert "busy" in full.ok("ps")
    if form:
        for line in told.splitlines():
            json.loads(line)
    else:
        assert told.strip()


def test_images_are_removed_as_foreseen_also_several_that_share(wherry: Wherry, tiny: str, layered: str) -> None:
    wherry.ok("pull", "-q", tiny, layered)
    wherry.ok("tag", layered, "again:1")
    told = foreseen(wherry, "rmi", layered, "again:1")
    names = [change["Name"] for change in told if change["Action"] == "untag"]
    images = [change["Digest"] for change in told if (change["Action"], change["Kind"]) == ("remove", "image")]
    layers = {change["Name"] for change in told if change["Kind"] == "layer"}
    free = [change["Bytes"] for change in told if change["Action"] == "free"]
    assert len(names) == 2 and len(images) == 1 and layers and free
    said = wherry.ok("rmi", layered, "again:1").splitlines()
    assert said == [f"untagged: {names[0]}", f"untagged: {names[1]}", f"deleted: {images[0]}"] + [
        f"deleted: layer {change['Name']}" for change in told if change["Kind"] == "layer"
    ]


def test_what_would_fail_fails_the_same_way(full: Wherry) -> None:
    for words in (
        ("rmi", "nothing:1"),
        ("rmi", "tiny", "tiny"),
        ("rm", "busy"),
        ("rm", "nobody"),
        ("stop", "nobody"),
        ("kill", "done"),
        ("kill", "-s", "NONSENSE", "busy"),
        ("rename", "done", "busy"),
        ("rename", "done", "?"),
        ("start", "busy"),
        ("exec", "done", "true"),
        ("tag", "nothing:1", "new:1"),
        ("push", "nothing:1"),
        ("save", "nothing:1"),
        ("load", "/etc/passwd"),
        ("cp", "done:/none", "/tmp"),
        ("run", "--name", "busy", "tiny", "true"),
    ):
        if words == ("rmi", "tiny", "tiny"):
            assert "no image 'tiny:latest'" in full("rmi", "--dry-run", "tiny", "tiny").stderr
            continue
        dry, real = full(words[0], "--dry-run", *words[1:]), full(*words)
        assert (dry.status, dry.stderr) == (real.status, real.stderr) == (125, real.stderr), words


def test_prune_removes_what_it_foresaw(wherry: Wherry, tiny: str, layered: str) -> None:
    wherry.ok("pull", "-q", tiny, layered)
    wherry.ok("tag", layered, tiny)  # the image of that name is left without one
    told = foreseen(wherry, "prune")
    assert [change["Action"] for change in told][-1] == "free"
    said = wherry.ok("prune", "-f")
    gone = [change for change in told if change["Action"] == "remove" and change["Kind"] in ("image", "layer")]
    assert len(gone) == said.count("deleted:") >= 1
    assert f"{told[-1]['Size']} freed" in said
    assert foreseen(wherry, "prune") == []
    assert wherry.ok("prune", "--dry-run") == "nothing would change\n"


def test_containers_end_and_go_as_foreseen(wherry: Wherry, tiny: str) -> None:
    wherry.ok("run", "-d", "--name", "one", "--stop-signal", "USR1", tiny, "sleep", "600")
    wherry.ok("run", "--name", "two", tiny, "sh", "-c", "head -c 100000 /dev/urandom > /tmp/../kept")
    assert brief(foreseen(wherry, "stop", "-t", "1", "one", "two")) == [
        ("stop", "container", "one", "SIGUSR1, SIGKILL after 1 s")
    ]
    assert brief(foreseen(wherry, "kill", "-s", "hup", "one")) == [("signal", "container", "one", "SIGHUP")]
    assert brief(foreseen(wherry, "rename", "two", "three")) == [("rename", "container", "two", "three")]
    wherry.ok("rename", "two", "three")
    told = foreseen(wherry, "rm", "-f", "one", "three", "nobody")
    assert [(change["Action"], change["Name"]) for change in told] == [
        ("stop", "one"),
        ("remove", "one"),
        ("remove", "three"),
    ]
    assert told[2]["Bytes"] >= 100000
    wherry.ok("rm", "-f", "one", "three", "nobody")
    assert wherry.ok("ps", "-aq") == ""


def test_a_tag_says_which_image_loses_the_name(wherry: Wherry, tiny: str, layered: str) -> None:
    wherry.ok("pull", "-q", tiny, layered)
    wherry.ok("tag", tiny, "name:1")
    assert foreseen(wherry, "tag", tiny, "name:1") == []
    told = foreseen(wherry, "tag", layered, "name:1")
    assert [(change["Action"], change["Target"]) for change in told] == [("untag", "name:1"), ("tag", "name:1")]
    wherry.ok("tag", layered, "name:1")
    assert wherry("inspect", "--format", "{{.RepoDigests}}", "name:1").status == 0
    held = wherry.ok("images", "--no-trunc", "--digests", "--format", "{{.Digest}}", "name")
    assert held.strip() == told[1]["Digest"]


def test_a_copy_says_where_it_goes_and_how_much(full: Wherry, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x" * 1000)
    for name in ("busy", "done"):
        told = foreseen(full, "cp", str(tmp_path / "mine"), f"{name}:/etc")
        assert [(change["Target"], change["Bytes"]) for change in told] == [(f"{name}:/etc/mine", 1000)]
    told = foreseen(full, "cp", "done:/data", str(tmp_path))
    assert brief(told) == [("copy", "directory", "done:/data", f"{tmp_path}/data")]
    assert told[0]["Bytes"] == 6 and not (tmp_path / "data").exists()
    told = foreseen(full, "cp", "busy:/bin/busybox", str(tmp_path / "b"))
    assert told[0]["Bytes"] == os.stat("/bin/busybox").st_size and told[0]["Target"] == f"{tmp_path}/b"


def test_archives_are_read_and_written_as_foreseen(full: Wherry, wherry: Wherry, tmp_path: Path) -> None:
    archive = str(full.folder / "tiny.tar")
    told = foreseen(wherry, "load", archive)
    assert [(change["Action"], change["Kind"]) for change in told] == [
        ("add", "layer"),
        ("add", "image"),
        ("tag", "image"),
    ]
    with open(archive, "rb") as file:
        assert foreseen(wherry, "load", stdin=file.read()) == told
    wherry.ok("load", "-q", archive)
    assert told[1]["Digest"] == wherry.ok("images", "--no-trunc", "--digests", "--format", "{{.Digest}}").strip()
    assert foreseen(wherry, "load", archive) == []
    target = tmp_path / "again.tar"
    told = foreseen(wherry, "save", "-o", str(target), "tiny")
    assert brief(told) == [("write", "file", str(target), "tiny")] and not target.exists()
    wherry.ok("save", "-q", "-o", str(target), "tiny")
    index = json.loads(subprocess.run(["tar", "-xOf", target, "index.json"], capture_output=True, check=True).stdout)
    assert told[0]["Digest"] == index["manifests"][0]["digest"]
    assert 0 <= target.stat().st_size - told[0]["Bytes"] < 20000
    assert foreseen(wherry, "save", "-o", str(target), "tiny")[0]["Action"] == "replace"


def test_a_push_sends_the_blobs_that_it_named(
    wherry: Wherry, registry: RegistryServer, pushed: Callable[..., str], layered: str
) -> None:
    wherry.ok("pull", "-q", layered)
    target = f"{registry.address}/foreseen/layered:1"
    wherry.ok("tag", layered, target)
    told = foreseen(wherry, "push", target)
    sent = [change["Digest"] for change in told if change["Action"] == "send"]
    assert len(sent) >= 2 and told[-1]["Action"] == "push"
    assert wherry.ok("push", "-q", target).strip() == told[-1]["Digest"]
    after = foreseen(wherry, "push", target)
    assert [change["Action"] for change in after] == ["push"]


def test_credentials_are_kept_and_forgotten_where_it_says(wherry: Wherry, registry: RegistryServer) -> None:
    kept = str(wherry.folder / "home" / ".docker" / "config.json")
    host = registry.address
    assert brief(foreseen(wherry, "login", host)) == [("keep", "credentials", host, kept)]
    assert not os.path.exists(kept)
    wherry.ok("login", "-u", "me", "-p", "secret", host)
    assert host in json.loads(Path(kept).read_text())["auths"]
    assert brief(foreseen(wherry, "logout", host)) == [("forget", "credentials", host, kept)]
    wherry.ok("logout", host)
    assert foreseen(wherry, "logout", host) == []


def test_a_start_and_an_exec_show_their_plans(full: Wherry) -> None:
    plan = json.loads(full.ok("exec", "--dry-run", "--format", "json", "-w", "/bin", "busy", "ls"))
    kinds = [operation["kind"] for operation in plan["operations"]]
    assert "JOIN" in kinds and "EXEC" in kinds
    assert "ls" in full.ok("exec", "--dry-run", "busy", "ls")
    plan = json.loads(full.ok("start", "--dry-run", "--format", "json", "done"))
    identity = full.ok("inspect", "--format", "{{.Id}}", "done").strip()
    assert identity in [operation.get("id") for operation in plan["operations"]]
