"""``build`` and ``buildx build``: images from Dockerfiles, as Docker and podman are asked for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import FLAG, MANY, TEXT, Asked, Command, done

if TYPE_CHECKING:
    from wherry.build.building import Built
    from wherry.build.request import BuildOptions

__all__ = ["COMMANDS", "options_of"]


def _build(call: Call, given: Given) -> int:
    """Build; with ``-q`` print the image's id, as both do."""
    from wherry.cli.building import build_and_tell

    if given.flag("check") or given.text("call"):
        return _check(call, given)
    options = options_of(call, given)
    quiet = given.flag("quiet") or given.text("progress") in ("quiet", "none")

    def result(built: Built) -> str:
        if call.is_podman:
            return f"{str(built.config).removeprefix('sha256:')}\n"
        return f"{built.config}\n" if quiet else ""

    built = build_and_tell(options, _words(call, given), "quiet" if quiet else _progress(given), result)
    if given.text("metadata_file"):
        _write_metadata(str(given.text("metadata_file")), str(built.config), str(built.image.digest), built.names)
    return 0


def _check(call: Call, given: Given) -> int:
    """``--check``, ``--call=check``: what ``wherry lint`` says of the recipe."""
    from wherry.cli.linting import show_findings

    wanted = (given.text("call") or "check").partition(",")[0]
    if wanted != "check":
        hint = f"{call.face} build --check, or wherry build --dry-run"
        raise UsageError(f"'--call {wanted}' is not possible here", why="recipes are checked or built", hint=hint)
    folder = given.words[0] if given.words else _no_context(call)
    return show_findings(Given({}, given.many("file") or (folder,)))


def _words(call: Call, given: Given) -> tuple[str, ...] | None:
    """The command line; None where it says or writes more than a build."""
    says_more = any(option.fate == "note" and option.option.key in given.options for option in _OPTIONS)
    if given.said is None or says_more or given.text("metadata_file"):
        return None
    return (call.face, *call.words, *given.said)


def _progress(given: Given) -> str:
    return "auto" if given.text("progress") in (None, "auto", "tty") else "plain"


