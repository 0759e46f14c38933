"""Mount points that no layer has: they get a layer of their own, which the next start changes into what it needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher_plans import Box, Operation

POINTS, UNWRITTEN = 8, 16
PLAIN = 512


class PointsBox(Box):
    """Its overlay has the layer."""

    more = POINTS

    def operations(self, **changes: object) -> list[Operation]:  # type: ignore[override]
        made = super().operations(**changes)  # type: ignore[arg-type]
        return [
            Operation("OVERLAY", (*item.fields[:4], int(str(item.fields[4])) | self.more))
            if item.kind == "OVERLAY"
            else item
            for item in made
        ]

    @property
    def points(self) -> Path:
        (spare,) = self.spare()
        return spare / "points"

    def held(self) -> list[str]:
        """All that the layer holds, from its root."""
        return sorted(str(path.relative_to(self.points)) for path in self.points.rglob("*"))


@pytest.fixture
def box(tmp_path: Path, one_processor: None) -> PointsBox:
    return PointsBox(tmp_path / "box")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f").write_text("mine")
    return tmp_path / "data"


def bind(source: Path, target: str, bits: int = 0) -> Operation:
    return Operation("BIND", (str(source), target, bits))


@pytest.mark.parametrize("variables", [{}, {"WHERRY_TEST_CLASSIC_MOUNTS": "1"}], ids=["new", "classic"])
def test_a_missing_mount_point_is_in_the_layer_and_not_in_what_is_written(
    box: PointsBox, data: Path, variables: dict[str, str]
) -> None:
    late = [bind(data, "/deep/er/dir"), bind(data / "f", "/deep/file")]
    assert (
        box.shell("cat /deep/er/dir/f /deep/file; ls -A /deep", late=late, variables=variables) == "minemineer\nfile\n"
    )
    assert box.held() == ["deep", "deep/er", "deep/er/dir", "deep/file"]
    assert not (box.tree / "deep").exists()
    assert box.left() == []


def test_the_next_start_in_another_directory_takes_a_rename(box: PointsBox, data: Path) -> None:
    box.shell("true", late=[bind(data, "/scratch/me/run-1")])
    first = (box.points / "scratch/me/run-1").stat().st_ino
    assert box.shell("ls /scratch/me; cat /scratch/me/run-2/f", late=[bind(data, "/scratch/me/run-2")]) == "run-2\nmine"
    assert box.held() == ["scratch", "scratch/me", "scratch/me/run-2"]
    assert (box.points / "scratch/me/run-2").stat().st_ino == first


@pytest.mark.parametrize(
    ("targets", "shown"),
    [
        (("/a/b",), "/a /a/b"),
        (("/b",), "/b"),
        (("/a",), "/a"),
        (("/a/b/c", "/a/d"), "/a /a/b /a/b/c /a/d"),
        (("/a/d", "/a/b/c"), "/a /a/b /a/b/c /a/d"),
        (("/a/b/c/d/e",), "/a /a/b /a/b/c /a/b/c/d /a/b/c/d/e"),
        (("/x",), "/x"),
    ],
)
def test_nothing_of_other_starts_is_seen(box: PointsBox, data: Path, targets: tuple[str, ...], shown: str) -> None:
    """The layer goes from each shape to each other, its directories one by one, and what is noted of it stays true."""
    empty = data / "empty"
    empty.mkdir()
    look = "ls -d /* /*/* /*/*/* /*/*/*/* /*/*/*/*/* 2>/dev/null | grep -E '^/[abxcq](/|$)'; true"
    for before in (["/q"], ["/a/b", "/a/c"], ["/a/b/c"], ["/x/y/z"], list(targets)):
        box.shell("true", late=[bind(empty, target) for target in before])
        late = [bind(empty, target) for target in targets]
        assert sorted(box.shell(look, late=late).split()) == shown.split()
        assert sorted(f"/{path}" for path in box.held()) == shown.split()


def test_a_file_takes_the_place_of_a_directory_and_back(box: PointsBox, data: Path) -> None:
    for _ in range(2):
        assert box.shell("cat /at/it", late=[bind(data / "f", "/at/it")]) == "mine"
        assert box.shell("ls /at/it", late=[bind(data, "/at/it")]) == "f\n"


def test_a_start_that_needs_none_sees_none(box: PointsBox, data: Path) -> None:
    before = box.shell("ls -lAn / | grep -v proc")
    box.shell("true", late=[bind(data, "/scratch/run")])
    assert box.shell("ls -lAn / | grep -v proc") == before
    assert box.shell("cat /tmp/f; ls -A /", late=[bind(data, "/tmp")]) == "mine" + box.shell("ls -A /")


def test_directories_of_the_image_keep_mode_and_content(box: PointsBox, data: Path) -> None:
    (box.tree / "var/tmp").mkdir(parents=True)
    (box.tree / "var/tmp/theirs").write_text("image")
    (box.tree / "var/tmp").chmod(0o1777)
    (box.tree / "var").chmod(0o750)
    look = "ls -ldn / /var /var/tmp | cut -c1-10; cat /var/tmp/theirs; ls -A /var/tmp"
    late = [bind(data, "/var/tmp/run")]
    assert box.shell(look, late=late) == "drwxr-xr-x\ndrwxr-x---\ndrwxrwxrwt\nimagerun\ntheirs\n"
    (box.tree / "var").chmod(0o711)
    assert box.shell(look, late=late).splitlines()[1] == "drwx--x--x", "though the same is wanted as before"


def test_what_is_written_beside_a_mount_point_is_gone_after(box: PointsBox, data: Path) -> None:
    late = [bind(data, "/scratch/run")]
    script = "echo x > /scratch/new; rm -r /scratch/new; mkdir /scratch/d; echo y > /scratch/run/g; ls /scratch"
    assert box.shell(script, late=late) == "d\nrun\n"
    assert (data / "g").read_text() == "y\n"
    assert box.shell("ls -A /scratch", late=late) == "run\n"


def test_a_link_on_the_way_is_followed_as_ever(box: PointsBox, data: Path) -> None:
    (box.tree / "real").mkdir()
    (box.tree / "link").symlink_to("real")
    (box.tree / "dangling").symlink_to("made")
    late = [bind(data, "/link/here"), bind(data, "/dangling/there")]
    assert box.shell("cat /real/here/f /made/there/f", late=late) == "minemine"
    assert box.run("true", late=[bind(data, "/bin/sh/here")]).returncode == 125, "a file is on the way"


def test_what_a_layer_hides_stays_hidden(box: PointsBox, data: Path) -> None:
    """An opaque directory of an upper layer, with a mount point at what it hides, and beside it."""
    top = box.folder / "top"
    (box.tree / "opt/old/deep").mkdir(parents=True)
    (box.tree / "opt/old/deep/secret").touch()
    (top / "opt/old").mkdir(parents=True)
    os.setxattr(top / "opt/old", "user.overlay.opaque", b"y")
    layers = [str(top), str(box.tree)]
    late = [bind(data, "/opt/old/deep/er"), bind(data, "/opt/old/new")]
    assert box.shell("ls -A /opt/old /opt/old/deep", late=late, layers=layers).split() == (
        ["/opt/old:", "deep", "new", "/opt/old/deep:", "er"]
    )


def test_more_mount_points_than_are_cared_for_are_made_in_the_writable_layer(box: PointsBox, data: Path) -> None:
    late = [bind(data, f"/many/{n}") for n in range(80)]
    assert box.shell("ls /many | wc -l; cat /many/79/f", late=late) == "80\nmine"
    assert box.left() == []


def test_a_target_within_another_bind_is_that_binds_own(box: PointsBox, data: Path) -> None:
    (data / "sub").mkdir()
    late = [bind(data, "/data"), bind(data / "f", "/data/sub/f")]
    assert box.shell("cat /data/sub/f", late=late) == "mine"
    assert box.held() == ["data"]


class UnwrittenBox(PointsBox):
    """Nobody writes to its root."""

    more = POINTS | UNWRITTEN
    mounted = "awk '$2 == \"/\" { print $4 }' /proc/mounts"

    def operations(self, **changes: object) -> list[Operation]:  # type: ignore[override]
        top = self.folder / "names"
        (top / "etc").mkdir(parents=True, exist_ok=True)
        return super().operations(**{"layers": [str(top), str(self.tree)], **changes})


@pytest.fixture
def unwritten(tmp_path: Path, one_processor: None) -> UnwrittenBox:
    made = UnwrittenBox(tmp_path / "unwritten")
    (made.tree / "bin/awk").symlink_to("busybox")
    return made


@pytest.mark.parametrize("variables", [{}, {"WHERRY_TEST_CLASSIC_MOUNTS": "1"}], ids=["new", "classic"])
def test_a_root_that_nobody_writes_has_no_upper_directory(
    unwritten: UnwrittenBox, data: Path, variables: dict[str, str]
) -> None:
    late = [bind(data, "/scratch/run"), bind(data / "f", "/tmp/file")]
    script = f"{unwritten.mounted}; cat /scratch/run/f /tmp/file; echo x > /etc/new"
    done = unwritten.run("sh", "-c", script, late=late, variables=variables)
    options, found = done.stdout.splitlines()
    assert "upperdir" not in options
    assert found == "minemine"
    assert "Read-only file system" in done.stderr
    assert unwritten.held() == ["scratch", "scratch/run", "tmp", "tmp/file"]
    assert unwritten.left() == []


def test_it_keeps_one_where_a_mount_point_must_be_made_in_it(unwritten: UnwrittenBox, data: Path) -> None:
    (unwritten.tree / "dangling").symlink_to("made")
    late = [bind(data, "/dangling/there")]
    options, found = unwritten.shell(f"{unwritten.mounted}; cat /made/there/f", late=late).splitlines()
    assert "upperdir" in options
    assert found == "mine"
    late = [Operation("MOUNT", ("tmpfs", "tmpfs", 2, "", "/missing/one"))]
    assert "upperdir" in unwritten.shell(f"{unwritten.mounted}; touch /missing/one/x", late=late)
    many = [bind(data, f"/many/{n}") for n in range(80)]
    assert "upperdir" in unwritten.shell(f"{unwritten.mounted}; cat /many/79/f", late=many)


def test_a_plain_directory_gives_way_to_the_current_one_within(
    unwritten: UnwrittenBox, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could hold no mount point for it."""
    around = f"{unwritten.tree}{data.parent}"
    os.makedirs(around)
    Path(around, "theirs").touch()
    monkeypatch.chdir(data)
    plain, here = bind(Path(around), str(data.parent), PLAIN | 32 | 1), bind(Path("\x02"), "\x02")
    seen = f"grep -c ' {data.parent} ' /proc/mounts; ls {data.parent}"
    assert unwritten.run("sh", "-c", seen, late=[plain, bind(data, "/data")]).stdout.split() == ["1", "theirs"]
    shown = unwritten.run("sh", "-c", f"{seen}; cat {data}/f", late=[plain, here]).stdout.split()
    assert shown == ["0", "data", "theirs", "mine"]


@pytest.mark.parametrize("variables", [{}, {"WHERRY_TEST_CLASSIC_MOUNTS": "1"}], ids=["new", "classic"])
@pytest.mark.parametrize("changed", ["opt/large", "opt"])
def test_a_plain_directory_that_became_a_link_is_left_to_the_overlay(
    unwritten: UnwrittenBox, data: Path, variables: dict[str, str], changed: str
) -> None:
    """It would show the host's files."""
    (unwritten.tree / "opt/large").mkdir(parents=True)
    (unwritten.tree / "opt/large/theirs").touch()
    (data / "large").mkdir()
    (data / "large/hosts").touch()
    late = [bind(unwritten.tree / "opt/large", "/opt/large", PLAIN | 32 | 1)]
    script = "grep -c ' /opt/large ' /proc/mounts; ls /opt/large/"
    assert unwritten.run("sh", "-c", script, late=late, variables=variables).stdout == "1\ntheirs\n"
    (unwritten.tree / changed).rename(unwritten.tree / "was")
    (unwritten.tree / changed).symlink_to(data if changed == "opt" else data / "large")
    assert unwritten.run("sh", "-c", script, late=late, variables=variables).stdout == "0\n"
