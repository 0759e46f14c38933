"""The build cache between stores, processes and commands: nothing made up, real layers, a real registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from registry_server import RegistryServer
from stores import digest_of, nothing_runs
from waiting import until
from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NetworkFailed, WherryError
from wherry.base.outside import Outside
from wherry.base.progress import Event
from wherry.build.cache import Cache, Found, build_cache, inline_member
from wherry.containers import World
from wherry.image import Rules, make_image, make_layer, open_image
from wherry.store import CacheRule, Layer, Store, open_at, prune, prune_cache
from wherry_command import Wherry


def world(folder: Path, **variables: str) -> World:
    environment = {
        "HOME": "/nonexistent",
        "WHERRY_STORE": str(folder / "store"),
        "WHERRY_SITE_SETTINGS": "/nonexistent",
        "CONTAINERS_REGISTRIES_CONF": "/nonexistent",
        **variables,
    }
    return World(Outside(environment))


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> World:
    return world(tmp_path / "there")


@pytest.fixture
def mine(wherry: Wherry, tiny: str) -> Wherry:
    """The command in a store that has the tiny image as ``tiny``."""
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    return wherry


def key(name: str) -> Digest:
    return digest_of(f"step {name}")


def layer_of(store: Store, name: str, content: str = "", below: tuple[Layer, ...] = ()) -> Layer:
    """A layer as a step leaves it: one file."""
    work = store.new_work()
    os.mkdir(f"{work}/upper")
    Path(f"{work}/upper/{name}").write_text(content or f"what {name} made\n" * 1000)
    made = make_layer(store, below, f"{work}/upper", rules=Rules(epoch=0))
    store.discard(work)
    assert made is not None
    return made.layer


def build(cache: Cache, store: Store, *names: str) -> tuple[Layer, ...]:
    """One step after the other, each found or made; the layers."""
    layers: list[Layer] = []
    for name in names:
        below = tuple(layer.meta.diff_id for layer in layers)
        while (found := cache.find(key(name), below)) is None:
            with cache.flight(key(name)) as mine:
                if mine:
                    layer = layer_of(store, name, below=tuple(layers))
                    cache.remember(key(name), layer, 2.0, layer.meta.size, below)
        layer_found = store.find_layer(found.layers[0])
        assert layer_found is not None
        layers.append(layer_found)
    cache.result = tuple(layer.meta.diff_id for layer in layers)
    return tuple(layers)


def files_of(layers: tuple[Layer, ...]) -> dict[str, str]:
    return {path.name: path.read_text() for layer in layers for path in Path(layer.tree).iterdir()}


def the_same_is_found(here: World, there: World, to: str, source: str) -> None:
    with build_cache(here, cache_to=(to,)) as cache:
        made = build(cache, here.store, "apt", "pip")
    told: list[Event] = []
    with build_cache(there, (source,), progress=told.append) as cache:
        assert cache.find(key("unknown")) is None
        assert there.store.find_layer(made[0].key) is None, "what no step asked for is not fetched"
        found = build(cache, there.store, "apt", "pip")
    assert [layer.key for layer in found] == [layer.key for layer in made]
    assert files_of(found) == files_of(made)
    assert not [event for event in told if event.stage == "skipped"]
    with build_cache(there) as cache:
        assert cache.find(key("pip")) is not None, "it is held now"


# ---- between machines ---------------------------------------------------------------------------------------------


def test_steps_are_found_in_a_registry(here: World, there: World, registry: RegistryServer) -> None:
    name = f"type=registry,ref={registry.address}/cache:one"
    the_same_is_found(here, there, name, name)


def test_steps_are_found_in_a_directory(here: World, there: World, tmp_path: Path) -> None:
    the_same_is_found(here, there, f"type=local,dest={tmp_path}/cache", f"type=local,src={tmp_path}/cache")


def test_steps_are_found_in_an_image(here: World, there: World, registry: RegistryServer) -> None:
    """type=inline: the image itself says which steps made its layers."""
    from pulling import push_here

    with build_cache(here, cache_to=("type=inline",)) as cache:
        made = build(cache, here.store, "apt", "pip")
        document = {"os": "linux", **inline_member(cache, ("type=inline",))}
    with build_cache(here) as cache:
        build(cache, here.store, "apt", "pip")
        assert inline_member(cache, ()) == {}
        assert document == {"os": "linux", **inline_member(cache, ("type=inline",))}, "the same every time"
    reference = f"{registry.address}/inline:1"
    image = make_image(here.store, None, document, made)
    push_here(here.store, image, reference)
    with build_cache(there, (f"type=registry,ref={reference}",)) as cache:
        assert files_of(build(cache, there.store, "apt", "pip")) == files_of(made)


def test_only_the_images_own_steps_are_sent_unless_all_are_asked_for(here: World, there: World, tmp_path: Path) -> None:
    for mode, expected in (("min", False), ("max", True)):
        place = f"{tmp_path}/{mode}"
        with build_cache(here, cache_to=(f"type=local,dest={place},mode={mode}",)) as cache:
            build(cache, here.store, "another stage")
            build(cache, here.store, "apt")
        with build_cache(there, (f"type=local,src={place}",)) as cache:
            assert cache.find(key("apt")) is not None
            assert (cache.find(key("another stage")) is not None) is expected


def test_a_step_that_changed_no_file_travels(here: World, there: World, tmp_path: Path) -> None:
    with build_cache(here, cache_to=(f"type=local,dest={tmp_path}/cache,mode=max",)) as cache:
        cache.remember(key("true"), None, 0.1, 0)
    with build_cache(there, (f"type=local,src={tmp_path}/cache",)) as cache:
        found = cache.find(key("true"))
    assert found is not None and found.layers == ()


def test_what_was_sent_before_is_not_sent_again(here: World, tmp_path: Path) -> None:
    blobs = tmp_path / "cache" / "blobs" / "sha256"
    to = (f"type=local,dest={tmp_path}/cache",)
    with build_cache(here, cache_to=to) as cache:
        build(cache, here.store, "apt")
    before = {path.name: path.stat().st_ino for path in blobs.iterdir() if path.stat().st_size < 1000}
    told: list[Event] = []
    with build_cache(here, cache_to=to, progress=told.append) as cache:
        build(cache, here.store, "apt", "pip")
    assert [event.stage for event in told].count("exists") == 1
    after = {path.name: path.stat().st_ino for path in blobs.iterdir()}
    assert len(after) == 4, "two layers, a configuration, a manifest: what nothing names any more is gone"
    assert set(before.items()) & set(after.items())


def test_a_folder_of_something_else_is_left_alone(here: World, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("one")
    to = (f"type=local,dest={tmp_path}/thesis",)
    with pytest.raises(Conflict, match="holds something else"), build_cache(here, cache_to=to) as cache:
        build(cache, here.store, "apt")
    assert os.listdir(tmp_path / "thesis") == ["chapter"]


def test_a_cache_that_is_nowhere_has_nothing_and_is_told(here: World, tmp_path: Path, unused_port: int) -> None:
    told: list[Event] = []
    sources = (f"type=local,src={tmp_path}/nothing", f"127.0.0.1:{unused_port}/cache:1")
    with build_cache(here, sources, progress=told.append) as cache:
        assert cache.find(key("apt")) is None
        assert cache.find(key("pip")) is None
    assert [event.item for event in told if event.stage == "skipped"] == [f"the cache '{sources[1]}'"]


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_cache_that_cannot_be_sent_is_an_error(here: World, unused_port: int) -> None:
    to = (f"type=registry,ref=127.0.0.1:{unused_port}/cache:1",)
    with pytest.raises(NetworkFailed), build_cache(here, cache_to=to) as cache:
        build(cache, here.store, "apt")


# ---- caches that lie or are broken --------------------------------------------------------------------------------


@pytest.fixture
def sent(here: World, tmp_path: Path) -> Path:
    """A cache in a directory, of one step."""
    with build_cache(here, cache_to=(f"type=local,dest={tmp_path}/sent",)) as cache:
        build(cache, here.store, "apt")
    return tmp_path / "sent"


def asked(there: World, place: Path) -> tuple[Found | None, list[str]]:
    told: list[Event] = []
    with build_cache(there, (f"type=local,src={place}",), progress=told.append) as cache:
        found = cache.find(key("apt"))
    return found, [event.message for event in told if event.stage == "skipped"]


def rewritten(place: Path, change: Callable[[dict[str, object]], None]) -> None:
    """The cache with another configuration, all digests right."""
    blobs = place / "blobs" / "sha256"
    index = json.loads((place / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    change(config)
    for holder, document in ((manifest["config"], config), (index["manifests"][0], manifest)):
        data = json.dumps(document).encode()
        digest = Digest.of(data)
        (blobs / digest.hex).write_bytes(data)
        holder["digest"], holder["size"] = str(digest), len(data)
    (place / "index.json").write_text(json.dumps(index))


def test_a_layer_that_is_not_what_the_cache_says_is_not_taken(there: World, sent: Path) -> None:
    def lie(config: dict[str, object]) -> None:
        config["steps"][0]["diff_id"] = str(Digest.of(b"another"))  # type: ignore[index]

    rewritten(sent, lie)
    found, told = asked(there, sent)
    assert found is None and len(told) == 1
    assert not os.path.exists(f"{there.store.path}/layers") or os.listdir(f"{there.store.path}/layers") == []


@pytest.mark.parametrize(
    "config",
    [
        {"version": 1, "steps": [{"key": "../../etc", "layer": 0, "diff_id": "sha256:" + 64 * "0"}]},
        {"version": 1, "steps": [{"key": 64 * "0", "layer": 7, "diff_id": "sha256:" + 64 * "0"}]},
        {"version": 1, "steps": [{"key": 64 * "0", "layer": 0, "diff_id": "sha256:.."}]},
        {"version": 99, "steps": []},
        {"version": 1, "steps": "many"},
        {},
    ],
)
def test_a_configuration_that_makes_no_sense_has_nothing(there: World, sent: Path, config: dict[str, object]) -> None:
    def change(old: dict[str, object]) -> None:
        old.clear()
        old.update(config)

    rewritten(sent, change)
    assert asked(there, sent)[0] is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"manifests":[{"digest":"sha256:../..","size":1}]}', b"[]"])
def test_a_broken_index_has_nothing_and_is_told(there: World, sent: Path, content: bytes) -> None:
    (sent / "index.json").write_bytes(content)
    found, told = asked(there, sent)
    assert found is None and told


def test_a_damaged_blob_is_not_taken(there: World, sent: Path) -> None:
    for path in (sent / "blobs" / "sha256").iterdir():
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    found, told = asked(there, sent)
    assert found is None and told


# ---- several builds at once, killed builds ------------------------------------------------------------------------


def begun(action: Callable[..., None], *words: Path) -> BaseProcess:
    """``action`` in a process of its own, made anew: a fork of this one would have locks that its threads held."""
    process = get_context("spawn").Process(target=action, args=words)
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    process.join(60)
    return process.exitcode


def build_three(store_path: Path, log: Path) -> None:
    store = open_at(str(store_path))
    cache = Cache(store)
    with cache.hold():
        for name in ("a", "b", "c"):
            with cache.flight(key(name)) as mine:
                if mine:
                    with open(log, "a") as file:
                        file.write(f"{name}\n")
                    time.sleep(0.1)
                    layer = layer_of(store, name)
                    cache.remember(key(name), layer, 0.1, layer.meta.size)
            assert cache.find(key(name)) is not None


def test_of_many_builds_at_once_each_step_is_done_by_one(tmp_path: Path) -> None:
    processes = [begun(build_three, tmp_path / "store", tmp_path / "log") for _ in range(4)]
    assert [ended(process) for process in processes] == [0] * 4
    assert sorted((tmp_path / "log").read_text().split()) == ["a", "b", "c"]


def begin_a_step(store_path: Path, there: Path) -> None:
    cache = Cache(open_at(str(store_path)))
    with cache.hold(), cache.flight(key("apt")):
        there.touch()
        signal.pause()


def make_its_layer(store_path: Path, there: Path) -> None:
    store = open_at(str(store_path))
    cache = Cache(store)
    with cache.hold(), cache.flight(key("apt")):
        layer_of(store, "apt")
        there.touch()
        signal.pause()


@pytest.mark.parametrize("action", [begin_a_step, make_its_layer])
def test_a_build_that_is_killed_at_a_step_leaves_it_to_the_next(
    tmp_path: Path, action: Callable[[Path, Path], None]
) -> None:
    process = begun(action, tmp_path / "store", tmp_path / "there")
    until((tmp_path / "there").exists)
    process.kill()
    ended(process)
    store = open_at(str(tmp_path / "store"))
    cache = Cache(store)
    with cache.hold():
        began = time.monotonic()
        build(cache, store, "apt")
        assert time.monotonic() - began < 10
    assert prune_cache(store, CacheRule(limit=0)).steps == 1


def prune_until(store_path: Path, stop: Path) -> None:
    store = open_at(str(store_path))
    while not stop.exists():
        prune(store, nothing_runs, everything=True, cache=CacheRule(limit=0))


def build_and_look(store_path: Path) -> None:
    store = open_at(str(store_path))
    for number in range(3):
        cache = Cache(store)
        with cache.hold():
            layers = build(cache, store, "base", f"top {number % 2}")
            for layer in layers:
                assert os.listdir(layer.tree), "a layer that the build holds was taken"
            assert all(store.find_layer(layer.key) is not None for layer in layers)


def test_pruning_while_builds_run_takes_nothing_from_them(tmp_path: Path) -> None:
    store, stop = tmp_path / "store", tmp_path / "stop"
    pruner = begun(prune_until, store, stop)
    try:
        results = [ended(process) for process in [begun(build_and_look, store) for _ in range(2)]]
    finally:
        stop.touch()
    assert (results, ended(pruner)) == ([0, 0], 0)


def test_the_limit_holds_after_each_build(tmp_path: Path) -> None:
    small = world(tmp_path, WHERRY_BUILD_CACHE_LIMIT="300K")
    for name in ("one", "two", "three", "four"):
        with build_cache(small) as cache:
            layer = layer_of(small.store, name, name * 20_000)
            cache.remember(key(name), layer, 1.0, layer.meta.size)
        for old in Path(small.store.path, "built").iterdir():
            os.utime(old, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns - 10**10))
    assert sorted(name for name in ("one", "two", "three", "four") if cache.find(key(name))) == ["four", "three", "two"]


def test_a_limit_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    none = world(tmp_path, WHERRY_BUILD_CACHE_LIMIT="0")
    with build_cache(none) as cache:
        build(cache, none.store, "apt")
        assert cache.find(key("apt")) is not None
    assert os.listdir(f"{none.store.path}/layers") == []


# ---- the commands -------------------------------------------------------------------------------------------------


def test_df_and_prune_know_what_builds_left(wherry: Wherry) -> None:
    mine = world(wherry.folder, WHERRY_STORE=str(wherry.folder / "store"))
    with build_cache(mine) as cache:
        build(cache, mine.store, "apt")
    rows = {row["Type"]: row for row in map(json.loads, wherry.ok("df", "--format", "json").splitlines())}
    assert rows["steps of builds"]["TotalCount"] == 1
    assert rows["store"]["BuildCache"] > 10_000
    assert rows["store"]["Reclaimable"] == 0
    assert "with --build" in wherry.ok("df")
    assert wherry.ok("prune", "--dry-run") == "nothing would change\n"
    wherry.ok("prune", "-f")
    assert len(os.listdir(wherry.folder / "store" / "layers")) == 1
    assert "steps of builds" in wherry.ok("prune", "--build", "--dry-run")
    assert "1 steps of builds" in wherry.ok("prune", "--build", "-f")
    assert os.listdir(wherry.folder / "store" / "layers") == []


def test_docker_builder_prune_removes_what_builds_left_and_nothing_else(mine: Wherry) -> None:
    left = world(mine.folder, WHERRY_STORE=str(mine.folder / "store"))
    with build_cache(left) as cache:
        build(cache, left.store, "apt")
    docker = mine.named("docker")
    assert docker("builder", "prune", stdin="").status != 0
    for noun in ("builder", "buildx"):
        assert docker.ok(noun, "prune", "-af").startswith("Total:\t")
        with build_cache(left) as cache:
            assert cache.find(key("apt")) is None
            build(cache, left.store, "apt")
    assert "tiny" in docker.ok("images")


def test_an_image_of_a_build_outlives_what_is_remembered_of_it(here: World) -> None:
    with build_cache(here) as cache:
        layers = build(cache, here.store, "apt")
        make_image(here.store, None, {"os": "linux"}, layers)
    digest = next(iter(here.store.image_records())).digest
    prune_cache(here.store, CacheRule(limit=0))
    assert open_image(here.store, str(digest)).layers == layers


def test_an_option_that_cannot_be_read_is_refused_before_anything_is_built(here: World) -> None:
    for option in ("type=gha", "type=local", "type=registry,ref=", "ref=x", "type=local,dest=/x,mode=most", ""):
        with pytest.raises(WherryError, match="--cache-to"), build_cache(here, cache_to=(option,)):
            raise AssertionError("the build began")


# ---- real builds --------------------------------------------------------------------------------------------------

SECRETS = (b"open-sesame", b"out-of-the-air")
SUMS = tuple(Digest.of(secret).hex for secret in SECRETS)  # the recipe itself, which history shows, must not say them

RECIPE = f"""FROM tiny
RUN --mount=type=secret,id=token --mount=type=secret,id=other,env=OTHER --mount=type=cache,target=/root/.cache/x \\
    --mount=type=tmpfs,target=/scratch --mount=type=bind,source=given,target=/given \\
    busybox sha256sum < /run/secrets/token | grep -q {SUMS[0]} && printf %s "$OTHER" | busybox sha256sum | \\
    grep -q {SUMS[1]} && cat /given/file > /made && touch /root/.cache/x/kept /scratch/lost
