"""``wherry build`` with the installed command: every kind of step, the cache, repeatable digests, messages."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from wherry_command import Result, Wherry


@pytest.fixture
def build(tmp_path: Path, tiny: str, wherry: Wherry) -> Builder:
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    return Builder(wherry, tmp_path / "context")


class Builder:
    """A context directory, and the command that builds it."""

    def __init__(self, wherry: Wherry, context: Path) -> None:
        self.wherry = wherry
        self.context = context
        context.mkdir()

    def write(self, name: str, content: str, mode: int = 0o644) -> Path:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    def __call__(self, recipe: str, *options: str, stdin: str = "", env: dict[str, str] | None = None) -> Result:
        self.write("Dockerfile", recipe)
        return self.wherry("build", *options, str(self.context), stdin=stdin, env=env)

    def ok(self, recipe: str, *options: str, env: dict[str, str] | None = None) -> str:
        """The digest of the image, which is named ``made`` too."""
        result = self(recipe, "-q", "-t", "made", *options, env=env)
        assert result.status == 0, str(result)
        return result.stdout.strip()

    def run(self, *command: str) -> str:
        return self.wherry.ok("run", "made", *command)

    def files(self) -> dict[str, tarfile.TarInfo]:
        """Every entry of the image's root file system, as ``export`` writes it."""
        path = self.context.parent / "root.tar"
        self.wherry.ok("export", "-o", str(path), "made")
        with tarfile.open(path) as archive:
            return {member.name.removeprefix("./"): member for member in archive}

    def config(self) -> dict[str, object]:
        found = json.loads(self.wherry.ok("inspect", "made"))
        document: dict[str, object] = found[0]["Config"] if isinstance(found, list) else found["Config"]
        return document


def test_a_recipe_becomes_an_image_that_runs(build: Builder) -> None:
    build.write("hello.txt", "hello\n")
    build.ok(
        'FROM tiny\nCOPY hello.txt /greeting\nRUN cat /greeting > /said && echo more >> /said\nCMD ["cat", "/said"]\n'
    )
    assert build.run() == "hello\nmore\n"


def test_the_second_build_takes_all_from_the_cache_and_gives_the_same_digest(build: Builder) -> None:
    recipe = "FROM tiny\nRUN cat /proc/sys/kernel/random/uuid > /when\nWORKDIR /a/b\nCOPY Dockerfile x\n"
    first = build.ok(recipe)
    result = build(recipe, "--progress", "plain")
    assert result.status == 0, str(result)
    assert result.stderr.count("cached") == 4  # the base image, and three steps
    assert build.ok(recipe) == first


def test_a_comment_misses_nothing_and_a_changed_command_all_after_it(build: Builder) -> None:
    chance = "cat /proc/sys/kernel/random/uuid"
    build.ok(f"FROM tiny\nRUN {chance} > /one\nRUN {chance} > /two\n")
    one, two = build.run("cat", "/one"), build.run("cat", "/two")
    build.ok(f"# said\nFROM tiny AS other\n\nRUN {chance} > /one\n# more\nRUN {chance}   > /two\n")
    assert build.run("cat", "/one") == one
    assert build.run("cat", "/two") != two


def test_a_command_that_sees_another_address_of_a_name_is_done_anew(build: Builder) -> None:
    recipe = "FROM tiny\nRUN grep -w db /etc/hosts > /seen\n"
    for address in ("10.0.0.1", "10.0.0.2"):
        build.ok(recipe, "--add-host", f"db:{address}")
        assert build.run("cat", "/seen").split() == [address, "db"]


def test_without_cache_everything_is_done_anew(build: Builder) -> None:
    recipe = "FROM tiny\nRUN cat /proc/sys/kernel/random/uuid > /when\n"
    build.ok(recipe)
    before = build.run("cat", "/when")
    build.ok(recipe, "--no-cache")
    assert build.run("cat", "/when") != before


