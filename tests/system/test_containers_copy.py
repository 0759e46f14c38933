"""``wherry cp``: into and out of containers, running and stopped, and never anywhere else."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until
from wherry_command import Wherry


@pytest.fixture(params=["running", "stopped"])
def box(request: pytest.FixtureRequest, seeded: Wherry) -> Iterator[Wherry]:
    """The seeded command with a container ``box`` that holds a few things."""
    script = (
        "mkdir -p /data/sub /data/locked; echo one > /data/one; echo two > /data/sub/two; "
        "ln -s sub/two /data/link; ln -s /etc /data/etc; chmod 640 /data/one; touch -t 202001020304.05 /data/one; "
        "rm /etc/os-release; rm -r /usr; echo ready; "
    )
    seeded("rm", "-f", "box")
    if request.param == "running":
        seeded.ok("run", "-d", "--name", "box", "tiny", "sh", "-c", f"{script} sleep 600")
        while "ready" not in seeded.ok("logs", "box"):
            pass
    else:
        seeded.ok("run", "--name", "box", "tiny", "sh", "-c", script)
    yield seeded
    seeded.ok("rm", "-f", "box")


def inside(box: Wherry, path: str, tmp_path: Path) -> Path:
    """What the container has at ``path``, copied out."""
    target = tmp_path / f"seen{len(list(tmp_path.iterdir()))}"
    box.ok("cp", f"box:{path}", str(target))
    return target


def test_a_file_comes_out_with_mode_and_time(box: Wherry, tmp_path: Path) -> None:
    box.ok("cp", "box:/data/one", str(tmp_path))
    found = tmp_path / "one"
    assert found.read_text() == "one\n"
    assert found.stat().st_mode & 0o777 == 0o640
    assert found.stat().st_uid == os.getuid()
    assert abs(found.stat().st_mtime - 1577934245) < 86400


def test_a_file_goes_to_the_name_given(box: Wherry, tmp_path: Path) -> None:
    box.ok("cp", "box:/data/one", str(tmp_path / "renamed"))
    assert (tmp_path / "renamed").read_text() == "one\n"


def test_a_directory_comes_out_whole_with_links_as_links(box: Wherry, tmp_path: Path) -> None:
    box.ok("cp", "box:/data", str(tmp_path))
    assert (tmp_path / "data" / "sub" / "two").read_text() == "two\n"
    assert os.readlink(tmp_path / "data" / "link") == "sub/two"
    assert os.readlink(tmp_path / "data" / "etc") == "/etc"


def test_a_directory_with_a_dot_gives_its_content(box: Wherry, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    box.ok("cp", "box:/data/.", str(tmp_path / "there"))
    assert (tmp_path / "there" / "one").exists()


def test_a_link_as_the_source_is_copied_as_a_link_and_followed_with_a_slash(box: Wherry, tmp_path: Path) -> None:
    box.ok("cp", "box:/data/etc", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    box.ok("cp", "box:/data/etc/", str(tmp_path / "folder"))
    assert (tmp_path / "folder").is_dir()
    assert not (tmp_path / "folder").is_symlink()


def test_what_the_container_removed_is_not_there(box: Wherry, tmp_path: Path) -> None:
    result = box("cp", "box:/etc/os-release", str(tmp_path))
    assert result.status == 125
    assert "/etc/os-release" in result.stderr
    assert not list(tmp_path.iterdir())


def test_files_of_the_image_come_out(box: Wherry, tmp_path: Path) -> None:
    box.ok("cp", "box:/bin/busybox", str(tmp_path))
    assert (tmp_path / "busybox").read_bytes() == Path("/bin/busybox").read_bytes()


def test_a_file_goes_in(box: Wherry, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "mine").chmod(0o750)
    box.ok("cp", str(tmp_path / "mine"), "box:/data/")
    back = inside(box, "/data/mine", tmp_path)
    assert back.read_text() == "mine"
    assert back.stat().st_mode & 0o777 == 0o750


def test_a_file_replaces_another_and_one_of_the_image(box: Wherry, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    box.ok("cp", str(tmp_path / "new"), "box:/data/one")
    assert inside(box, "/data/one", tmp_path).read_text() == "new"
    box.ok("cp", str(tmp_path / "new"), "box:/bin/ls")
    assert inside(box, "/bin/ls", tmp_path).read_text() == "new"


def test_a_directory_goes_in_beside_and_into_what_is_there(box: Wherry, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "more").write_text("more")
    box.ok("cp", str(source), "box:/data")
    assert inside(box, "/data/source/sub/more", tmp_path).read_text() == "more"
    box.ok("cp", f"{source}/.", "box:/data")
    assert inside(box, "/data/sub/more", tmp_path).read_text() == "more"
    assert inside(box, "/data/sub/two", tmp_path).read_text() == "two\n"


def test_a_removed_directory_that_is_copied_in_again_hides_what_was_in_it(box: Wherry, tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "mine").write_text("x")
    box.ok("cp", str(tmp_path / "usr"), "box:/")
    assert sorted(path.name for path in inside(box, "/usr", tmp_path).iterdir()) == ["mine"]


def test_a_link_inside_leads_inside(box: Wherry, tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("x")
    box.ok("cp", str(tmp_path / "canary"), "box:/data/etc/")
    assert inside(box, "/etc/canary", tmp_path).read_text() == "x"
    assert not Path("/etc/canary").exists()


def test_an_empty_and_a_large_file_and_a_strange_name_survive(box: Wherry, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "empty").touch()
    (source / "large").write_bytes(os.urandom(5_000_001))
    strange = os.fsencode(source) + b"/\xff\nname"
    with open(strange, "wb") as file:
        file.write(b"strange")
    box.ok("cp", str(source), "box:/data/")
    back = inside(box, "/data/source", tmp_path)
    assert (back / "large").read_bytes() == (source / "large").read_bytes()
    assert (back / "empty").read_bytes() == b""
    assert os.listdir(os.fsencode(back)).count(b"\xff\nname") == 1


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("box:/data/one", "box:/data/x", "both are in a container"),
        ("/etc/hostname", "/tmp/x", "neither is in a container"),
        ("box:/none", "/tmp", "/none"),
        ("/none", "box:/tmp", "/none"),
        ("box:/data", "/etc/hostname", "it is a file"),
        ("/etc/hostname", "box:/no/such/", "/no/such/"),
        ("/etc/hostname", "box:/no/such/folder", "/no/such"),
        ("nobox:/x", "/tmp", "nobox"),
        ("box:", "/tmp", "CONTAINER:PATH"),
    ],
)
def test_what_cannot_be_copied_is_said(box: Wherry, source: str, target: str, words: str) -> None:
    result = box("cp", source, target)
    assert result.status == 125
    assert words in result.stderr


def test_a_container_is_called_by_its_new_name(box: Wherry, tmp_path: Path) -> None:
    box.ok("rename", "box", "case")
    try:
        for words in (("cp", "case:/nowhere", str(tmp_path)), ("cp", "--dry-run", "case:/nowhere", str(tmp_path))):
            said = box(*words).stderr
            assert "'case'" in said and "'box'" not in said
    finally:
        box.ok("rename", "case", "box")


def test_bind_mounts_of_a_running_container_are_seen(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    seeded.ok("run", "-d", "--name", "bound", "-v", f"{tmp_path}/shared:/shared", "tiny", "sleep", "60")
    try:
        (tmp_path / "x").write_text("x")
        seeded.ok("cp", str(tmp_path / "x"), "bound:/shared/")
        assert (tmp_path / "shared" / "x").read_text() == "x"
    finally:
        seeded.ok("rm", "-f", "bound")


def test_a_created_container_takes_files_before_its_first_start(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("prepared\n")
    seeded.ok("create", "--name", "fresh", "tiny", "cat", "/in/input")
    try:
        (tmp_path / "in").mkdir()
        (tmp_path / "input").rename(tmp_path / "in" / "input")
        seeded.ok("cp", str(tmp_path / "in"), "fresh:/")
        assert seeded.ok("start", "-a", "fresh") == "prepared\n"
    finally:
        seeded.ok("rm", "-f", "fresh")


def test_a_source_that_may_not_be_read_is_named_and_leaves_nothing(box: Wherry, tmp_path: Path) -> None:
    source = tmp_path / "un"
    source.mkdir()
    (source / "a").write_text("a\n")
    (source / "b").write_text("b\n")
    (source / "b").chmod(0)
    result = box("cp", str(source), "box:/data")
    assert result.status == 125
    assert f"cannot copy '{source}/b'" in result.stderr
    assert "the copy was cut" not in result.stderr
    assert box("cp", "box:/data/un", str(tmp_path / "out")).status == 125


@pytest.mark.parametrize("script", ["sleep 600", "true"])
def test_a_file_that_the_container_closed_comes_out_as_it_is(seeded: Wherry, tmp_path: Path, script: str) -> None:
    closing = f"echo x > /closed; chmod 0 /closed; echo ready; {script}"
    seeded.ok("run", "-d", "--name", "closing", "tiny", "sh", "-c", closing)
    until(lambda: "ready" in seeded.ok("logs", "closing"))
    if script == "true":
        seeded.ok("wait", "closing")
    try:
        for target in ("one", "two"):
            seeded.ok("cp", "closing:/closed", str(tmp_path / target))
            assert (tmp_path / target).stat().st_mode & 0o777 == 0
            (tmp_path / target).chmod(0o600)
            assert (tmp_path / target).read_text() == "x\n"
    finally:
        seeded.ok("rm", "-f", "closing")


def test_a_pipe_is_refused_with_what_it_is(box: Wherry, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = box("cp", str(tmp_path / "pipe"), "box:/data")
    assert result.status == 125
    assert "it is a pipe" in result.stderr


def archive(*members: tuple[str, object], compressed: str = "") -> bytes:
    """A tar with these members: bytes are a file's content, None a directory, ``->x`` a link, ``=x`` a hard link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compressed}") as made:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.mode = 0o755 if content is None else 0o640
            header.mtime = 1577934245
            if content is None:
                header.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                header.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                header.linkname = content.lstrip("->=")
            data = content if isinstance(content, bytes) else b""
            header.size = len(data)
            made.addfile(header, io.BytesIO(data))
    return out.getvalue()


