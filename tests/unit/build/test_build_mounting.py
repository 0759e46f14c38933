"""What a step's mounts come to: options of its start; and what is made, locked and removed for them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waiting import until
from wherry.base.errors import NotFound, StoreError, UsageError
from wherry.base.outside import Outside
from wherry.base.progress import Event
from wherry.build.dockerfile.instructions import Position
from wherry.build.graph import Files, MountFrom, Origin, RunStep
from wherry.build.mounting import Given, Shown, given_by, mounting, mounts_for
from wherry.build.secrets import Secret, in_memory, parse_secrets, read_secret
from wherry.launch import Bind, RunOptions
from wherry.store import CacheRule, cache_mount, open_at, prune_cache, usage

CACHE = MountFrom(type="cache", target="/root/.cache", id="pip")
SECRET = MountFrom(type="secret", target="/run/secrets/token", id="token")


def step(*mounts: MountFrom) -> RunStep:
    return RunStep(origin=Origin(Position(7), "RUN make", "build"), parent=0, command=("make",), mounts=mounts)


def given(tmp_path: Path, **more: Any) -> Given:
    store = open_at(str(tmp_path / "store"))
    (tmp_path / "run").mkdir(exist_ok=True, mode=0o700)
    return Given(store.path, str(tmp_path / "run"), **more)


def no_directory(mount: MountFrom) -> str:
    raise AssertionError("nothing is bound")


def options(shown: Shown) -> RunOptions:
    return shown.added_to(RunOptions())


# ---- what is pure -------------------------------------------------------------------------------------------------


def shown_of(mount: MountFrom, *, folder: bool = True) -> RunOptions:
    return options(mounts_for(step(mount), {0: "/host/place"}, {}, lambda path: folder))


def test_a_cache_is_a_bind_that_can_be_written_with_a_mount_point() -> None:
    found = shown_of(CACHE)
    assert found.binds == (Bind("/host/place", "/root/.cache"),)
    assert (found.places, found.place_files) == (("/root/.cache",), ())


def test_a_bind_is_read_only_unless_the_recipe_says_so() -> None:
    bind = MountFrom(type="bind", target="/src", files=Files(kind="context"), read_only=True)
    assert shown_of(bind).binds[0].read_only


def test_a_secret_is_a_read_only_file() -> None:
    found = shown_of(SECRET, folder=False)
    assert found.binds == (Bind("/host/place", "/run/secrets/token", read_only=True),)
    assert (found.places, found.place_files) == ((), ("/run/secrets/token",))


def test_a_secret_can_be_a_variable() -> None:
    mount = MountFrom(type="secret", target="/run/secrets/token", id="token", env="TOKEN")
    shown = mounts_for(step(mount), {0: "/host/place"}, {0: "hush"}, lambda path: False)
    assert shown.secrets == {"TOKEN": "hush"}
    assert options(shown).env == ("TOKEN",), "the value is in no option: plans and records have these"


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        (MountFrom(type="tmpfs", target="/tmp/x"), "exec,mode=1777"),
        (MountFrom(type="tmpfs", target="/tmp/x", size=4096, mode=0o700), "exec,mode=700,size=4096"),
    ],
)
def test_a_tmpfs_can_be_executed_from(mount: MountFrom, text: str) -> None:
    assert shown_of(mount).tmpfs == (("/tmp/x", text),)


def test_the_first_agent_is_the_one_that_ssh_asks() -> None:
    mounts = [MountFrom(type="ssh", target=f"/run/{name}", id=name) for name in ("a", "b")]
    found = options(mounts_for(step(*mounts), {0: "/a.sock", 1: "/b.sock"}, {}, lambda path: False))
    assert found.env == ("SSH_AUTH_SOCK=/run/a",)
    assert found.place_files == ("/run/a", "/run/b")


def test_what_was_not_given_is_not_shown() -> None:
    assert mounts_for(step(SECRET), {}, {}, lambda path: False) == Shown()


# ---- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("id=a,src=/x/y", Secret("/x/y")),
        ("id=a,source=y", Secret("{cwd}/y")),
        ('id=a,"src=/x,y"', Secret("/x,y")),
        ("id=a,env=TOKEN", Secret("TOKEN", True)),
        ("id=a,type=env,src=TOKEN", Secret("TOKEN", True)),
        ("id=a,type=env", Secret("a", True)),
        ("type=file,id=SET", Secret("{cwd}/SET")),
        ("id=SET", Secret("SET", True)),
        ("id=UNSET", Secret("{cwd}/UNSET")),
    ],
)
def test_where_a_secret_is(text: str, secret: Secret) -> None:
    outside = Outside({"SET": "1"})
    (found,) = parse_secrets((text,), outside).values()
    assert found == Secret(secret.source.format(cwd=os.getcwd()), secret.is_variable)


@pytest.mark.parametrize("text", ["", "token", "src=/x", "id=a,src=/x,env=Y", "id=a,type=x", "id=a,mode=0400"])
def test_a_secret_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--secret"):
        parse_secrets((text,), Outside({}))


def test_a_secret_is_in_a_file_for_the_time_of_the_step(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    here = given(tmp_path, secrets={"token": Secret(str(tmp_path / "token"))})
    with mounting(here, step(SECRET), no_directory) as shown:
        place = Path(shown.binds[0].source)
        assert place.read_text() == "hush"
        assert place.stat().st_mode & 0o777 == 0o400
        assert place.parent.stat().st_mode & 0o777 == 0o700
        assert not place.is_relative_to(here.store)
    assert not place.parent.exists()


def test_a_secrets_mode_is_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hush")
    here = given(tmp_path, secrets={"token": Secret("TOKEN", True)})
    mount = MountFrom(type="secret", target="/t", id="token", mode=0o440)
    with mounting(here, step(mount), no_directory) as shown:
        assert Path(shown.binds[0].source).stat().st_mode & 0o777 == 0o440


def test_a_required_secret_that_was_not_given_is_an_error_with_its_line(tmp_path: Path) -> None:
    mount = MountFrom(type="secret", target="/t", id="token", required=True)
    with (
        pytest.raises(NotFound, match="the secret 'token' was not given"),
        mounting(given(tmp_path), step(mount), no_directory),
    ):
        pass
    with mounting(given(tmp_path), step(SECRET), no_directory) as shown:
        assert shown == Shown()


def test_what_has_a_zero_byte_can_be_no_variable(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"a\0b")
    here = given(tmp_path, secrets={"token": Secret(str(tmp_path / "token"))})
    mount = MountFrom(type="secret", target="/t", id="token", env="TOKEN")
    with pytest.raises(UsageError, match="cannot be a variable"), mounting(here, step(mount), no_directory):
        pass


def test_what_is_too_large_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * (501 << 10))
    with pytest.raises(UsageError, match="too large"):
        read_secret("data", Secret(str(tmp_path / "data")))


@pytest.mark.parametrize("secret", [Secret("/nonexistent/file"), Secret("WHERRY_NO_SUCH_VARIABLE", True)])
def test_a_secret_that_is_not_there_is_an_error(secret: Secret) -> None:
    with pytest.raises(NotFound, match="'token' cannot be had"):
        read_secret("token", secret)


def test_secrets_of_a_killed_build_go_with_the_next_one(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with in_memory({"a": (b"hush", 0o400)}, str(tmp_path)) as paths:
            (tmp_path / "where").write_text(paths["a"])
            os._exit(0)
    os.waitpid(child, 0)
    left = Path((tmp_path / "where").read_text())
    assert left.exists()
    with in_memory({}, str(tmp_path)):
        assert not left.parent.exists()


def test_secrets_of_a_build_that_runs_stay(tmp_path: Path) -> None:
    with in_memory({"a": (b"one", 0o400)}, str(tmp_path)) as first, in_memory({"a": (b"two", 0o400)}, str(tmp_path)):
        assert Path(first["a"]).read_text() == "one"


# ---- agents -------------------------------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, "-C", "of a test"], check=True)
    return path


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    socket = str(tmp_path / "agent.sock")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    until(lambda: os.path.exists(socket))
    yield socket
    process.terminate()
    process.wait()


SSH = MountFrom(type="ssh", target="/run/agent", id="default")


def keys_behind(socket: str) -> str:
    return subprocess.run(
        ["ssh-add", "-l"], env={**os.environ, "SSH_AUTH_SOCK": socket}, capture_output=True, text=True
    ).stdout


def test_the_callers_agent_is_shown(tmp_path: Path, agent: str) -> None:
    outside = Outside({"SSH_AUTH_SOCK": agent})
    here = given_by((), ("default",), outside, given(tmp_path).store, str(tmp_path / "run"))
    with mounting(here, step(SSH), no_directory) as shown:
        assert shown.binds == (Bind(agent, "/run/agent"),)
        assert shown.env == ("SSH_AUTH_SOCK=/run/agent",)


def test_a_key_gets_an_agent_for_the_time_of_the_step(tmp_path: Path, key: Path) -> None:
    here = given(tmp_path, agents={"default": (str(key),)})
    with mounting(here, step(SSH), no_directory) as shown:
        socket = shown.binds[0].source
        assert "of a test" in keys_behind(socket)
    assert not os.path.exists(os.path.dirname(socket))


def test_a_key_with_a_passphrase_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path], check=True)
    here = given(tmp_path, agents={"default": (str(path),)})
    with pytest.raises(UsageError, match="cannot be used for --ssh"), mounting(here, step(SSH), no_directory):
        pass


def test_an_agent_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(NotFound, match="finds no agent"):
        given_by((), ("default",), Outside({}), "", "")


def test_a_required_agent_that_was_not_given_is_an_error(tmp_path: Path) -> None:
    mount = MountFrom(type="ssh", target="/run/agent", id="default", required=True)
    with (
        pytest.raises(NotFound, match="the SSH agent 'default' was not given"),
        mounting(given(tmp_path), step(mount), no_directory),
    ):
        pass


# ---- caches -------------------------------------------------------------------------------------------------------


def test_a_cache_keeps_what_was_left_in_it(tmp_path: Path) -> None:
    here = given(tmp_path)
    for expected in ([], ["wheel"]):
        with mounting(here, step(CACHE), no_directory) as shown:
            place = Path(shown.binds[0].source)
            assert sorted(os.listdir(place)) == expected
            (place / "wheel").touch()


def test_caches_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    other = MountFrom(type="cache", target="/root/.cache", id="other")
    with mounting(given(tmp_path), step(CACHE, other), no_directory) as shown:
        assert shown.binds[0].source != shown.binds[1].source


def test_a_caches_folder_is_closed_to_others_and_has_the_recipes_mode(tmp_path: Path) -> None:
    here = given(tmp_path)
    mount = MountFrom(type="cache", target="/c", id="c", mode=0o1777)
    with mounting(here, step(mount), no_directory) as shown:
        assert os.stat(shown.binds[0].source).st_mode & 0o7777 == 0o1777
    assert os.stat(f"{here.store}/cache").st_mode & 0o777 == 0o700


def test_an_empty_cache_is_filled_from_where_the_recipe_says_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "below" / "file").write_text("first")
    (source / "link").symlink_to("below/file")
    mount = MountFrom(type="cache", target="/c", id="c", files=Files(kind="step", step=1, paths=("/x",)))
    here = given(tmp_path)
    with mounting(here, step(mount), lambda asked: str(source)) as shown:
        place = Path(shown.binds[0].source)
        assert (place / "link").read_text() == "first"
        (place / "below" / "file").unlink()
    with mounting(here, step(mount), no_directory) as shown:
        assert os.listdir(Path(shown.binds[0].source) / "below") == []


def test_a_cache_that_cannot_be_filled_is_an_error_and_stays_empty(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").touch()
    os.mkfifo(source / "pipe")
    mount = MountFrom(type="cache", target="/c", id="c", files=Files(kind="step", step=1, paths=("/x",)))
    here = given(tmp_path)
    with (
        pytest.raises(StoreError, match=r"'c' cannot be filled: .*pipe"),
        mounting(here, step(mount), lambda asked: str(source)),
    ):
        pass
    with mounting(here, step(MountFrom(type="cache", target="/c", id="c")), no_directory) as shown:
        place = Path(shown.binds[0].source)
        assert os.listdir(place) == []
        assert sorted(os.listdir(place.parent)) == ["about", "tree", "using"]


def test_a_cache_that_its_step_closed_is_shown_again_and_can_be_removed(tmp_path: Path) -> None:
    mount = MountFrom(type="cache", target="/c", id="c", files=Files(kind="step", step=1, paths=("/x",)))
    here = given(tmp_path)
    with mounting(here, step(MountFrom(type="cache", target="/c", id="c")), no_directory) as shown:
        Path(shown.binds[0].source, "file").touch()
        os.chmod(shown.binds[0].source, 0)
    with mounting(here, step(mount), no_directory) as shown:
        assert shown.binds[0].target == "/c"
    assert prune_cache(open_at(here.store), CacheRule(limit=0)).mounts == ("c",)


def test_one_step_may_show_a_locked_cache_twice(tmp_path: Path) -> None:
    mounts = [MountFrom(type="cache", target=target, id="c", sharing="locked") for target in ("/a", "/b")]
    with mounting(given(tmp_path), step(*mounts), no_directory) as shown:
        assert shown.binds[0].source == shown.binds[1].source


def sharing(mode: str) -> RunStep:
    return step(MountFrom(type="cache", target="/c", id="c", sharing=mode))


def test_a_shared_cache_is_shared(tmp_path: Path) -> None:
    here = given(tmp_path)
    with (
        mounting(here, sharing("shared"), no_directory) as one,
        mounting(here, sharing("shared"), no_directory) as two,
    ):
        assert one == two


def test_a_private_cache_is_another_one_while_it_is_used(tmp_path: Path) -> None:
    here = given(tmp_path)
    with (
        mounting(here, sharing("private"), no_directory) as one,
        mounting(here, sharing("private"), no_directory) as two,
    ):
        assert one != two
    with mounting(here, sharing("private"), no_directory) as three:
        assert three == one


def test_a_private_cache_is_not_one_that_is_shared_now(tmp_path: Path) -> None:
    here = given(tmp_path)
    with (
        mounting(here, sharing("shared"), no_directory) as one,
        mounting(here, sharing("private"), no_directory) as two,
    ):
        assert one != two


@pytest.mark.parametrize(("first", "second"), [("locked", "locked"), ("locked", "shared"), ("shared", "locked")])
def test_who_comes_later_to_a_locked_cache_waits_and_is_told_so(tmp_path: Path, first: str, second: str) -> None:
    here = given(tmp_path)
    told: list[Event] = []
    entered: list[float] = []

    def later() -> None:
        with mounting(here, sharing(second), no_directory, told.append):
            entered.append(time.monotonic())

    with mounting(here, sharing(first), no_directory):
        thread = threading.Thread(target=later)
        thread.start()
        until(lambda: bool(told))
        assert not entered
        left = time.monotonic()
    thread.join(30)
    assert entered and entered[0] > left
    assert "'c'" in told[0].item and "waiting" in told[0].message


@pytest.mark.parametrize("mode", ["shared", "locked", "private"])
def test_a_lock_dies_with_its_holder(tmp_path: Path, mode: str) -> None:
    here = given(tmp_path)
    child = os.fork()
    if not child:
        with mounting(here, sharing(mode), no_directory):
            os._exit(0)
    os.waitpid(child, 0)
    began = time.monotonic()
    with mounting(here, sharing("locked"), no_directory):
        assert time.monotonic() - began < 10


def test_two_steps_that_lock_caches_in_another_order_do_not_wait_for_each_other(tmp_path: Path) -> None:
    here = given(tmp_path)
    mounts = [MountFrom(type="cache", target=f"/{name}", id=name, sharing="locked") for name in ("a", "b")]
    ended: list[int] = []

    def work(order: int) -> None:
        for _ in range(10):
            with mounting(here, step(*mounts[::order]), no_directory):
                pass
        ended.append(order)

    threads = [threading.Thread(target=work, args=(order,), daemon=True) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ended) == [-1, 1]


def filled(store: str, identity: str, size: int) -> None:
    with cache_mount(store, identity, "shared", lambda event: None) as path:
        Path(path, "file").write_bytes(b"x" * size)


def test_caches_are_counted_and_pruned(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    filled(store.path, "pip", 1 << 20)
    found = usage(store)
    assert found.mounts == 1
    assert 1 << 20 <= found.mounts_size < 2 << 20
    assert prune_cache(store, CacheRule(limit=0), dry_run=True).mounts == ("pip",)
    gone = prune_cache(store, CacheRule(limit=0))
    assert (gone.mounts, gone.bytes) == (("pip",), found.mounts_size)
    assert os.listdir(f"{store.path}/cache/mounts") == []


def test_a_cache_is_measured_again_after_it_was_used(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    filled(store.path, "pip", 1 << 20)
    before = usage(store).mounts_size
    filled(store.path, "pip", 3 << 20)
    assert usage(store).mounts_size >= before + (2 << 20)


def test_the_cache_unused_for_longest_goes_first(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    for name in ("old", "new"):
        filled(store.path, name, 1 << 20)
        time.sleep(0.02)
    assert prune_cache(store, CacheRule(limit=3 << 19)).mounts == ("old",)


def test_a_cache_that_is_used_stays(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    with cache_mount(store.path, "pip", "shared", lambda event: None) as path:
        Path(path, "file").touch()
        assert prune_cache(store, CacheRule(limit=0)).mounts == ()
        assert Path(path, "file").exists()