def test_a_file_of_the_context_counts_by_its_content(build: Builder) -> None:
    recipe = "FROM tiny\nCOPY data /data\nRUN cat /proc/sys/kernel/random/uuid > /when\n"
    path = build.write("data", "1")
    build.ok(recipe)
    before = build.run("cat", "/when")
    os.utime(path, (1, 1))
    build.ok(recipe)
    assert build.run("cat", "/when") == before
    path.write_text("2")
    build.ok(recipe)
    assert build.run("cat", "/when") != before


def test_stages_hand_files_on(build: Builder) -> None:
    build.ok(
        "FROM tiny AS one\nRUN mkdir /out && echo one > /out/f && ln -s f /out/l\n"
        "FROM tiny AS two\nRUN echo two > /two\n"
        "FROM tiny\nCOPY --from=one /out /in\nCOPY --from=1 /two /\n"
    )
    assert build.run("cat", "/in/f", "/two") == "one\ntwo\n"
    assert build.run("readlink", "/in/l") == "f\n"


def test_what_a_step_removes_is_gone(build: Builder) -> None:
    build.ok(
        "FROM tiny\nRUN mkdir -p /d/e && echo a > /d/e/f && echo b > /g\nRUN rm -r /d /g && mkdir /d && echo c > /d/h\n"
    )
    assert build.run("ls", "-A", "/d") == "h\n"
    assert build.run("sh", "-c", "test -e /g || echo gone") == "gone\n"


def test_nothing_of_the_host_or_of_the_build_is_left(build: Builder) -> None:
    build.ok("FROM tiny\nRUN cat /etc/resolv.conf /etc/hosts >/dev/null; echo x >> /etc/hosts; touch /made\n")
    own = {name for name, member in build.files().items() if not member.isdir()}
    build.wherry.ok("tag", "tiny", "made")
    assert own - {name for name, member in build.files().items() if not member.isdir()} == {"made"}


def test_times_owners_and_modes_are_those_of_a_build_by_root(build: Builder) -> None:
    build.write("script", "#!/bin/sh\n", 0o755)
    build.ok(
        "FROM tiny\nCOPY script /script\nCOPY --chown=7:8 --chmod=640 script /owned\n"
        "RUN touch /made && chmod 4755 /made && mkdir -m 1777 /open\n",
        env={"SOURCE_DATE_EPOCH": "1700000000"},
    )
    files = build.files()
    assert (files["script"].uid, files["script"].gid, stat.S_IMODE(files["script"].mode)) == (0, 0, 0o755)
    assert (files["owned"].uid, files["owned"].gid, stat.S_IMODE(files["owned"].mode)) == (7, 8, 0o640)
    assert stat.S_IMODE(files["made"].mode) == 0o4755
    assert stat.S_IMODE(files["open"].mode) == 0o1777
    assert {files[name].mtime for name in ("script", "owned", "made", "open")} == {1700000000}


def test_the_same_recipe_gives_the_same_digest_in_another_store(build: Builder, tmp_path: Path, tiny: str) -> None:
    recipe = "FROM tiny\nCOPY d /d\nRUN echo made > /made && mkdir /x && touch /x/y\nENV A=b\n"
    build.write("d/f", "1")
    build.write("d/g/h", "2")
    first = build.ok(recipe)
    other = Wherry(tmp_path / "other")
    other.ok("pull", "-q", tiny)
    other.ok("tag", tiny, "tiny")
    for path in build.context.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    assert other.ok("build", "-q", str(build.context)).strip() == first


def test_a_failing_command_gives_its_status_its_output_and_its_line(build: Builder) -> None:
    result = build("FROM tiny\nRUN true\nRUN echo to-see-this && exit 7\n")
    assert result.status == 7
    assert "to-see-this" in result.stderr
    assert "Dockerfile:3" in result.stderr
    assert "RUN echo to-see-this && exit 7" in result.stderr


def test_a_failing_command_is_told_by_a_quiet_build_too(build: Builder) -> None:
    result = build("FROM tiny\nRUN echo to-see-this && exit 7\n", "-q")
    assert result.status == 7
    assert result.stdout == ""
    assert "to-see-this" in result.stderr