def test_a_directory_comes_out_as_an_archive(box: Wherry, tmp_path: Path) -> None:
    with open(tmp_path / "out.tar", "wb") as file:
        assert box.start("cp", "box:/data", "-", stdout=file).wait() == 0
    with tarfile.open(tmp_path / "out.tar") as made:
        assert sorted(made.getnames()) == ["data", *(f"data/{name}" for name in BOX)]
        one = made.getmember("data/one")
        assert (one.mode, int(one.mtime), one.uid) == (0o640, 1577934245, os.getuid())
        assert made.extractfile(one).read() == b"one\n"  # type: ignore[union-attr]
        assert made.getmember("data/etc").linkname == "/etc"
    whole = subprocess.run(["tar", "-tf", tmp_path / "out.tar"], capture_output=True, text=True, check=True)
    assert whole.stdout.splitlines()[0] == "data/"


def test_the_content_of_a_directory_comes_out_below_a_dot(box: Wherry, tmp_path: Path) -> None:
    with open(tmp_path / "out.tar", "wb") as file:
        assert box.start("cp", "box:/data/.", "-", stdout=file).wait() == 0
    with tarfile.open(tmp_path / "out.tar") as made:
        assert sorted(made.getnames()) == [".", *(f"./{name}" for name in BOX)]