def _write_metadata(path: str, config: str, digest: str, names: tuple[str, ...]) -> None:
    import msgspec

    document = {
        "containerimage.config.digest": config,
        "containerimage.digest": digest,
        **({"image.name": ",".join(names)} if names else {}),
    }
    with open(path, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def options_of(call: Call, given: Given) -> BuildOptions:
    """What is asked, in Wherry's words; raises :class:`UsageError` for a value that cannot be read."""
    from wherry.build.outputs import parse_output
    from wherry.build.request import BuildOptions
    from wherry.cli.building import argument_of, host_of, network_of, pair_of, platform_of

    files = given.many("file")
    if len(files) > 1:
        raise UsageError(f"'{call.face} {call.verb}' reads one recipe here", why=f"{len(files)} are named")
    usual = None if call.is_podman else os.environ.get("DOCKER_DEFAULT_PLATFORM")
    platform = given.text("platform") or _parts(given) or usual or None
    return BuildOptions(
        context=given.words[0] if given.words else ("." if call.is_podman else _no_context(call)),
        recipe=files[0] if files else None,
        names=given.many("tag"),
        target=given.text("target") or "",
        build_args=(*(argument_of(text) for text in given.many("build_arg")), *_times(given)),
        contexts=tuple(pair_of(text, "--build-context", "NAME=PLACE") for text in given.many("build_context")),
        labels=tuple(pair_of(text, "--label", "NAME=VALUE", bare=True) for text in given.many("label")),
        platform=platform_of(platform),
        network=network_of(given.text("network")),
        pull=given.text("pull") not in (None, "false", "missing", "never", "ifmissing"),
        no_cache=given.flag("no_cache"),
        cache_to=given.many("cache_to"),
        cache_from=_caches(given.many("cache_from")),
        secrets=given.many("secret"),
        ssh=given.many("ssh"),
        squash=given.flag("squash"),
        outputs=tuple(parse_output(text) for text in given.many("output")),
        push=given.flag("push"),
        iidfile=given.text("iidfile") or "",
        jobs=int(given.text("jobs") or 0),
        memory=_memory(given.text("memory")),
        hosts=tuple(host_of(text) for text in given.many("add_host")),
    )


def _no_context(call: Call) -> str:
    raise UsageError(
        f'"{call.face} {call.verb}" requires exactly 1 argument', hint=f"{call.face} build [OPTIONS] PATH | URL | -"
    )


def _caches(given: tuple[str, ...]) -> tuple[str, ...]:
    """A bare name was an image with its cache in it; it names a registry's now."""
    return tuple(text if "=" in text else f"type=registry,ref={text}" for text in given)


def _parts(given: Given) -> str | None:
    """podman's ``--os``, ``--arch`` and ``--variant``."""
    system, architecture, variant = (given.text(name) for name in ("os", "arch", "variant"))
    if not (system or architecture):
        return None
    if not architecture:
        from wherry.image import here

        architecture = here().architecture
    return "/".join(part for part in (system or "linux", architecture, variant) if part)


def _times(given: Given) -> tuple[tuple[str, str], ...]:
    """podman's ``--timestamp``, ``--source-date-epoch``: the argument that all builders take for it."""
    text = given.text("timestamp") or given.text("source_date_epoch")
    return (("SOURCE_DATE_EPOCH", text),) if text else ()


def _memory(text: str | None) -> int | None:
    if not text or text == "0":
        return None
    from wherry.containers import amounts

    return amounts.memory(text, "--memory")


def _idle(*names: str, kind: str = FLAG, only: str = "") -> Asked:
    return Asked(names, kind, "idle", only=only)


def _noted(*names: str, kind: str = TEXT, why: str, only: str = "") -> Asked:
    return Asked(names, kind, "note", why, only=only)


_DOCKER, _PODMAN = "docker", "podman"
_LIMITS = "a step is limited by --memory only"
_PROVENANCE = "statements about images are not made here yet"

_OPTIONS = (
    *(done(name, kind=MANY) for name in ("--add-host", "--build-arg", "--build-context", "--cache-from", "--cache-to")),
    *(done(name, kind=MANY) for name in ("--label", "--secret", "--ssh")),
    *(done("-t", "--tag", kind=MANY), done("-o", "--output", kind=MANY), done("-f", "--file", kind=MANY)),
    *(done(name, kind=TEXT) for name in ("--iidfile", "--network", "--platform", "--target")),
    *(done("-m", "--memory", kind=TEXT), done("--no-cache"), done("-q", "--quiet"), done("--squash")),
    *(done("--pull", only=_DOCKER), done("--push", only=_DOCKER), done("--progress", kind=TEXT, only=_DOCKER)),
    done("--metadata-file", kind=TEXT, only=_DOCKER),
    *(_idle(name, only=_DOCKER) for name in ("--load", "--rm", "--force-rm", "--compress", "--disable-content-trust")),
    *(_noted(name, why=_PROVENANCE, only=_DOCKER) for name in ("--provenance", "--sbom", "--attest")),
    *(_idle(name, kind=TEXT, only=_DOCKER) for name in ("--isolation", "--builder")),
    *(_noted(name, kind=MANY, why="Wherry needs none", only=_DOCKER) for name in ("--allow",)),
    *(done("--check", only=_DOCKER), done("--call", kind=TEXT, only=_DOCKER), _idle("-D", "--debug", only=_DOCKER)),
    Asked(("--no-cache-filter",), MANY, "refused", "a stage is not named to the cache", "--no-cache", _DOCKER),
    Asked(("--annotation",), MANY, "refused", "an image says such things in its labels", "--label", _DOCKER),
    *(_noted(name, why=_LIMITS) for name in ("--cpu-period", "--cpu-quota", "--cpuset-cpus", "--cpuset-mems")),
    *(_noted(name, why=_LIMITS) for name in ("--memory-swap", "--shm-size", "--cgroup-parent")),
    *(_noted("-c", "--cpu-shares", why=_LIMITS), _noted("--ulimit", kind=MANY, why="your own limits hold")),
    _noted("--security-opt", kind=MANY, why="a step has Wherry's own confinement"),
    *(done(name, kind=TEXT, only=_PODMAN) for name in ("--os", "--arch", "--variant", "--jobs")),
    Asked(("--pull",), TEXT, only=_PODMAN),
    *(_idle(name, only=_PODMAN) for name in ("--rm", "--force-rm", "--layers", "--http-proxy", "--skip-unused-stages")),
    *(_idle(name, only=_PODMAN) for name in ("--compress", "--disable-content-trust", "--omit-history", "--no-hosts")),
    *(_idle("-D", "--disable-compression", only=_PODMAN), _idle("--tls-verify", only=_PODMAN)),
    *(_idle(name, kind=TEXT, only=_PODMAN) for name in ("--format", "--isolation", "--retry", "--retry-delay")),
    *(_idle(name, kind=TEXT, only=_PODMAN) for name in ("--ipc", "--pid", "--uts", "--userns", "--cgroupns")),
    *(
        Asked((name,), MANY, "refused", "steps have what recipes give them", "RUN --mount in the recipe", _PODMAN)
        for name in ("--device", "--cap-add", "--cap-drop", "--env", "--unsetenv", "--annotation")
    ),
    *(_idle(name, only=_PODMAN) for name in ("--logsplit", "--stdin", "--identity-label")),
    *(_idle(name, kind=TEXT, only=_PODMAN) for name in ("--authfile", "--cert-dir", "--logfile", "--hooks-dir")),
    *(_idle(name, kind=MANY, only=_PODMAN) for name in ("--runtime-flag", "--dns", "--dns-option", "--dns-search")),
    *(
        _idle(f"--userns-{kind}-map{of}", kind=TEXT, only=_PODMAN)
        for kind, of in (("uid", ""), ("gid", ""), ("uid", "-user"), ("gid", "-group"))
    ),
    _noted("--cache-ttl", why="'wherry settings build' says what the cache keeps", only=_PODMAN),
    Asked(("--creds",), TEXT, "refused", "passwords do not belong on command lines", "podman login", _PODMAN),
    *(
        Asked((name,), MANY, "refused", why, hint, _PODMAN)
        for name, why, hint in (
            ("--cpp-flag", "recipes are not preprocessed", "cpp Dockerfile.in | podman build -f - ."),
            ("--decryption-key", "layers are not encrypted here", "skopeo copy --decryption-key"),
            ("--sign-by", "signatures are not made here", "cosign"),
            ("--os-feature", "it is of Windows", "leave it out"),
            ("--os-version", "it is of Windows", "leave it out"),
        )
    ),
    Asked(("-v", "--volume"), MANY, "refused", "a step sees no host directory", "RUN --mount=type=bind", _PODMAN),
    Asked(("--squash-all",), FLAG, "refused", "the base's layers stay shared", "--squash", _PODMAN),
    *(done(name, kind=TEXT, only=_PODMAN) for name in ("--timestamp", "--source-date-epoch")),
    *(_idle(name, only=_PODMAN) for name in ("--compat-volumes", "--no-hostname", "--rewrite-timestamp")),
    *(_idle(name, kind=TEXT, only=_PODMAN) for name in ("--runtime", "--save-stages")),
    *(
        _noted(f"--sbom{of}", why=_PROVENANCE, only=_PODMAN)
        for of in ("", "-image-output", "-merge-strategy", "-output", "-purl-output", "-scanner-image")
    ),
    _noted("--sbom-scanner-command", kind=MANY, why=_PROVENANCE, only=_PODMAN),
    *(
        Asked((name,), MANY, "refused", why, hint, _PODMAN)
        for name, why, hint in (
            ("--build-arg-file", "arguments are given one by one", "--build-arg NAME=VALUE"),
            ("--group-add", "a step has the groups of its user", "usermod -aG in the recipe"),
            ("--layer-label", "labels are the image's", "--label"),
            ("--inherit-labels", "labels of the base stay", "LABEL NAME= in the recipe"),
            ("--inherit-annotations", "annotations are not inherited", "leave it out"),
            ("--unsetlabel", "labels of the base stay", "LABEL NAME= in the recipe"),
            ("--farm", "images are built on this machine", "leave it out"),
            ("--cw", "images for confidential machines are not made", "leave it out"),
        )
    ),
    Asked(("--from",), TEXT, "refused", "a recipe says its base itself", "ARG BASE and FROM $BASE", _PODMAN),
    Asked(("--ignorefile",), TEXT, "refused", "'.dockerignore' says it", "NAME.dockerignore", _PODMAN),
    Asked(("--manifest",), TEXT, "refused", "one platform is built at a time", "-t NAME", _PODMAN),
    Asked(("--all-platforms",), FLAG, "refused", "one platform is built at a time", "--platform", _PODMAN),
)

_COMMAND = Command(_build, "[OPTIONS] PATH | URL | -", "Build an image from a Dockerfile", _OPTIONS, most=1)

COMMANDS = {"build": _COMMAND}