def test_a_failed_build_keeps_its_last_good_step_and_says_how_to_look_at_it(build: Builder) -> None:
    result = build("FROM tiny\nRUN echo kept > /kept\nRUN false\n")
    assert result.status == 1
    hint = next(line for line in result.stderr.splitlines() if "next:" in line)
    words = hint.partition("wherry ")[2].split()
    assert words[0] == "run"
    image = next(word for word in words[1:] if not word.startswith("-") and word != "root")
    assert build.wherry.ok("run", image, "cat", "/kept") == "kept\n"


def test_a_mistake_in_the_recipe_is_shown_where_it_is(build: Builder) -> None:
    result = build("FROM tiny\nRUM true\n")
    assert result.status == 125
    assert "Dockerfile:2:1: " in result.stderr
    assert "RUM true" in result.stderr
    assert "RUN" in result.stderr


@pytest.mark.parametrize("form", ["text", "dot", "json"])
def test_a_dry_run_shows_the_graph_and_makes_nothing(build: Builder, form: str) -> None:
    before = build.wherry.ok("images", "-q")
    result = build("FROM tiny AS a\nRUN first\nFROM a\nCOPY --from=a /x /y\n", "--dry-run", "--format", form)
    assert result.status == 0, str(result)
    assert "first" in result.stdout
    if form == "dot":
        drawn = subprocess.run(["dot", "-Tsvg"], input=result.stdout, capture_output=True, text=True, check=True)
        assert "<svg" in drawn.stdout
    if form == "json":
        assert json.loads(result.stdout)["steps"][1]["step"] == "run"
    assert build.wherry.ok("images", "-q") == before


def test_the_recipe_may_come_from_standard_input(build: Builder) -> None:
    build.write("data", "d")
    result = build.wherry(
        "build", "-q", "-t", "made", "-f", "-", str(build.context), stdin="FROM tiny\nCOPY data /data\n"
    )
    assert result.status == 0, str(result)
    assert build.run("cat", "/data") == "d"


def test_a_context_may_be_a_tar_on_standard_input(build: Builder) -> None:
    build.write("Dockerfile", "FROM tiny\nCOPY sub/data /data\n")
    build.write("sub/data", "d")
    tar = subprocess.run(["tar", "-cz", "-C", str(build.context), "."], capture_output=True, check=True).stdout
    result = build.wherry("build", "-q", "-t", "made", "-", stdin=tar)
    assert result.status == 0, str(result)
    assert build.run("cat", "/data") == "d"


def test_what_is_ignored_is_not_there(build: Builder) -> None:
    build.write("a.log", "")
    build.write("keep.log", "")
    build.write("a.txt", "")
    build.write(".dockerignore", "*.log\n!keep.log\nDockerfile\n.dockerignore\n")
    build.ok("FROM tiny\nCOPY . /all/\n")
    assert build.run("ls", "-A", "/all") == "a.txt\nkeep.log\n"


def test_arguments_variables_users_and_directories_of_a_command(build: Builder) -> None:
    build.ok(
        "FROM tiny\nARG A=1\nENV E=2\nWORKDIR /w\nRUN echo $A $E $(pwd) $(id -u) $HOME > /said\n",
        "--build-arg",
        "A=9",
    )
    assert build.run("cat", "/said") == "9 2 /w 0 /root\n"
    assert not any(entry.startswith("A=") for entry in build.wherry.ok("run", "made", "env").splitlines())


def test_a_user_of_the_recipe_owns_what_it_makes(build: Builder) -> None:
    build.ok(
        "FROM tiny\nRUN mkdir -p /etc /d && echo 'app:x:1234:77::/home/app:/bin/sh' >> /etc/passwd && chown app:77 /d\n"
        "USER app\nRUN id -u > /d/who && mkdir /d/sub\n"
    )
    files = build.files()
    assert build.run("cat", "/d/who") == "1234\n"
    assert [(files[name].uid, files[name].gid) for name in ("d", "d/who", "d/sub")] == [(1234, 77)] * 3