RUN --mount=type=cache,target=/root/.cache/x ls -A /root/.cache/x > /listed
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "given").mkdir(parents=True)
    (folder / "given" / "file").write_text("given\n")
    (folder / "Dockerfile").write_text(RECIPE)
    (tmp_path / "token").write_bytes(SECRETS[0])
    return folder


def built(wherry: Wherry, context: Path, *words: str) -> str:
    secrets = ("--secret", f"id=token,src={context.parent}/token", "--secret", "id=other,env=OTHER_TOKEN")
    result = wherry("build", *secrets, *words, "-t", "mine", str(context), env={"OTHER_TOKEN": SECRETS[1].decode()})
    assert result.status == 0, str(result)
    return result.stdout + result.stderr


def tree_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_step_is_shown_its_mounts_and_none_of_them_is_in_the_image(mine: Wherry, context: Path) -> None:
    built(mine, context)
    store = open_at(str(mine.folder / "store"))
    image = open_image(store, "docker.io/library/mine:latest")
    own = image.layers[-2:]
    assert [tree_below(Path(layer.tree)) for layer in own] == [["made"], ["listed"]]
    assert Path(own[0].tree, "made").read_text() == "given\n"
    assert Path(own[1].tree, "listed").read_text() == "kept\n"


def test_a_mount_point_changes_nothing_of_the_directory_that_it_is_in(mine: Wherry, context: Path) -> None:
    (context / "Dockerfile").write_text(
        "FROM tiny\n"
        "RUN mkdir -p /srv/d /srv/e && chown 1000:1000 /srv/d /srv/e && chmod 2750 /srv/d /srv/e\n"
        "RUN --mount=type=cache,target=/srv/d/c --mount=type=secret,id=token,target=/srv/e/t touch /srv/d/new\n"
        "RUN busybox stat -c '%a %u %g' /srv/d /srv/e && ls -A /srv/d /srv/e\n"
    )
    said = [line.removeprefix("#3 ") for line in built(mine, context).splitlines() if line.startswith("#3 ")]
    assert said[1:7] == ["2750 1000 1000", "2750 1000 1000", "/srv/d:", "new", "", "/srv/e:"]


