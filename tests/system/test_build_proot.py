"""RUN where there are no namespaces: under proot, in a tree of its own; what a step changes is the layer as ever."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from build_recipes import RECIPES, context_in
from hard_hosts import around
from wherry_command import Result, Wherry, installed

LOST = "files that a step gives to other users (chown) belong to its own user in the image"


def build(lab: Wherry, folder: Path, recipe: str, *more: str, status: int = 0) -> tuple[list[str], str]:
    """The diff ids of the image that was made, and what was said."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(recipe)
    ended = lab("build", "--progress", "plain", "--owners", "proot", "-t", "made", *more, str(folder))
    assert ended.status == status, str(ended)
    layers = json.loads(lab.ok("inspect", "made"))[0]["RootFS"]["Layers"] if not status else []
    return layers, ended.stdout + ended.stderr


def without_namespaces(lab: Wherry, *words: str, lacks: tuple[str, ...] = ("no-namespaces",)) -> Result:
    command = [*around(*lacks), str(installed()), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=lab.environment, timeout=240, check=False)
    return Result(words, done.returncode, done.stdout, done.stderr)


def left_over(lab: Wherry) -> list[str]:
    return [path.name for path in (lab.folder / "store/tmp").iterdir()]


def shown(lab: Wherry, *paths: str) -> dict[str, str]:
    """Owner and mode of files in the image, as it says itself."""
    lines = lab.ok("run", "--rm", "--fakeroot", "made", "stat", "-c", "%n=%u:%g %a %F", *paths).splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("name", ["links", "removals", "archives", "sources"])
def test_where_nothing_is_given_away_the_layers_are_those_of_every_way(lab: Wherry, tmp_path: Path, name: str) -> None:
    context = context_in(tmp_path / name)
    found = []
    for way in ("supervisor", "proot"):
        found.append(build(lab, context, RECIPES[name], "--no-cache", "--owners", way)[0])
    assert found[0] == found[1]
    assert left_over(lab) == []


CHANGES = """
FROM small
RUN mkdir /d && echo 1 >/d/a && ln /d/a /d/b && ln -s a /d/l && mkfifo /d/p && cp -r /etc/init.d /d/i
RUN rm -r /usr/share/doc && mkdir /usr/share/doc && touch /usr/share/doc/new && rm /d/l && mv /d/i /d/moved \\
    && touch /var/local/of-staff && mkdir /var/local/too && touch /var/local/too/f && echo x >>/etc/gshadow
COPY --chown=5:6 --chmod=4755 Dockerfile /given
RUN test "$(stat -c %a /given)" = 4755 && ln /given /hard \\
    && chmod 700 /d && chmod u-s /usr/bin/passwd
USER games
RUN mkdir /tmp/mine && touch /tmp/mine/f && ln -s f /tmp/mine/l && id -u >/tmp/who
"""


def test_owners_that_no_step_changes_stay_and_what_a_user_makes_is_that_users(lab: Wherry, tmp_path: Path) -> None:
    exact, _ = build(lab, tmp_path, CHANGES, "--no-cache", "--owners", "supervisor")
    made, said = build(lab, tmp_path, CHANGES, "--no-cache")
    assert made == exact
    assert said.count(LOST) == 1
    found = shown(lab, "/var/local/too/f", "/etc/gshadow", "/tmp/mine/l", "/tmp/who", "/hard")
    assert found == {
        "/var/local/too/f": "0:50 644 regular empty file",
        "/etc/gshadow": "0:42 640 regular file",
        "/tmp/mine/l": "5:60 777 symbolic link",
        "/tmp/who": "5:60 644 regular file",
        "/hard": "5:6 4755 regular file",
    }


def test_twice_gives_the_same_and_the_second_time_nothing_is_done(lab: Wherry, tmp_path: Path) -> None:
    recipe = "FROM tiny\nRUN mkdir /d && cp /bin/busybox /d && ln -s x /d/l\nRUN echo 1 >/d/f\nRUN cat /d/f >/d/g\n"
    first, _ = build(lab, tmp_path, recipe, "--no-cache")
    second, said = build(lab, tmp_path, recipe)
    assert first == second and said.count("cached") >= 3
    third, _ = build(lab, tmp_path, recipe, "--no-cache")
    assert third == first
    assert left_over(lab) == []


def test_steps_that_another_way_made_are_taken_for_their_owners(lab: Wherry, tmp_path: Path) -> None:
    recipe = "FROM tiny\nRUN echo given >/f && chown 5:6 /f\n"
    exact, _ = build(lab, tmp_path, recipe, "--owners", "supervisor")
    assert build(lab, tmp_path, recipe)[0] == exact
    lossy, _ = build(lab, tmp_path, recipe, "--no-cache")
    assert lossy != exact
    assert build(lab, tmp_path, recipe, "--owners", "supervisor")[0] == exact