@pytest.mark.parametrize("owners", ["supervisor", "range"])
def test_a_user_that_the_image_does_not_know_has_the_group_of_root(build: Builder, owners: str) -> None:
    """As under docker, and not the group of who builds, by which everybody would make another image."""
    build.ok("FROM tiny\nRUN mkdir -m 777 /d\nUSER 1234\nRUN id -g > /d/group && mkdir /d/sub\n", "--owners", owners)
    files = build.files()
    assert build.run("cat", "/d/group") == "0\n"
    assert [(files[name].uid, files[name].gid) for name in ("d/group", "d/sub")] == [(1234, 0)] * 2


def test_heredocs(build: Builder) -> None:
    build.ok("FROM tiny\nRUN <<EOF\necho one > /said\necho two >> /said\nEOF\nCOPY <<FILE /etc/made\nmade\nFILE\n")
    assert build.run("cat", "/said", "/etc/made") == "one\ntwo\nmade\n"


def test_mounts_are_seen_and_leave_nothing(build: Builder) -> None:
    build.write("in/data", "d")
    build.write("token", "s3cret")
    build.ok(
        "FROM tiny AS other\nRUN echo o > /o\nFROM tiny\n"
        "RUN --mount=type=bind,source=in,target=/mnt/in --mount=type=bind,from=other,source=/o,target=/mnt/o "
        "--mount=type=secret,id=token --mount=type=tmpfs,target=/mnt/t --mount=type=cache,target=/mnt/c "
        "cat /mnt/in/data /mnt/o /run/secrets/token > /said; touch /mnt/t/x /mnt/c/y\n",
        "--secret",
        f"id=token,src={build.context / 'token'}",
    )
    assert build.run("cat", "/said") == "do\ns3cret"
    left = [name for name, member in build.files().items() if name.startswith(("mnt/", "run/secrets"))]
    assert left == []


def test_a_cache_mount_is_there_in_the_next_build(build: Builder) -> None:
    recipe = "FROM tiny\nRUN --mount=type=cache,target=/c echo {} >> /c/log && cat /c/log > /said\n"
    build.ok(recipe.format(1))
    build.ok(recipe.format(2))
    assert build.run("cat", "/said") == "1\n2\n"


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_outputs_are_read_by_skopeo(build: Builder, tmp_path: Path, form: str) -> None:
    path = tmp_path / "image.tar"
    build.ok("FROM tiny\nRUN echo x > /x\nLABEL a=b\n", "--output", f"type={form},dest={path}")
    words = ["skopeo", "inspect", f"{form}-archive:{path}"]
    assert json.loads(subprocess.run(words, capture_output=True, check=True).stdout)["Labels"] == {"a": "b"}


def test_a_directory_as_output(build: Builder, tmp_path: Path) -> None:
    build.ok("FROM scratch\nCOPY Dockerfile /d/\n", "--output", str(tmp_path / "root"))
    assert sorted(str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*")) == [
        "d",
        "d/Dockerfile",
    ]


def test_names_and_the_file_of_the_id(build: Builder, tmp_path: Path) -> None:
    digest = build.ok("FROM tiny\nRUN echo x > /x\n", "-t", "two:2", "--iidfile", str(tmp_path / "id"))
    listed = [json.loads(line) for line in build.wherry.ok("images", "--format", "json").splitlines()]
    names = {
        row.get("Name") or f"{row['Repository']}:{row['Tag']}" for row in listed if digest[7:19] in json.dumps(row)
    }
    assert {name.removesuffix(":latest") for name in names} >= {"made", "two:2"}
    assert (tmp_path / "id").read_text().startswith("sha256:")


