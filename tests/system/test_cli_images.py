"""The image verbs as a user types them, against a real registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_registry import Handler, fake_registry
from registry_server import RegistryServer, serve
from wherry_command import Wherry


def test_pull_shows_steps_on_standard_error_and_the_digest_on_standard_output(wherry: Wherry, tiny: str) -> None:
    result = wherry("pull", tiny)
    assert result.status == 0
    assert result.stdout.startswith(f"{tiny}: sha256:") and result.stdout.count("\n") == 1
    assert "done" in result.stderr
    assert wherry.ok("pull", "-q", tiny).strip() == result.stdout.split()[-1]


def test_quiet_pull_says_nothing_but_the_digest(wherry: Wherry, tiny: str) -> None:
    result = wherry("pull", "-q", tiny)
    assert (result.status, result.stderr) == (0, "")
    assert len(result.stdout) == len("sha256:") + 64 + 1


def test_a_dry_run_says_what_would_come(wherry: Wherry, tiny: str, layered: str) -> None:
    told = wherry.ok("pull", "--dry-run", layered)
    assert "to fetch" in told and "to store" in told and wherry.ok("images", "-q") == ""
    wherry.ok("pull", "-q", tiny)
    states = wherry.ok("pull", "--dry-run", "--format", "{{.State}}", layered).split("\n")
    assert states[0] == "here" and "to fetch" in states
    assert " 0B to fetch" in wherry.ok("pull", "--dry-run", tiny)


def test_a_list_has_dockers_columns_and_its_json_dockers_fields(seeded: Wherry) -> None:
    table = seeded.ok("images").splitlines()
    assert table[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    rows = [json.loads(line) for line in seeded.ok("images", "--format", "json").splitlines()]
    assert len(rows) == len(table) - 1
    assert {"Repository", "Tag", "ID", "CreatedSince", "CreatedAt", "Size"} <= set(rows[0])
    assert seeded.ok("images", "tiny", "--format", "{{.Repository}}:{{.Tag}}") == "tiny:latest\n"


def test_quiet_lists_print_each_id_once(seeded: Wherry) -> None:
    seeded.ok("tag", "tiny", "tiny:again")
    ids = seeded.ok("images", "-q").split()  # other tests of this store may have added images
    assert len(ids) == len(set(ids)) < len(seeded.ok("images", "--format", "{{.ID}}").split())
    assert seeded.ok("images", "-q", "--no-trunc").startswith("sha256:")
    seeded.ok("rmi", "tiny:again")


def test_inspect_prints_an_array_as_docker_does(seeded: Wherry) -> None:
    document = json.loads(seeded.ok("inspect", "tiny"))
    assert len(document) == 1
    assert document[0]["Os"] == "linux" and document[0]["Config"]["Cmd"] == ["/bin/sh"]
    assert "tiny:latest" in document[0]["RepoTags"]
    assert seeded.ok("inspect", "--format", "{{.Os}}/{{json .Config.Cmd}}", "tiny") == 'linux/["/bin/sh"]\n'


def test_inspect_says_what_is_missing_and_shows_the_rest(seeded: Wherry) -> None:
    result = seeded("inspect", "tiny", "nothing-like-it")
    assert result.status == 125
    assert len(json.loads(result.stdout)) == 1
    assert "'nothing-like-it'" in result.stderr


def test_a_name_goes_first_and_the_image_with_its_last_name(wherry: Wherry, tiny: str) -> None:
    digest = wherry.ok("pull", "-q", tiny).strip()
    wherry.ok("tag", tiny, "other:1")
    assert wherry.ok("rmi", tiny) == f"untagged: {tiny}\n"
    assert digest[7:19] in wherry.ok("images")
    assert f"deleted: {digest}" in wherry.ok("rmi", "other:1")
    assert wherry.ok("images", "-q") == ""


def test_an_id_with_several_names_is_removed_only_by_force(wherry: Wherry, tiny: str) -> None:
    digest = wherry.ok("pull", "-q", tiny).strip()
    wherry.ok("tag", tiny, "other:1")
    refused = wherry("rmi", digest[7:19])
    assert refused.status == 125 and "2 names" in refused.stderr
    wherry.ok("rmi", "-f", digest[7:19])
    assert wherry.ok("images", "-q") == ""


def test_a_slip_in_a_name_is_answered_with_the_near_one(seeded: Wherry) -> None:
    for verb in (("rmi", "tinny"), ("history", "tinny"), ("tag", "tinny", "x")):
        result = seeded(*verb)
        assert result.status == 125
        assert "did you mean tiny" in result.stderr, str(result)


def test_history_shows_what_each_layer_costs(wherry: Wherry, layered: str) -> None:
    wherry.ok("pull", "-q", layered)
    rows = [json.loads(line) for line in wherry.ok("history", "--format", "json", layered).splitlines()]
    document = json.loads(wherry.ok("inspect", layered))[0]
    assert len(rows) >= len(document["RootFS"]["Layers"])
    assert sum(row["Bytes"] for row in rows) == document["Size"]
    assert wherry.ok("history", layered).split()[:2] == ["LAYER", "CREATED"]


def test_two_images_are_compared(wherry: Wherry, tiny: str, layered: str) -> None:
    wherry.ok("pull", "-q", tiny, layered)
    lines = wherry.ok("diff", tiny, layered).splitlines()
    assert lines and all(line[:2] in ("A ", "C ", "D ") for line in lines)
    assert wherry.ok("diff", tiny, tiny) == ""


def test_an_archive_goes_out_and_comes_in_again(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    wherry.ok("pull", "-q", tiny)
    path = tmp_path / "image.tar"
    wherry.ok("save", "-q", "-o", str(path), tiny)
    digest = json.loads(wherry.ok("inspect", tiny))[0]["Wherry"]["ConfigDigest"]
    wherry.ok("rmi", tiny)
    loaded = wherry.ok("load", "-q", "-i", str(path)).strip()
    assert json.loads(wherry.ok("inspect", loaded))[0]["Wherry"]["ConfigDigest"] == digest


def test_an_archive_passes_through_pipes(wherry: Wherry, tiny: str) -> None:
    wherry.ok("pull", "-q", tiny)
    with wherry.start("save", "-q", tiny, stdout=-1) as saving:
        archive = saving.communicate()[0]
    assert saving.returncode == 0
    assert wherry("load", stdin=archive).stdout.startswith("loaded: ")


def test_what_is_not_an_image_is_not_loaded(wherry: Wherry) -> None:
    result = wherry("load", "-i", "/etc/passwd")
    assert result.status == 125 and "is not an image" in result.stderr
    assert "no file" in wherry("load", "-i", "/nonexistent").stderr
    assert "'standard input' is not an image" in wherry("load", stdin="text").stderr


def test_an_image_is_pushed_under_another_name(wherry: Wherry, tiny: str, registry: RegistryServer) -> None:
    digest = wherry.ok("pull", "-q", tiny).strip()
    target = f"{registry.address}/copies/of-tiny:1"
    wherry.ok("tag", tiny, target)
    assert wherry.ok("push", "-q", target).strip() == digest
    wherry.ok("rmi", target)
    assert wherry.ok("pull", "-q", target).strip() == digest


def test_prune_frees_what_nothing_names(wherry: Wherry, tiny: str, layered: str) -> None:
    wherry.ok("pull", "-q", tiny, layered)
    wherry.ok("tag", layered, tiny)  # the name moves on, its image is left without one
    for words in (("prune",), ("prune", "-a")):  # nobody can be asked, and no answer means no
        result = wherry(*words)
        assert result.status == 125 and "next: -f removes unasked" in result.stderr
        assert len(wherry.ok("images", "-q").split()) == 2
    would = wherry.ok("prune", "--dry-run")
    assert "remove   image" in would and "free " in would and len(wherry.ok("images", "-q").split()) == 2
    assert "freed" in wherry.ok("prune", "-f")
    assert len(wherry.ok("images", "-q").split()) == 1
    wherry.ok("prune", "-af")
    assert wherry.ok("images", "-q") == ""


def test_a_dry_run_makes_nothing(wherry: Wherry, tiny: str) -> None:
    """Neither a store nor anything else appears in a home that has none."""
    before = sorted(wherry.folder.rglob("*"))
    (wherry.folder / "store").rmdir()
    for words in (("run", "--dry-run", tiny, "true"), ("pull", "--dry-run", tiny), ("prune", "--dry-run")):
        wherry.ok(*words)
        assert not (wherry.folder / "store").exists()
    (wherry.folder / "store").mkdir()
    assert before == [path for path in sorted(wherry.folder.rglob("*")) if "run/wherry" not in str(path)]


def test_a_pause_that_the_registry_wants_is_shown(wherry: Wherry, tiny: str) -> None:
    """Else a pull or a push seems to hang."""
    wherry.ok("pull", "-q", tiny)

    def later(handler: Handler) -> None:
        handler.fail(429, "TOOMANYREQUESTS", "slow down", retry_after="1")

    with fake_registry() as busy:
        busy.intervene("GET", "/manifests/", later, times=1)
        assert "trying again in" in wherry("pull", f"{busy.address}/there/is:none").stderr
        wherry.ok("tag", tiny, f"{busy.address}/copies/tiny:1")
        for method in ("HEAD", "POST"):
            busy.intervene(method, "/blobs/", later, times=1)
        assert "trying again in" in wherry("push", f"{busy.address}/copies/tiny:1").stderr


def test_what_is_not_here_cannot_be_removed(seeded: Wherry) -> None:
    """Near names are offered, pulling it is not."""
    assert "next: 'wherry images' lists" in (far := seeded("rmi", "qqqqwwww:9.9")).stderr and "pull" not in far.stderr
    assert "did you mean" in seeded("rmi", "tiny:lates").stderr


def test_df_adds_up(seeded: Wherry) -> None:
    rows = [json.loads(line) for line in seeded.ok("df", "--format", "json").splitlines()]
    total = rows.pop()
    apart = ("kept containers", "scratch of ended containers", "records of executions")
    held = [row["Bytes"] for row in rows if row["Type"] not in apart]
    assert len(rows) == len(held) + len(apart)
    assert total["Type"] == "store" and total["Bytes"] == sum(held) > 0
    assert "free there" in seeded.ok("df")


def test_the_store_stays_below_its_limit(wherry: Wherry, pushed: Callable[..., str]) -> None:
    wherry.ok("pull", "-q", pushed("tiny"))
    result = wherry("pull", pushed("tiny", "v2s2"), env={"WHERRY_STORE_MAX_SIZE": "1M"})
    assert result.status == 0
    assert "store.max_size" in result.stderr
    assert len(wherry.ok("images", "-q").split()) == 1


def test_the_store_stays_below_its_limit_wherever_images_come_from(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    limit = {"WHERRY_STORE_MAX_SIZE": "1M"}
    wherry.ok("pull", "-q", tiny)
    wherry.ok("run", "--name", "box", tiny, "sh", "-c", "echo other > /other")
    committed = wherry("commit", "box", "other", env=limit)
    assert "above store.max_size" in committed.stderr, "the container still needs what it was made from"
    wherry.ok("export", "-o", f"{tmp_path}/root.tar", "box")
    wherry.ok("save", "-o", f"{tmp_path}/other.tar", "other")
    wherry.ok("rm", "box")
    wherry.ok("rmi", "other")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY root.tar /\n")
    brought = ("load", "-i", "other.tar"), ("import", "root.tar", "imported"), ("run", "./other.tar", "true")
    for words in (*brought, ("build", "-t", "built", ".")):
        wherry.ok("pull", "-q", tiny)
        result = wherry(*words, env=limit, cwd=tmp_path)
        assert "least recently used images" in result.stderr, str(result)
        assert len(wherry.ok("images", "-q").split()) == 1, str(result)


@pytest.fixture
def guarded(tmp_path: Path) -> object:
    with serve(tmp_path / "guarded", users={"ada": "secret"}) as server:
        yield server


def test_login_keeps_what_the_registry_accepts(wherry: Wherry, guarded: RegistryServer) -> None:
    wrong = wherry("login", "-u", "ada", "--password-stdin", guarded.address, stdin="wrong\n")
    assert wrong.status == 125 and "401" in wrong.stderr
    right = wherry("login", "-u", "ada", "--password-stdin", guarded.address, stdin="secret\n")
    assert right.status == 0 and right.stdout.startswith(f"logged in to {guarded.address} as ada")
    assert "secret" not in right.stdout + right.stderr
    absent = wherry("pull", f"{guarded.address}/nothing:1")
    assert "404" in absent.stderr
    assert "removed from" in wherry.ok("logout", guarded.address)
    assert "401" in wherry("pull", f"{guarded.address}/nothing:1").stderr
    assert "no credentials" in wherry.ok("logout", guarded.address)


def test_login_without_a_terminal_says_which_option_helps(wherry: Wherry) -> None:
    assert "--password-stdin" in wherry("login", "-u", "ada", "registry.example.org").stderr
    assert "-u NAME" in wherry("login", "registry.example.org").stderr


def test_settings_name_their_sources(wherry: Wherry) -> None:
    (wherry.folder / "config" / "wherry").mkdir()
    path = wherry.folder / "config" / "wherry" / "wherry.toml"
    path.write_text('[run]\npull = "never"\n[registry."registry.example.org"]\ninsecure = true\n')
    rows = [json.loads(line) for line in wherry.ok("settings", "--format", "json").splitlines()]
    sources = {row["Name"]: (row["Value"], row["Source"]) for row in rows}
    assert sources["run.pull"] == ("never", str(path))
    assert sources["store.path"] == (str(wherry.folder / "store"), "WHERRY_STORE")
    assert sources["run.network"] == ("host", "built in")
    assert sources["registry.registry.example.org.insecure"] == ("true", str(path))
    assert wherry.ok("settings", "run.pull", env={"WHERRY_RUN_PULL": "always"}) == "always\n"
    long = "/" + "x" * 100
    assert wherry.ok("settings", "run.scratch", env={"WHERRY_SCRATCH": long}) == f"{long}\n"
    assert f"/{'x' * 38}…   WHERRY_SCRATCH" in wherry.ok("settings", env={"WHERRY_SCRATCH": long})


def test_completion_offers_images(seeded: Wherry) -> None:
    variables = {"_WHERRY_COMPLETE": "bash_complete", "COMP_WORDS": "wherry run ti", "COMP_CWORD": "2"}
    assert set(seeded.ok(env=variables).split()) == {"plain,tiny", "plain,tiny:latest"}


def test_prune_removes_records_that_are_not_to_be_kept(wherry: Wherry) -> None:
    file = wherry.folder / "state" / "wherry" / "records" / "node" / "2020-01-01.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("{}\n")
    assert '"records of executions","TotalCount":1' in wherry.ok("df", "--format", "json")
    assert str(file) not in wherry.ok("prune", "--dry-run")
    wherry.ok("prune", "-f")
    assert file.exists()
    days = {"WHERRY_RECORD_KEEP_DAYS": "30"}
    assert str(file) in wherry.ok("prune", "--dry-run", env=days)
    assert "1 files of old records" in wherry.ok("prune", "-f", env=days)
    assert not file.exists()


def test_a_dry_pull_says_what_room_there_is(wherry: Wherry, tiny: str) -> None:
    assert " free there" in wherry.ok("pull", "--dry-run", tiny)


def test_images_are_chosen_by_label_and_by_age(wherry: Wherry, tiny: str, tmp_path: Path) -> None:
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "old:1")
    (tmp_path / "Dockerfile").write_text("FROM old:1\nLABEL org.lab.study=7\n")
    wherry.ok("build", "-q", "-t", "new:1", str(tmp_path), env={"SOURCE_DATE_EPOCH": "4000000000"})

    def chosen(*filters: str) -> set[str]:
        words = [word for text in filters for word in ("--filter", text)]
        names = wherry.ok("images", "--format", "{{.Repository}}:{{.Tag}}", *words).split()
        return {name for name in names if name in ("old:1", "new:1")}

    assert chosen("label=org.lab.study") == chosen("label=org.lab.study=7") == {"new:1"}
    assert chosen("label=org.lab.study=8") == chosen("label=org.lab") == set()
    assert chosen("before=new:1") == {"old:1"}
    assert chosen("since=old:1") == {"new:1"}
    assert chosen("since=old:1", "before=new:1") == set()
    refused = wherry("images", "--filter", "since=nosuch:1")
    assert refused.status == 125 and "nosuch:1" in refused.stderr
