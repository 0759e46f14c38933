"""``wherry expose``: an image's programs as commands of the host, and modulefiles that lead to them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import images
from waiting import until
from wherry_command import Wherry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bin"


def call(wherry: Wherry, *command: str | Path, status: int = 0, **more: object) -> str:
    """What an exposed command prints, called as a user would."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**wherry.environment, **more.pop("env", {})},  # type: ignore[dict-item]
        capture_output=True,
        text=True,
        timeout=60,
        **more,  # type: ignore[call-overload]
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def test_a_command_runs_in_the_image_as_if_it_were_installed(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    made = seeded.ok("expose", "--dir", str(folder), "tiny", "wc", "cat")
    assert made.split() == [f"{folder}/cat", f"{folder}/wc"]
    (tmp_path / "data.txt").write_text("one two\n")
    assert call(seeded, folder / "wc", "-w", "data.txt", cwd=tmp_path).split() == ["2", "data.txt"]
    assert call(seeded, folder / "cat", input="through") == "through"
    assert call(seeded, folder / "cat", "--", str(tmp_path / "data.txt")) == "one two\n"


def test_arguments_arrive_as_they_are(seeded: Wherry, folder: Path) -> None:
    seeded.ok("expose", "--dir", str(folder), "--as", "args=printf '%s|'", "tiny")
    assert call(seeded, folder / "args", "a b", "", "$HOME", "-x", "--", "'\"\\") == "a b||$HOME|-x|--|'\"\\|"


def test_exit_status_and_signals_are_the_commands(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    seeded.ok("expose", "--dir", str(folder), "tiny", "sh")
    call(seeded, folder / "sh", "-c", "exit 42", status=42)
    script = f"trap 'exit 9' INT; touch {tmp_path}/ready; sleep 60 & wait"
    process = subprocess.Popen([folder / "sh", "-c", script], env=seeded.environment)
    until(lambda: (tmp_path / "ready").exists())
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 9


def test_the_script_says_who_made_it_and_names_the_image_by_its_digest(seeded: Wherry, folder: Path) -> None:
    seeded.ok("expose", "--dir", str(folder), "tiny", "true")
    text = (folder / "true").read_text()
    digest = seeded.ok("images", "tiny", "--digests", "--format", "{{.Digest}}").split()[0]
    assert text.startswith("#!/bin/sh\n") and "wherry expose --update" in text
    assert f"docker.io/library/tiny@{digest} true" in text


def test_the_entry_point_of_the_image_does_not_come_between(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    layout = tmp_path / "entry.oci"
    images.write_layout(layout, [images.tiny_layer()], {"Entrypoint": ["/bin/echo", "entered"]})
    seeded.ok("load", "-q", str(layout))
    seeded.ok("expose", "--dir", str(folder), f"{layout}/", "pwd")
    assert call(seeded, folder / "pwd", cwd=tmp_path).strip() == str(tmp_path)


def test_binds_and_variables_of_the_command(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file").write_text("content")
    bound = ("-v", f"{tmp_path}/set:/srv/set:ro", "-e", "MODE=fast")
    seeded.ok("expose", "--dir", str(folder), *bound, "tiny", "sh")
    assert call(seeded, folder / "sh", "-c", "cat /srv/set/file; echo $MODE") == "contentfast\n"
    assert "Read-only" in call(seeded, folder / "sh", "-c", "touch /srv/set/new 2>&1; true")


def test_another_name_and_several_versions_side_by_side(seeded: Wherry, tmp_path: Path) -> None:
    for version in ("1", "2"):
        layout = tmp_path / f"v{version}.oci"
        layer = images.Layer().file("bin/tool", f"#!/bin/sh\necho version {version}\n".encode(), 0o755)
        images.write_layout(layout, [images.tiny_layer(), layer.tar()], {})
        place = tmp_path / "tool" / version
        seeded.ok("expose", "--dir", str(place), "--as", f"tool{version}=tool", f"{layout}/", "tool")
        assert call(seeded, place / "tool") == call(seeded, place / f"tool{version}") == f"version {version}\n"
    assert call(seeded, tmp_path / "tool/1/tool") == "version 1\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tiny", "no-such-program"), "has no program 'no-such-program'"),
        (("tiny", "/opt/none"), "has no program '/opt/none'"),
        (("tiny", "readlnk"), "did you mean readlink?"),
        (("tiny",), "no command is named"),
        ((), "no image is named"),
        (("--as", "tool", "tiny"), "'--as tool' is not understood"),
        (("--as", "a/b=true", "tiny"), "cannot be a command's name"),
        (("--module-name", "a/b", "tiny", "true"), "no folder for modulefiles"),
        (("--list", "--remove"), "cannot be combined"),
        (("--list", "--all"), "--all has no meaning with --list"),
        (("--remove", "nothing"), "'nothing' is no exposed command"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    seeded: Wherry, folder: Path, words: tuple[str, ...], said: str
) -> None:
    result = seeded("expose", "--dir", str(folder), *words)
    assert (result.status, folder.exists()) == (125, False) and said in result.stderr


def test_somebody_elses_program_is_never_touched(seeded: Wherry, folder: Path) -> None:
    folder.mkdir()
    (folder / "wc").write_text("#!/bin/sh\necho real\n")
    refused = seeded("expose", "--dir", str(folder), "tiny", "cat", "wc")
    assert refused.status == 125 and "is another program" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["wc"]
    refused = seeded("expose", "--dir", str(folder), "--remove", "wc")
    assert refused.status == 125 and "real" in (folder / "wc").read_text()


def test_listing_and_removing(seeded: Wherry, folder: Path) -> None:
    seeded.ok("expose", "--dir", str(folder), "--as", "count=wc -l", "tiny", "cat")
    (folder / "other").write_text("#!/bin/sh\n")
    form = ("--format", "{{.Name}}|{{.Command}}|{{.Image}}")
    assert seeded.ok("expose", "--list", "--dir", str(folder), *form).splitlines() == [
        "cat|cat|tiny",
        "count|wc -l|tiny",
    ]
    assert str(folder / "cat") in seeded.ok("expose", "--remove", "--dry-run", "--dir", str(folder), "cat")
    assert seeded.ok("expose", "--remove", "--dir", str(folder), "cat", "count").split() == [
        f"{folder}/cat", f"{folder}/count"
    ]  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["other"]


def test_without_a_folder_commands_go_to_the_users_own_programs(seeded: Wherry) -> None:
    own = seeded.folder / "home/.local/bin"
    result = seeded("expose", "tiny", "true")
    assert result.stdout.strip() == f"{own}/true"
    assert "is still" in result.stderr or "is not in PATH" in result.stderr
    path = {"PATH": f"{own}:{seeded.environment['PATH']}"}
    assert seeded("expose", "tiny", "true", env=path).stderr == ""
    seeded.ok("expose", "--remove", "true", env=path)
    assert not (own / "true").exists()


def test_a_dry_run_makes_nothing(seeded: Wherry, folder: Path) -> None:
    shown = seeded.ok("expose", "--dry-run", "--dir", str(folder), "--module", str(folder / "m"), "tiny", "cat")
    assert f"{folder}/cat" in shown and f"{folder}/m/tiny/latest.lua" in shown and not folder.exists()


def test_a_warm_command_uses_a_saved_plan(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    seeded.ok("expose", "--dir", str(folder), "tiny", "echo")
    call(seeded, folder / "echo", "1")
    done = subprocess.run(
        [folder / "echo", "2"],
        env={**seeded.environment, "WHERRY_EXPLAIN": "plan"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_an_update_follows_the_name_and_an_exposed_image_is_no_left_over(
    wherry: Wherry, registry: object, folder: Path, tmp_path: Path
) -> None:
    """The tag moves in the registry: until the update the command stays what it was, also after a prune."""
    name = f"{registry.address}/moving:1"  # type: ignore[attr-defined]

    def push(version: str) -> None:
        layout = tmp_path / f"moving{version}.oci"
        layer = images.Layer().file("bin/tool", f"#!/bin/sh\necho version {version}\n".encode(), 0o755)
        images.write_layout(layout, [images.tiny_layer(), layer.tar()], {})
        copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
        subprocess.run([*copy, f"oci:{layout}:latest", f"docker://{name}"], check=True)

    push("1")
    wherry.ok("expose", "-q", "--dir", str(folder), name, "tool")
    assert "as before" in wherry.ok("expose", "-q", "--update", "--dir", str(folder))
    assert wherry.ok("expose", "--update", "--dry-run", "--dir", str(folder)) == "nothing would change\n"
    push("2")
    wherry.ok("pull", "-q", name)
    wherry.ok("prune", "-f")
    assert call(wherry, folder / "tool") == "version 1\n"
    assert "update" in wherry.ok("expose", "--update", "--dry-run", "--dir", str(folder))
    assert call(wherry, folder / "tool") == "version 1\n"
    assert "sha256:" in wherry.ok("expose", "-q", "--update", "--dir", str(folder), "tool")
    assert call(wherry, folder / "tool") == "version 2\n"


def test_all_programs_of_the_image_but_those_of_the_system(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    layer = images.Layer().directory("opt").directory("opt/bin")
    for name in ("mProject", "mAdd"):
        layer.file(f"opt/bin/{name}", b"#!/bin/sh\necho $0\n", 0o755)
    layer.file("opt/bin/README", b"no program")
    layout = tmp_path / "suite.oci"
    images.write_layout(layout, [images.tiny_layer(), layer.tar()], {"Env": ["PATH=/opt/bin:/usr/bin:/bin"]})
    seeded.ok("expose", "--all", "--dir", str(folder), f"{layout}/")
    assert sorted(path.name for path in folder.iterdir()) == ["mAdd", "mProject"]
    assert call(seeded, folder / "mAdd") == "/opt/bin/mAdd\n"


# ---- modulefiles ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def environment_modules() -> str:
    """Environment Modules' program, out of Debian's package: the package itself cannot be beside Lmod's."""
    place = images.cache() / "environment-modules"
    program = place / "usr/lib/x86_64-linux-gnu/modulecmd.tcl"
    if not list(place.glob("usr/lib/*/modulecmd.tcl")):
        place.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "-qq", "download", "environment-modules"], cwd=place, check=True, timeout=120)
        [package] = place.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, place], check=True)
    [program] = place.glob("usr/lib/*/modulecmd.tcl")
    return f'eval "$(tclsh {program} bash "$@")"'


LMOD = 'eval "$(/usr/share/lmod/lmod/libexec/lmod bash "$@")"'


@pytest.fixture(params=["lmod", "environment-modules"])
def module(request: pytest.FixtureRequest) -> Callable[..., str]:
    """``module(wherry, modules, script)``: what a shell prints that has the function ``module``."""
    body = LMOD if request.param == "lmod" else request.getfixturevalue("environment_modules")

    def run(wherry: Wherry, modules: Path, script: str) -> str:
        text = f"module() {{ {body}; }}\nexport MODULEPATH={modules}\n{script}"
        done = subprocess.run(["bash", "-c", text], env=wherry.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_module_load_gives_the_commands(seeded: Wherry, tmp_path: Path, module: Callable[..., str]) -> None:
    modules = tmp_path / "modules"
    made = seeded("expose", "--module", str(modules), "--as", "tool=echo it is", "tiny", "readlink")
    assert f"module use {modules}; module load tiny/latest" in made.stderr
    script = "type tool; module load tiny/latest; tool 42; module unload tiny/latest; type tool"
    shown = module(seeded, modules, f"{{ {script}; }} 2>&1; true").splitlines()
    assert "not found" in shown[0] and "it is 42" in shown and "not found" in shown[-1]
    assert "tiny/latest" in module(seeded, modules, "module avail 2>&1; true")
    assert "tool" in module(seeded, modules, "module whatis tiny/latest 2>&1; true")


def test_versions_of_a_module_exclude_each_other(seeded: Wherry, tmp_path: Path, module: Callable[..., str]) -> None:
    modules = tmp_path / "modules"
    for version in ("1.0", "2.0"):
        words = ("--module-name", f"tool/{version}", "--as", f"tool=echo {version}", "tiny")
        seeded.ok("expose", "--module", str(modules), *words)
    assert "2.0 x" in module(seeded, modules, "module load tool/2.0; tool x")
    both = module(seeded, modules, "module load tool/1.0; module load tool/2.0; tool x; true")
    assert len([line for line in both.splitlines() if line in ("1.0 x", "2.0 x")]) == 1


def test_strange_letters_in_names_are_only_letters(seeded: Wherry, tmp_path: Path, module: Callable[..., str]) -> None:
    modules = tmp_path / "mo du$les [x] \\ {"
    seeded.ok("expose", "--module", str(modules), "--as", 'tool=echo "$x" [y]', "tiny")
    tcl, lua = modules / "tiny/latest", modules / "tiny/latest.lua"
    assert tcl.exists() and lua.exists()
    elsewhere = tmp_path / "elsewhere"  # MODULEPATH itself cannot hold a blank everywhere
    elsewhere.symlink_to(modules)
    assert "$x [y] z" in module(seeded, elsewhere, "module load tiny; tool z")


def test_the_modulefile_goes_with_its_last_command(seeded: Wherry, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    seeded.ok("expose", "--module", str(modules), "tiny", "cat", "wc")
    place = modules / ".commands/tiny/latest"
    seeded.ok("expose", "--remove", "--dir", str(place), "cat")
    assert (modules / "tiny/latest.lua").exists()
    seeded.ok("expose", "--remove", "--dir", str(place), "wc")
    assert sorted(os.listdir(modules)) == [".commands"] and not os.listdir(modules / ".commands")


def test_another_modulefile_is_never_replaced(seeded: Wherry, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    (modules / "tiny").mkdir(parents=True)
    (modules / "tiny/latest").write_text("#%Module\nset hand made\n")
    refused = seeded("expose", "--module", str(modules), "tiny", "cat")
    assert refused.status == 125 and "was not made by 'wherry expose'" in refused.stderr
    assert not (modules / ".commands").exists()


def test_images_in_files_are_run_in_place_or_by_their_digest(seeded: Wherry, folder: Path, tmp_path: Path) -> None:
    layout, sif = tmp_path / "layout", tmp_path / "tiny.sif"
    seeded.ok("save", "-q", "--format", "oci", "-o", str(layout), "tiny")
    seeded.ok("pack", "-q", "tiny", str(sif))
    home = seeded.folder / "home"
    words = ("docker://tiny", f"oci:{layout}", f"oci:{os.path.relpath(layout, home)}", f"sif:{sif}", str(sif))
    for number, word in enumerate(words):
        seeded.ok("expose", "--dir", str(folder), "--as", f"say{number}=echo {number}", word)
        assert call(seeded, folder / f"say{number}", cwd=tmp_path) == f"{number}\n", word
    sif.rename(tmp_path / "moved.sif")
    call(seeded, folder / "say4", status=125)
    assert call(seeded, folder / "say1") == "1\n"


def test_an_update_of_an_image_that_no_registry_has_takes_what_is_held(
    wherry: Wherry, registry: object, folder: Path, tmp_path: Path
) -> None:
    name = f"{registry.address}/only/here:1"  # type: ignore[attr-defined]
    for version in ("1", "2"):
        layer = images.Layer().file("bin/tool", f"#!/bin/sh\necho version {version}\n".encode(), 0o755)
        images.write_layout(tmp_path / version, [images.tiny_layer(), layer.tar()], {})
        digest = wherry.ok("load", "-q", str(tmp_path / version)).strip()
        wherry.ok("tag", digest, name)
        if version == "1":
            wherry.ok("expose", "--dir", str(folder), name, "tool")
    assert "update" in wherry.ok("expose", "--update", "--dry-run", "--dir", str(folder))
    result = wherry("expose", "--update", "--dir", str(folder))
    assert result.status == 0 and "as held here" in result.stderr, result
    assert call(wherry, folder / "tool") == "version 2\n"