def test_squashed_content_really_goes(build: Builder, tmp_path: Path) -> None:
    build.ok(
        "FROM tiny\nRUN echo find-me-not > /secret\nRUN rm /secret && echo kept > /kept\n",
        "--squash",
        "--output",
        f"type=oci,dest={tmp_path / 'i.tar'}",
    )
    assert build.run("cat", "/kept") == "kept\n"
    folder = tmp_path / "unpacked"
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "i.tar"), "-C", str(folder)], check=True)
    for blob in (folder / "blobs" / "sha256").iterdir():
        data = subprocess.run(["gzip", "-dcf", str(blob)], capture_output=True).stdout
        assert b"find-me-not\n" not in data


def test_history_and_configuration(build: Builder) -> None:
    build.ok(
        "FROM tiny\nENV A=1\nLABEL b=2\nEXPOSE 80\nVOLUME /v\nUSER 5\nWORKDIR /w\nSTOPSIGNAL SIGINT\n"
        'ENTRYPOINT ["e"]\nCMD ["c"]\nONBUILD RUN later\n'
    )
    config = build.config()
    assert config["OnBuild"] == ["RUN later"]
    assert config["Entrypoint"] == ["e"]
    assert config["Labels"] == {"b": "2"}
    rows = build.wherry.ok("history", "--format", "json", "made").splitlines()
    said = [json.loads(row)["CreatedBy"] for row in rows]
    assert any(line.startswith("ENV A=1") for line in said)


