"""Bundles of the OCI runtime specification: valid by its schema, and the same filter in its words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft4Validator, ValidationError
from launch_fakes import ALLOWED, HOST, PATHS, FakeImage, FakeTree
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from machines import GOOD
from wherry.base.errors import HostLacks, UsageError
from wherry.base.settings import Settings
from wherry.host import Machine
from wherry.host.facts import Program
from wherry.launch import Bind, Choice, LaunchPlan, RunOptions, Surroundings, Ulimit, plan_run
from wherry.launch.engines.bundle import filter_of
from wherry.launch.engines.exported import Exported, export
from wherry.launch.seccomp.assemble import decide
from wherry.launch.seccomp.ocijson import as_oci
from wherry.launch.seccomp.rules import ALLOW, DEFAULT, EPERM, Condition, Profile, Rule, errno_action


def _plan(options: RunOptions | None = None, machine: Machine = GOOD) -> LaunchPlan:
    return plan_run(
        options or RunOptions(image="debian:12"),
        FakeImage(),
        FakeTree(),
        HOST,
        Settings({}),
        ALLOWED,
        paths=msgspec.structs.replace(PATHS, flat="/store/flat/x/tree"),
        surroundings=Surroundings(resolver=b"nameserver 1.2.3.4\n"),
        choice=Choice("oci", machine=machine),
    )


def _config(plan: LaunchPlan) -> Any:
    texts = [item.fields[1] for item in plan.find("WRITE")]
    for slot in "\x01\x02\x03\x04\x05\x06":
        texts = [str(text).replace(slot, "/filled") for text in texts]
    return json.loads(texts[0])


def _exported(options: RunOptions) -> Exported:
    return export(options, FakeImage(), FakeTree(), HOST, Settings({}), Surroundings(), {"TAKEN": "by me"})


def _check(schemas: Path, document: Any) -> None:
    def retrieve(uri: str) -> Resource[Any]:
        content = json.loads((schemas / "runtime-spec" / uri.rpartition("/")[2]).read_text())
        return Resource.from_contents(content, default_specification=DRAFT4)

    schema = json.loads((schemas / "runtime-spec" / "config-schema.json").read_text())
    Draft4Validator(schema, registry=Registry(retrieve=retrieve)).validate(document)


_ALL = RunOptions(
    image="debian:12",
    binds=(Bind("/data", "/data", read_only=True, recursive=False), Bind("/w", "/w", propagation="slave")),
    tmpfs=(("/fast", "size=1m"),),
    hostname="node-1",
    network="none",
    here=True,
    terminal=True,
    user="root",
    ulimits=(Ulimit("nofile", 10, -1),),
    env=("TAKEN", "SET=x"),
)


@pytest.mark.parametrize("options", [RunOptions(image="x"), _ALL, RunOptions(image="x", seccomp="unconfined")])
def test_what_is_written_is_valid_by_the_schema(schemas: Path, options: RunOptions) -> None:
    _check(schemas, _config(_plan(options)))
    _check(schemas, json.loads(_exported(options).config))


def test_the_schema_would_refuse_a_wrong_one(schemas: Path) -> None:
    document = _config(_plan())
    document["process"]["args"] = "sh"
    with pytest.raises(ValidationError):
        _check(schemas, document)


def test_a_bundle_says_what_was_asked() -> None:
    found = _config(_plan(_ALL))
    mounts = {item["destination"]: item for item in found["mounts"]}
    assert {"bind", "ro"} <= set(mounts["/data"]["options"])
    assert {"rbind", "rslave"} <= set(mounts["/w"]["options"])
    assert (mounts["/fast"]["type"], "size=1m" in mounts["/fast"]["options"]) == ("tmpfs", True)
    assert mounts["/filled"]["source"] == "/filled"  # the current directory
    assert {"type": "network"} in found["linux"]["namespaces"]
    assert found["hostname"] == "node-1"
    assert found["process"]["user"] == {"uid": 0, "gid": 0}
    assert found["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 1001, "size": 1}]
    assert "CAP_CHOWN" in found["process"]["capabilities"]["effective"]
    assert _config(_plan())["process"]["capabilities"]["effective"] == []


def test_the_images_tree_is_bound_and_never_the_root() -> None:
    found = _config(_plan())
    assert found["root"] == {"path": "/filled/root", "readonly": True}
    assert ("/store/flat/x/tree/usr", "/usr") in {(item["source"], item["destination"]) for item in found["mounts"]}
    private = _plan(RunOptions(image="x", copy=True))
    assert private.find("COPY")[0].fields == ("/store/flat/x/tree", "\x01/root")
    assert not any("/store/flat" in item["source"] for item in _config(private)["mounts"])


def test_runc_is_told_to_start_root_alone() -> None:
    machine = msgspec.structs.replace(GOOD, runtimes=(Program("runc", "/usr/sbin/runc"),))
    with pytest.raises(HostLacks, match="runc starts no container as you") as caught:
        _plan(machine=machine)
    assert "install crun" in caught.value.hint
    refused = msgspec.structs.replace(
        machine, runtimes=(*machine.runtimes, Program("crun", "/usr/bin/crun", problem="cgroups are mixed"))
    )
    with pytest.raises(HostLacks, match="'/usr/bin/crun' does not work here: cgroups are mixed") as caught:
        _plan(machine=refused)
    assert "install crun" not in caught.value.hint
    argv = _plan(RunOptions(image="x", user="root"), machine).find("WRAP")[0].fields[0]
    assert argv == ("/usr/sbin/runc", "--root", "\x01/oci", "run", "--bundle", "\x01/bundle", "box")


def test_an_exported_bundle_holds_what_was_said_and_nothing_of_this_host() -> None:
    found = json.loads(_exported(_ALL).config)
    assert found["process"]["args"] == ["python3"]
    assert {"SET=x", "TAKEN=by me", "PATH=/opt/bin:/usr/bin", "HOME=/root"} <= set(found["process"]["env"])
    assert not any("/store" in item["source"] for item in found["mounts"])
    assert found["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": (1 << 64) - 1}]


def _answer(said: Any, name: str, arguments: tuple[int, ...]) -> str:
    """What libseccomp makes of such a list: any entry of that name whose conditions all hold."""
    for entry in said["syscalls"]:
        if name not in entry["names"]:
            continue
        tests = entry.get("args", [])
        if all(arguments[test["index"]] & test["value"] == test["valueTwo"] for test in tests):
            return str(entry["action"])
    return str(said["defaultAction"])


def test_the_filter_in_ocis_words_answers_as_ours_does() -> None:
    said = filter_of(None, b"", HOST)
    calls = [("ioctl", (0, number, 0, 0, 0, 0)) for number in (0x5412, 0x541C, 0x5413, 0, 1 << 31, 0x5412 | 1 << 32)]
    calls += [("clone", (flags, 0, 0, 0, 0, 0)) for flags in (0x11, 0x10000000, 0x02000000)]
    calls += [("socket", (family, 0, 0, 0, 0, 0)) for family in (1, 2, 16, 40, 41)]
    calls += [("personality", (value, 0, 0, 0, 0, 0)) for value in (0, 1, 8, 0xFFFFFFFF)]
    calls += [(name, (0,) * 6) for name in ("openat", "mount", "clone3", "ptrace", "bpf")]
    for name, arguments in calls:
        allowed = decide(DEFAULT, "amd64", name, arguments) == ALLOW
        assert (_answer(said, name, arguments) == "SCMP_ACT_ALLOW") == allowed, (name, arguments)
    assert said is not None
    clone3 = [entry for entry in said["syscalls"] if "clone3" in entry["names"]]  # type: ignore[attr-defined]
    assert [entry["errnoRet"] for entry in clone3] == [38]


def test_rules_that_oci_has_no_words_for_are_refused() -> None:
    rules = (Rule(("ioctl",), errno_action(EPERM), (Condition(1, ">", 5),)), Rule(("ioctl",), ALLOW))
    with pytest.raises(UsageError, match="cannot be said in OCI's form"):
        as_oci(Profile(rules), "amd64")
