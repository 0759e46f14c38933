"""Whole builds whose contexts and sources are not plain directories; what they leave in the image."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from layers import Item, directory, file, tar_of
from web_folder import served_folder
from wherry.base.digest import Digest
from wherry_command import Wherry

RECIPE = "FROM scratch\nCOPY . /all/\n"


@pytest.fixture(scope="module")
def wherry(tmp_path_factory: pytest.TempPathFactory) -> Wherry:
    return Wherry(tmp_path_factory.mktemp("copies"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    with served_folder(tmp_path / "served") as address:
        yield tmp_path / "served", address


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name, text in {"Dockerfile": RECIPE, "sub/Dockerfile": RECIPE, "sub/f": "one\n"}.items():
        (source / name).write_text(text)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    environment |= {"GIT_AUTHOR_DATE": "1600000000 +0000", "GIT_COMMITTER_DATE": "1600000000 +0000"}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["tag", "v1"], ["update-server-info"]):
        subprocess.run(["git", *who, "-C", str(source), *command], env=environment, check=True)
    return source


def built(wherry: Wherry, tmp_path: Path, *arguments: str, stdin: str = "") -> dict[str, tarfile.TarInfo]:
    """The tree of the image that a build makes, by path."""
    result = wherry("build", "-q", "-t", "made", *arguments, stdin=stdin)
    assert result.status == 0, str(result)
    wherry.ok("export", "-o", str(tmp_path / "tree.tar"), "made")
    with tarfile.open(tmp_path / "tree.tar") as archive:
        return {member.name.strip("./"): member for member in archive}


def said(member: tarfile.TarInfo) -> str:
    return f"{stat.S_IMODE(member.mode):o} {member.uid}:{member.gid}"


def test_a_git_repository_is_built(wherry: Wherry, repository: Path, tmp_path: Path) -> None:
    found = built(wherry, tmp_path, f"file://{repository}#v1:sub")
    assert sorted(found) == ["all", "all/Dockerfile", "all/f"]
    assert said(found["all/f"]) == "644 0:0"


def test_a_checkout_and_its_repository_make_the_same_image(wherry: Wherry, repository: Path) -> None:
    one = wherry.ok("build", "-q", "--no-cache", f"file://{repository}")
    for path in repository.rglob("*"):
        os.utime(path, (1_650_000_000, 1_650_000_000))
    (repository / ".dockerignore").write_text(".git\n.dockerignore\n")
    assert wherry.ok("build", "-q", "--no-cache", str(repository)) == one


def test_a_url_is_built(wherry: Wherry, served: tuple[Path, str], repository: Path, tmp_path: Path) -> None:
    folder, address = served
    subprocess.run(["tar", "-C", str(repository / "sub"), "-czf", str(folder / "c.tgz"), "."], check=True)
    assert "all/f" in built(wherry, tmp_path, f"{address}/c.tgz")
    (folder / "recipe").write_text("FROM scratch\nCOPY <<a /a\ntext\na\n")
    assert sorted(built(wherry, tmp_path, f"{address}/recipe")) == ["a"]


def test_files_and_repositories_behind_urls_are_added(
    wherry: Wherry, served: tuple[Path, str], repository: Path, tmp_path: Path
) -> None:
    folder, address = served
    (folder / "data").write_bytes(b"data")
    (folder / "a.tar").write_bytes(tar_of([directory("d", 0o750, uid=3), file("d/f", b"f", 0o4711, uid=1, gid=2)]))
    (repository / ".git").rename(folder / "repo.git")
    recipe = (
        f"FROM scratch\nADD --checksum={Digest.of(b'data')} {address}/data /data\n"
        f"ADD --unpack {address}/a.tar /a/\nADD --chown=5:6 {address}/repo.git#v1:sub /src/\n"
    )
    (tmp_path / "empty").mkdir()
    found = built(wherry, tmp_path, "-f", "-", str(tmp_path / "empty"), stdin=recipe)
    assert {name: said(found[name]) for name in ("data", "a/d", "a/d/f", "src/f")} == {
        "data": "600 0:0",
        "a/d": "750 3:0",
        "a/d/f": "4711 1:2",
        "src/f": "644 5:6",
    }
    wrong = recipe.replace(str(Digest.of(b"data")), str(Digest.of(b"other")))
    result = wherry("build", "-f", "-", str(tmp_path / "empty"), stdin=wrong)
    assert result.status == 125
    assert "is not what its checksum says" in result.stderr


def test_owners_and_devices_of_an_archive_go_through_stages(wherry: Wherry, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    members = [directory("d", 0o2775, uid=7, gid=8), file("d/f", b"f", 0o4755, uid=9)]
    members.append(Item("d/l", tarfile.SYMTYPE, target="f", mode=0o777, uid=4, gid=5))
    device = tarfile.TarInfo("d/null")
    (context / "a.tar").write_bytes(tar_of(members, end=b""))
    device.type, device.mode, device.devmajor, device.devminor = tarfile.CHRTYPE, 0o666, 1, 3
    with open(context / "a.tar", "ab") as archive:
        archive.write(device.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    (context / "Dockerfile").write_text(
        "FROM scratch AS one\nADD a.tar /in\nFROM scratch AS two\nCOPY --from=one / /\n"
        "FROM scratch\nCOPY --from=two --chown=1:1 /in/d/f /own\nCOPY --from=two /in /out\n"
    )
    found = built(wherry, tmp_path, str(context))
    assert said(found["out/d"]) == "2775 7:8"
    assert said(found["out/d/f"]) == "4755 9:0"
    assert said(found["own"]) == "4755 1:1"
    assert said(found["out/d/l"]) == "777 4:5"
    null = found["out/d/null"]
    assert (null.type, null.devmajor, null.devminor, said(null)) == (tarfile.CHRTYPE, 1, 3, "666 0:0")


def test_a_missing_source_is_told_with_its_line_and_the_nearest(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY setup.py /\n")
    (tmp_path / "setup.cfg").write_text("")
    result = wherry("build", str(tmp_path))
    assert result.status == 125
    assert "wherry: Dockerfile:2:1: 'setup.py' is not in the context" in result.stderr
    (tmp_path / ".dockerignore").write_text("# mine\n*.cfg\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY setup.cfg /\n")
    assert "line 2 of '.dockerignore' ('*.cfg') leaves it out" in wherry("build", str(tmp_path)).stderr
    (tmp_path / "Dockerfile").write_text("FROM scratch\n\nCOPY *.none Dockerfile /\n")
    assert "Dockerfile:3: '*.none' matches nothing in the context" in wherry("build", str(tmp_path)).stderr


@pytest.mark.parametrize("tags", [True, False])
def test_what_is_behind_a_url_is_fetched_once_while_its_server_says_that_it_is_the_same(
    wherry: Wherry, tmp_path: Path, tags: bool
) -> None:
    """By its entity tag, or by the very time of its last change where that is past."""
    recipe, statuses = tmp_path / "Dockerfile", list[int]()
    with served_folder(tmp_path / "served", statuses, tags=tags) as address:
        path = tmp_path / "served/data"
        recipe.write_text(f"FROM scratch\nADD {address}/data /d\n")

        def build(content: str, *more: str, modified: int = 1_500_000_000, date: bool = True) -> tuple[str, list[int]]:
            path.write_text(content)
            if date:
                os.utime(path, (modified, modified))
            statuses.clear()
            made = wherry.ok("build", "-q", "-t", "url", *more, str(tmp_path)).strip()
            assert wherry.ok("export", "url") != ""
            return made, list(statuses)

        first = build("one")
        assert first[1] == [200]
        known = [304] if tags else [200]  # of which the content is not read
        assert build("one" if tags else "two") == (first[0], known)
        assert build("one", "--no-cache") == (first[0], [200])
        wherry.ok("prune", "--build", "--force")
        wherry.ok("rmi", "url")
        assert build("one") == (first[0], [*known, 200])  # the layer has gone
        second = build("two", modified=1_500_000_009)
        assert second[0] != first[0] and second[1] == [200]
        assert build("two", modified=1_500_000_009) == (second[0], known)
        older = build("old", modified=1_400_000_000)  # as one that was put back
        assert older[0] not in (first[0], second[0]) and older[1] == [200]
        third = build("six", date=False)
        assert third[0] != second[0] and third[1] == [200]
        assert build("six", date=False) == (third[0], [304] if tags else [200])  # it could change within its second
        for note in (wherry.folder / "store/contents/urls").iterdir():
            note.write_text("{}")
        assert build("six", date=False)[1] == [200]


def test_a_file_that_changes_while_it_is_fetched_again_is_told(wherry: Wherry, tmp_path: Path) -> None:
    """Its server had said that it is the same, and then it was another."""
    recipe = tmp_path / "Dockerfile"
    with served_folder(tmp_path / "served", tags=True) as address:
        (tmp_path / "served/data").write_text("a text")
        recipe.write_text(f"FROM scratch\nADD {address}/data /d\n")
        wherry.ok("build", "-q", str(tmp_path))
        wherry.ok("prune", "--build", "--force")
        wherry.ok("prune", "--force")
        note = max((wherry.folder / "store/contents/urls").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        note.write_text(note.read_text().replace(str(Digest.of(b"a text")), str(Digest.of(b"other"))))
        ended = wherry("build", str(tmp_path))
        assert ended.status == 125 and "was changed while it was fetched" in ended.stderr


def test_an_octal_mode_is_all_that_a_copy_has(wherry: Wherry, tmp_path: Path) -> None:
    """As in today's BuildKit; and symbols change what is there."""
    (tmp_path / "shared/in").mkdir(parents=True)
    (tmp_path / "shared/in/f").write_text("f")
    for name, mode in (("shared", 0o2775), ("shared/in", 0o2770), ("shared/in/f", 0o640)):
        (tmp_path / name).chmod(mode)
    copies = {"octal": "755", "set": "6755", "sticky": "1777", "less": "g-s", "more": "u+s,g+w"}
    lines = "".join(f"COPY --chmod={mode} shared /{name}\n" for name, mode in copies.items())
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY shared /plain\n{lines}")
    found = built(wherry, tmp_path, str(tmp_path))
    shown = {name: [said(found[f"{name}/in{end}"]).split()[0] for end in ("", "/f")] for name in ("plain", *copies)}
    assert shown == {
        "plain": ["2770", "640"],
        "octal": ["755", "755"],
        "set": ["6755", "6755"],
        "sticky": ["1777", "1777"],
        "less": ["770", "640"],
        "more": ["6770", "4660"],
    }