@pytest.mark.parametrize("command", ["sleep 300", "trap '' TERM INT; sleep 300; sleep 300"])
def test_interrupting_a_build_leaves_nothing_running(build: Builder, command: str) -> None:
    """Also one that would not end by itself."""
    build.write("Dockerfile", f"FROM tiny\nRUN echo started; {command}\n")
    process = subprocess.Popen(
        [str(build.wherry.program), "build", str(build.context)],
        env=build.wherry.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith(" started"):
            break
    process.send_signal(2)
    assert process.wait(40) == 130
    process.stderr.close()
    assert build.wherry.ok("ps", "-q") == ""


def test_a_shell_opens_where_a_step_failed(build: Builder) -> None:
    """On a terminal: with the failed command's files, variables and directory."""
    build.write("Dockerfile", "FROM tiny\nENV A=seen\nWORKDIR /w\nRUN echo partial > half; false\n")
    line = f"{build.wherry.program} build --debug-on-failure {build.context}"
    done = subprocess.run(
        ["script", "-qec", line, "/dev/null"],
        input="cat half; echo $A-$PWD; touch more; exit\n",
        capture_output=True,
        text=True,
        env=build.wherry.environment,
        timeout=60,
    )
    assert "partial" in done.stdout
    assert "seen-/w" in done.stdout
    assert done.returncode == 1, done.stdout
    assert "wherry run -it --fakeroot" in done.stdout
    assert "--debug-on-failure opens" not in done.stdout  # it did


def test_what_is_kept_of_a_failed_step_has_no_build_arguments(build: Builder) -> None:
    """They may be secret. It is listed as what has no name, and goes with prune."""
    build.write("Dockerfile", "FROM tiny\nENV A=seen\nARG TOKEN B=2\nRUN echo x >/x\nRUN echo $TOKEN | wc -c; false\n")
    ended = build.wherry("build", "--build-arg", "TOKEN=hush-hush", str(build.context))
    assert ended.status == 1 and "(build arguments: -e NAME)" in ended.stderr
    kept = re.findall(r"wherry run -it --fakeroot (\w+) sh", ended.stderr)[0]
    said = build.wherry.ok("run", "-e", "B", kept, "sh", "-c", "cat /x; echo $A-$B-$TOKEN", env={"B": "mine"})
    assert said == "x\nseen-mine-\n"
    assert "hush-hush" not in build.wherry.ok("inspect", kept)
    assert kept in build.wherry.ok("images", "-q", "--filter", "dangling=true").split()
    build.wherry.ok("prune", "--force")
    assert kept not in build.wherry.ok("images", "-q")


def test_an_image_whose_name_moved_on_is_listed_without_one_until_a_prune(build: Builder) -> None:
    """As docker has it; and one that was built without a name."""
    shown = []
    for text, more in (("1", ("-t", "moving")), ("2", ("-t", "moving")), ("3", ())):
        build.write("Dockerfile", f"FROM tiny\nRUN echo {text} >/x\n")
        build.wherry.ok("build", "-q", *more, str(build.context))
        words = ("images", "--format", "{{.Repository}}:{{.Tag}}")
        shown.append(
            sorted(name for name in build.wherry.ok(*words).split() if name in ("moving:latest", "<none>:<none>"))
        )
    assert shown == [["moving:latest"], ["<none>:<none>", "moving:latest"], ["<none>:<none>"] * 2 + ["moving:latest"]]
    build.wherry.ok("prune", "--force")
    assert build.wherry.ok("images", "-q", "--filter", "dangling=true") == ""
    assert build.wherry.ok("run", "moving", "cat", "/x") == "2\n"


@pytest.mark.parametrize(
    ("recipe", "line", "words"),
    [
        ("FROM tiny\nUSER nobody-here\nRUN true\n", 3, "there is no user 'nobody-here'"),
        ("FROM tiny\nRUN true\nWORKDIR /bin/busybox\n", 3, "is not a directory"),
        ("FROM tiny\nCOPY missing /x\n", 2, "'missing'"),
        ("FROM tiny\nCOPY --chown=nobody-here Dockerfile /x\n", 2, "there is no user 'nobody-here'"),
        ("FROM tiny\nCOPY --chmod=rwx Dockerfile /x\n", 2, "'rwx' is no mode"),
        ("FROM tiny\nRUN --mount=type=secret,id=key,required true\n", 2, "the secret 'key' was not given"),
        ("FROM tiny AS base\nFROM bsae\n", 2, "did you mean the stage 'base'?"),
        ("FROM tiny AS base\nCOPY --from=bsae /x /y\n", 2, "did you mean the stage 'base'?"),
        ("ARG TAG\nFROM lab/base:$TAG\n", 2, "'' is not a tag"),
        ("FROM --platform=linux/s390x scratch\nCOPY . /\nRUN true\n", 3, "next: build it with --platform linux/"),
        ("# check=error=true\nFROM tiny\nMAINTAINER me\n", 3, "MAINTAINER is deprecated (MaintainerDeprecated)"),
    ],
)
def test_what_goes_wrong_is_told_with_its_line(build: Builder, recipe: str, line: int, words: str) -> None:
    offline = {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    result = build(recipe, "-q", env=offline)
    assert result.status == 125, str(result)
    assert f"wherry: Dockerfile:{line}:1: " in result.stderr
    assert f"\n  {line} | {recipe.splitlines()[line - 1]}\n    | ^\n" in result.stderr
    assert words in result.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("-t", "Bad Name"), "'Bad Name' is not an image reference"),
        (("--secret", "name=key,src=/key"), "'--secret name=key,src=/key'"),
        (("--ssh", "=x"), "'--ssh =x'"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_made(
    build: Builder, option: tuple[str, str], words: str
) -> None:
    result = build("FROM tiny\nRUN echo made > /made\n", *option)
    assert result.status == 125
    assert words in result.stderr
    assert "RUN" not in result.stderr


def test_a_directory_with_a_branch_is_told_how_to_be_named(build: Builder) -> None:
    result = build.wherry("build", f"{build.context}#main:docker")
    assert f"next: a repository of this machine is file://{build.context}#main:docker" in result.stderr


def test_a_line_that_is_written_over_is_shown_as_it_was_last(build: Builder) -> None:
    result = build("FROM tiny\nRUN printf '1%%\\r50%%\\r100%% done\\n'\n", "--progress", "plain")
    assert "#1 100% done\n" in result.stderr
    assert "50%" not in result.stderr.partition("#1 100%")[0].rpartition("RUN")[2].partition("\n")[2]