BOX = ("etc", "link", "locked", "one", "sub", "sub/two")


@pytest.mark.parametrize("compressed", ["", "gz", "xz"])
def test_an_archive_goes_in(box: Wherry, tmp_path: Path, compressed: str) -> None:
    data = archive(
        ("./", None),
        ("deep/er/file", b"content"),
        ("/absolute", b"below all the same"),
        ("empty/", None),
        ("first", b"two names"),
        ("second", "=first"),
        ("soft", "->first"),
        ("one", b"replaced"),
        ("deep/", None),
        compressed=compressed,
    )
    box.ok("cp", "-", "box:/data", stdin=data)
    back = inside(box, "/data", tmp_path)
    assert (back / "deep" / "er" / "file").read_bytes() == b"content"
    assert (back / "deep" / "er" / "file").stat().st_mode & 0o777 == 0o640
    assert int((back / "first").stat().st_mtime) == 1577934245
    assert (back / "absolute").read_bytes() == b"below all the same"
    assert (back / "second").read_bytes() == (back / "soft").read_bytes() == b"two names"
    assert (back / "one").read_bytes() == b"replaced" and (back / "sub" / "two").exists() and (back / "empty").is_dir()


def test_what_goes_out_as_an_archive_goes_in_again(box: Wherry, tmp_path: Path) -> None:
    with open(tmp_path / "out.tar", "wb") as file:
        assert box.start("cp", "box:/data", "-", stdout=file).wait() == 0
    box.ok("cp", "-", "box:/var", stdin=(tmp_path / "out.tar").read_bytes())
    assert inside(box, "/var/data/sub/two", tmp_path).read_text() == "two\n"