def test_without_namespaces_proot_is_taken_and_it_is_said_aloud_with_what_to_ask_for(
    lab: Wherry, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM tiny\nRUN echo hi >/f && chown 7:8 /f && mknod /x c 1 3 && id -u\n")
    ended = without_namespaces(lab, "build", "--no-cache", "--progress", "plain", "-t", "made", str(tmp_path))
    assert ended.status == 0, str(ended)
    said = " ".join((ended.stdout + ended.stderr).split())
    assert LOST in said and "ask your administrator for: let unshare, mount and pivot_root through" in said
    assert shown(lab, "/f") == {"/f": "0:0 644 regular file"}
    doctor = " ".join(without_namespaces(lab, "doctor").stdout.split())
    assert "commands run under proot: files that they give to other users belong to their own" in doctor
    none = Wherry(tmp_path / "none", {"WHERRY_STORE": str(lab.folder / "store")})
    lacks = ("no-namespaces", "no-ptrace")
    refused = without_namespaces(none, "build", "--owners", "proot", str(tmp_path), lacks=lacks)
    assert refused.status == 125 and "steps cannot run under proot here" in refused.stderr


def test_mounts_of_a_step_are_shown_and_nothing_of_them_stays(lab: Wherry, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/file").write_text("of the context\n")
    (tmp_path / "secret").write_text("hush\n")
    mounts = (
        "--mount=type=bind,source=part,target=/in --mount=type=cache,target=/var/kept --mount=type=tmpfs,target=/mem "
        "--mount=type=secret,id=word --mount=type=bind,from=files,target=/of/stage"
    )
    recipe = f"""
FROM tiny AS files
RUN mkdir /s && echo stage >/s/f
FROM tiny
RUN {mounts} cat /in/file /of/stage/s/f /run/secrets/word && echo changed >/in/file && echo x >>/var/kept/n \\
    && echo y >/mem/y && touch /made && rm /of/stage/s/f && wc -l </var/kept/n >/lines
RUN <<END
echo from a script >/script
END
RUN test ! -e /in/file && test ! -e /mem/y && test ! -e /var/kept/n
"""
    _, said = build(lab, tmp_path, recipe, "--secret", f"id=word,src={tmp_path}/secret")
    assert all(word in said for word in ("of the context", "stage", "hush"))
    assert (tmp_path / "part/file").read_text() == "of the context\n"
    assert lab.ok("run", "--rm", "made", "cat", "/script", "/lines").split("\n")[:2] == ["from a script", "1"]
    listed = lab.ok("run", "--rm", "made", "find", "/", "-xdev", "-name", "secrets", "-o", "-name", "mem")
    assert listed == ""
    build(lab, tmp_path, recipe.replace("touch /made", "touch /other"), "--secret", f"id=word,src={tmp_path}/secret")
    assert lab.ok("run", "--rm", "made", "cat", "/lines") == "2\n"
    assert left_over(lab) == []


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("--network=none", "--network none is not possible with the engine 'proot'"),
        ("--mount=type=tmpfs,target=/m,size=1m", "--mount=type=tmpfs,target=/m,size=... is not possible under proot"),
    ],
)
def test_what_proot_cannot_do_is_refused_by_its_name(lab: Wherry, tmp_path: Path, flag: str, why: str) -> None:
    _, said = build(lab, tmp_path, f"FROM tiny\nRUN {flag} true\n", status=125)
    assert why in said
    assert left_over(lab) == []


def test_a_step_that_fails_leaves_its_files_before_it_and_says_how_to_look_at_them(lab: Wherry, tmp_path: Path) -> None:
    recipe = "FROM tiny\nRUN echo 1 >/one\nRUN rm /one && mkdir -m 0 /shut && exit 3\n"
    _, said = build(lab, tmp_path, recipe, status=3)
    words = said.partition("next: wherry ")[2].partition(",")[0].split()
    assert words[:4] == ["run", "-it", "--writable-copy", "-u"]
    image = words[5]
    ended = without_namespaces(lab, "run", *words[2:5], image, "sh", "-c", "cat /one && echo 2 >/two && id -u")
    assert ended.stdout.split() == ["1", "0"], str(ended)
    assert left_over(lab) == []


def test_stages_side_by_side_have_trees_of_their_own(lab: Wherry, tmp_path: Path) -> None:
    stages = "".join(f"FROM tiny AS s{n}\nRUN echo {n} >/f{n} && ls / | grep -c '^f[0-9]' >/n{n}\n" for n in range(3))
    copies = "".join(f"COPY --from=s{n} /f{n} /n{n} /\n" for n in range(3))
    build(
        lab,
        tmp_path,
        f"{stages}FROM tiny\n{copies}RUN cat /f0 /f1 /f2 /n0 /n1 /n2 | tr -d '\\n' >/all\n",
        "--jobs",
        "3",
    )
    assert lab.ok("run", "--rm", "made", "cat", "/all") == "012111"


def test_what_the_host_is_called_and_resolves_with_is_no_part_of_the_image(lab: Wherry, tmp_path: Path) -> None:
    recipe = """
FROM tiny
RUN cat /etc/resolv.conf >/seen && echo 10.0.0.1 mine >>/etc/hosts && rm /etc/resolv.conf && ls /dev/shm >/shm \\
    && echo $HOSTNAME >/name && touch /dev/shm/mine
RUN test ! -e /dev/shm/mine && grep -q nameserver /etc/resolv.conf /seen
"""
    made, _ = build(lab, tmp_path, recipe)
    names = json.loads(lab.ok("inspect", "made", "--format", "json"))[0]["RootFS"]["Layers"]
    assert names == made
    assert (
        lab.ok("run", "--rm", "made", "sh", "-c", "cat /name; wc -c </shm; grep -c mine /etc/hosts || true")
        == "build\n0\n0\n"
    )
