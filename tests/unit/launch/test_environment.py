"""Which variables pass, and which never do."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

import pytest
from launch_fakes import FakeConfig, FakeImage, FakeImageConfig, FakeTree, make_plan

from wherry.base.settings import Settings
from wherry.launch import LaunchPlan, RunOptions, Surroundings


def result(plan: LaunchPlan, caller: dict[str, str]) -> dict[str, str]:
    """What the launcher makes of the ENV operations (ops.def) for a caller's environment."""
    found: dict[str, str] = {}

    def passes(names: object) -> dict[str, str]:
        patterns = tuple(map(str, names if isinstance(names, tuple) else ()))
        out = [part[1:] for part in patterns if part.startswith("!")]

        def fits(name: str, parts: Iterable[str]) -> bool:
            return any(fnmatch.fnmatchcase(name, part) for part in parts)

        return {name: value for name, value in caller.items() if fits(name, patterns) and not fits(name, out)}

    for item in plan.operations:
        if item.kind in ("ENV_PASS", "ENV_TAKE"):
            found.update(passes(item.fields[0]))
        elif item.kind == "ENV_WHEN" and passes(item.fields[0]):
            found.update(passes(item.fields[1]))
        elif item.kind == "ENV_SET":
            found.update(str(line).split("=", 1) for line in item.fields[0])  # type: ignore[union-attr, misc]
    return found


def image(*env: str) -> FakeImage:
    return FakeImage(config=FakeImageConfig(FakeConfig(env=env)))


def test_a_plain_start_has_few_variables() -> None:
    """Nothing else of the caller's is there."""
    caller = {"TERM": "xterm", "EDITOR": "vi", "SLURM_ACCOUNT": "x", "OMP_NUM_THREADS": "4", "USER": "alice"}
    found = result(make_plan(), caller)
    assert set(found) == {"TERM", "PATH", "HOSTNAME", "container", "HOME"}