HOSTILE = [
    ([("../escape", b"x")], "leads out"),
    ([("a/../../escape", b"x")], "leads out"),
    ([("etc/escape", b"x")], ""),  # /data/etc is a link to /etc: not followed
    ([("out", "->/"), ("out/escape", b"x")], ""),
    ([("name", "=/etc/passwd")], "hard link"),
    ([("name", "=../../etc/passwd")], "leads out"),
    ([("name", "=one")], "hard link"),  # there, but not of this archive
]


@pytest.mark.parametrize(("members", "said"), HOSTILE, ids=[str(members) for members, _ in HOSTILE])
def test_no_archive_leads_out_of_the_directory(
    box: Wherry, tmp_path: Path, members: list[tuple[str, object]], said: str
) -> None:
    result = box("cp", "-", "box:/data", stdin=archive(*members))
    assert result.status == 125 and said in result.stderr and "bug" not in result.stderr
    for place in ("/escape", "/etc/escape", "/data/escape", "/data/name"):
        assert box("cp", f"box:{place}", str(tmp_path / "x")).status == 125
    assert not Path("/etc/escape").exists() and not Path("/escape").exists()


@pytest.mark.parametrize("cut", [100, 512, 700, 1500])
def test_a_cut_or_damaged_archive_is_told(box: Wherry, cut: int) -> None:
    whole = archive(("a", b"x" * 2000), ("b", b"y" * 2000))
    broken = whole[:cut] if cut != 512 else whole[:2560] + b"\1" * 600 + whole[3160:]
    for data in (broken, archive(("a", os.urandom(5000)), compressed="gz")[: cut + 1000], b"no archive", b""):
        result = box("cp", "-", "box:/data", stdin=data)
        assert (result.status, "tar archive" in result.stderr) == (125, True), (len(data), result.stderr)


def test_an_archive_wants_a_directory_that_is_there(box: Wherry) -> None:
    for path in ("/data/none", "/data/one"):
        result = box("cp", "-", f"box:{path}", stdin=archive(("a", b"x")))
        assert result.status == 125 and f"cannot unpack an archive into '{path}'" in result.stderr