def test_a_secret_is_nowhere_when_the_build_is_done(mine: Wherry, context: Path) -> None:
    said = built(mine, context, "--no-cache")
    assert not any(secret.decode() in said for secret in SECRETS)
    looked = 0
    for folder, folders, files in os.walk(mine.folder, onerror=None):
        folders[:] = [name for name in folders if os.access(f"{folder}/{name}", os.R_OK | os.X_OK)]
        for name in files:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                looked += 1
                assert not any(secret in data for secret in SECRETS), path
    assert looked > 20
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(f"wherry-secrets-{os.geteuid()}-")]


def test_two_builds_at_once_do_each_step_once_and_make_one_image(mine: Wherry, tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM tiny\n"
        "RUN --mount=type=cache,target=/count echo once >> /count/one && busybox sleep 1 && echo one > /one\n"
        "RUN --mount=type=cache,target=/count echo once >> /count/two && echo two > /two\n"
        "RUN --mount=type=cache,target=/count cat /count/one /count/two > /told\n"
    )
    command = [str(mine.program), "build", "-q", str(folder)]
    builds = [subprocess.Popen(command, env=mine.environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in builds]
    assert [process.returncode for process in builds] == [0, 0, 0]
    assert len(set(said)) == 1
    image = open_image(open_at(str(mine.folder / "store")), said[0].strip())
    assert Path(image.layers[-1].tree, "told").read_text() == "once\nonce\n"


def test_a_build_that_is_killed_in_a_step_is_gone_on_with(mine: Wherry, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM tiny\n"
        "RUN --mount=type=cache,target=/count echo once >> /count/one && echo one > /one\n"
        "RUN --mount=type=cache,target=/count,sharing=locked test -e /count/go || exec busybox sleep 100\n"
    )
    counts = mine.folder / "store" / "cache" / "mounts"
    command = [str(mine.program), "build", str(folder)]
    process = subprocess.Popen(command, env=mine.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    while b"[3/3]" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()
    (one,) = counts.glob("*/tree/one")
    (one.parent / "go").touch()
    mine.ok("build", str(folder), timeout=60)
    assert one.read_text() == "once\n", "the step that was done is not done again"


def test_another_secret_is_no_reason_to_do_a_step_again(mine: Wherry, context: Path) -> None:
    built(mine, context)
    before = {path.name for path in (mine.folder / "store" / "built").iterdir()}
    built(mine, context)
    (context / "Dockerfile").write_text("# a comment\n" + RECIPE.replace("FROM tiny", "FROM tiny AS named"))
    built(mine, context)
    assert {path.name for path in (mine.folder / "store" / "built").iterdir()} == before


def test_a_build_goes_on_with_what_another_machine_did(
    mine: Wherry, context: Path, tmp_path: Path, registry: RegistryServer
) -> None:
    name = f"{registry.address}/team/cache:main"
    built(mine, context, "--no-cache", "--cache-to", f"type=registry,ref={name}")
    other = Wherry(tmp_path / "other")
    other.ok("load", "-i", str(saved(mine, tmp_path)))
    said = built(other, context, "--cache-from", f"type=registry,ref={name}")
    assert len([line for line in said.splitlines() if line.endswith("cached") and "RUN" in line]) == 2, said


def test_an_image_that_was_built_is_a_cache_itself(
    mine: Wherry, context: Path, tmp_path: Path, registry: RegistryServer
) -> None:
    name = f"{registry.address}/team/inline:main"
    built(mine, context, "--no-cache", "--cache-to", "type=inline", "-t", name)
    mine.ok("push", name)
    other = Wherry(tmp_path / "other")
    other.ok("load", "-i", str(saved(mine, tmp_path)))
    said = built(other, context, "--cache-from", name)
    assert len([line for line in said.splitlines() if line.endswith("cached") and "RUN" in line]) == 2, said


def test_a_squashed_image_says_nothing_of_steps_and_sends_them(mine: Wherry, context: Path, tmp_path: Path) -> None:
    built(mine, context, "--squash", "--cache-to", "type=inline", "--cache-to", f"type=local,dest={tmp_path}/steps")
    store = open_at(str(mine.folder / "store"))
    image = open_image(store, "docker.io/library/mine:latest")
    assert len(image.layers) == 2
    assert "wherry.buildcache" not in json.loads(store.read_blob(image.manifest.config.digest))
    manifest = json.loads((tmp_path / "steps" / "index.json").read_text())["manifests"][0]["digest"][7:]
    sent = json.loads((tmp_path / "steps" / "blobs" / "sha256" / manifest).read_text())
    assert len(sent["layers"]) == 2


def saved(wherry: Wherry, tmp_path: Path) -> Path:
    wherry.ok("save", "-o", str(tmp_path / "tiny.tar"), "tiny")
    return tmp_path / "tiny.tar"