@pytest.mark.parametrize(
    "name",
    ["LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "PKG_CONFIG_PATH", "R_LIBS_USER", "MODULEPATH"],
)
def test_what_names_the_hosts_files_never_passes(name: str) -> None:
    """Not even in a batch job."""
    assert name not in result(make_plan(), {name: "/host", "SLURM_JOB_ID": "1", "PMI_RANK": "0"})


def test_path_is_the_images_own() -> None:
    """Or Docker's default, never the host's."""
    assert result(make_plan(), {"PATH": "/host"})["PATH"] == "/opt/bin:/usr/bin"
    assert result(make_plan(image=image()), {"PATH": "/host"})["PATH"].startswith("/usr/local/sbin:")


def test_a_batch_job_passes_its_variables() -> None:
    """Only there; its id is no input of the plan."""
    caller = {
        "SLURM_JOB_ID": "1",
        "SLURM_NTASKS": "8",
        "OMP_NUM_THREADS": "4",
        "CUDA_VISIBLE_DEVICES": "0",
        "PMIX_RANK": "3",
    }
    found = result(make_plan(), caller)
    assert caller.items() <= found.items()


def test_the_image_wins_over_the_caller_and_e_over_both() -> None:
    """In this order: caller, image, settings, -e."""
    plan = make_plan(image=image("TZ=UTC", "http_proxy=x", "A=image"))
    found = result(plan, {"TZ": "Europe/Berlin", "http_proxy": "y"})
    assert (found["TZ"], found["http_proxy"]) == ("UTC", "x")
    settings = Settings({}).with_flag("run.env", ("A=settings", "B"), "WHERRY_RUN_ENV")
    plan = make_plan(RunOptions(env=("A=option", "TZ")), image=image("TZ=UTC", "A=image"), settings=settings)
    found = result(plan, {"TZ": "Europe/Berlin", "B": "caller"})
    assert (found["A"], found["B"], found["TZ"]) == ("option", "caller", "Europe/Berlin")


def test_a_peers_command_line_may_let_in_more() -> None:
    """All but what is kept out, over the image's and Wherry's own, under -e."""
    caller = {"PATH": "/host", "A": "caller", "B": "caller", "LD_PRELOAD": "x", "EDITOR": "vi", "HOME": "/h"}
    options = RunOptions(pass_env=("*", "!PATH", "!LD_*"), env=("B=option",))
    found = result(make_plan(options, image=image("A=image", "PATH=/bin")), caller)
    wanted = {**caller, "PATH": "/bin", "B": "option", "LD_PRELOAD": None, "container": "wherry"}
    assert {name: found.get(name) for name in wanted} == wanted


def test_a_bare_environment_has_nothing_but_what_was_asked_for() -> None:
    """Neither the image's variables nor Wherry's own."""
    options = RunOptions(pass_env=("X_*",), bare_env=True, env=("A=1",))
    assert result(make_plan(options, image=image("B=image")), {"X_1": "x", "TERM": "t"}) == {"X_1": "x", "A": "1"}


def test_e_name_of_an_unset_variable_changes_nothing() -> None:
    """The image's value stays, as in Docker."""
    assert result(make_plan(RunOptions(env=("A",)), image=image("A=image")), {})["A"] == "image"


def test_a_value_may_contain_anything() -> None:
    """Equal signs, spaces, newlines, nothing."""
    found = result(make_plan(RunOptions(env=("A=b=c", "B=", "C=x\ny"))), {})
    assert (found["A"], found["B"], found["C"]) == ("b=c", "", "x\ny")


EN = (("LANG", "en_US.UTF-8"),)


def locale(tree: FakeTree, *wanted: tuple[str, str], env: tuple[str, ...] = ()) -> dict[str, str]:
    found = result(make_plan(tree=tree, image=image(*env), surroundings=Surroundings(locale=wanted)), {})
    return {name: value for name, value in found.items() if name.startswith(("LANG", "LC_"))}


def archive(*names: str) -> bytes:
    """A locale archive of glibc, as far as its names go."""
    table = b"\0".join(name.encode() for name in names) + b"\0"
    words = [0xDE020109, 0, 0, 0, 0, 56, len(table), len(table), *[0] * 6]
    return b"".join(word.to_bytes(4, "little") for word in words) + table


def test_a_locale_that_the_image_lacks_becomes_c_utf8() -> None:
    """Quietly, with all LC_ variables that it lacks."""
    wanted = (("LANG", "en_US.UTF-8"), ("LC_TIME", "de_DE.UTF-8"), ("LC_NUMERIC", "C"))
    assert locale(FakeTree(), *wanted) == {"LANG": "C.UTF-8", "LC_NUMERIC": "C"}


def test_a_locale_that_the_image_has_is_kept() -> None:
    """As a directory, in glibc's archive, and with musl, which takes any."""
    assert locale(FakeTree({"/usr/lib/locale/en_US.utf8/LC_CTYPE": b""}), *EN) == {"LANG": "en_US.UTF-8"}
    assert locale(FakeTree({"/usr/lib/locale/locale-archive": archive("de_DE.utf8", "en_US.utf8")}), *EN) == {
        "LANG": "en_US.UTF-8"
    }
    assert locale(FakeTree({"/lib/ld-musl-x86_64.so.1": b""}), *EN) == {"LANG": "en_US.UTF-8"}


def test_a_broken_locale_archive_has_no_names() -> None:
    """Its numbers are not believed."""
    broken = archive("en_US.utf8")[:20] + (0xFFFFFFFF).to_bytes(4, "little") + b"\xff" * 40
    assert locale(FakeTree({"/usr/lib/locale/locale-archive": broken}), *EN) == {"LANG": "C.UTF-8"}


def test_the_images_locale_wins() -> None:
    """One that sets LANG has thought about it."""
    assert locale(FakeTree(), *EN, env=("LANG=fr_FR.UTF-8",)) == {"LANG": "fr_FR.UTF-8"}


def test_an_image_without_any_locale_gets_none() -> None:
    """C.UTF-8 would be one more that it lacks."""
    tree = FakeTree()
    del tree.files["/usr/lib/locale/C.utf8/LC_CTYPE"]
    assert locale(tree, *EN) == {}


def test_lc_all_does_not_survive_a_replacement() -> None:
    """It would overrule the C.UTF-8 that replaces the missing one."""
    tree = FakeTree({"/usr/lib/locale/de_DE.utf8/LC_CTYPE": b""})
    assert locale(tree, ("LANG", "xx_XX.UTF-8"), ("LC_ALL", "de_DE.UTF-8")) == {"LANG": "C.UTF-8"}
