"""Images and registries: ``images rmi tag untag history pull push login logout``."""

from __future__ import annotations

import os
import sys
from typing import Any

from wherry import containers
from wherry.base.errors import NotFound, UsageError, WherryError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.failing import Missing, report
from wherry.shims.docker.finding import each, image, image_name
from wherry.shims.docker.showing import show as show_rows

__all__ = ["COMMANDS"]


def _images(call: Call, given: Given) -> int:
    from wherry.shims.docker.imagerows import image_rows

    whole = given.flag("no_trunc")
    rows = image_rows(call, containers.World(), given.words, given.many("filter"), whole=whole)
    if given.flag("quiet"):
        print("".join(f"{identity}\n" for identity in dict.fromkeys(row["ID"] for row in rows)), end="")
        return 0
    plain = [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]
    columns = [("REPOSITORY", "Repository"), ("TAG", "Tag"), ("IMAGE ID", "ID")]
    if given.flag("digests"):
        columns.insert(2, ("DIGEST", "Digest"))
    columns += [("CREATED", "CreatedSince"), ("SIZE", "Size")]
    if call.is_podman and given.text("format") == "json":
        _print_json(rows)
    else:
        form = given.text("format")
        if given.flag("noheading") and form is None:
            form = "\t".join(f"{{{{.{field}}}}}" for _, field in columns)
        show_rows(call, plain, columns, form)
    return 0


def _print_json(rows: list[dict[str, Any]]) -> None:
    """podman prints one list, with the names of an image together."""
    import msgspec

    from wherry.cli import listing

    images: dict[str, dict[str, Any]] = {}
    for row in rows:
        document = {
            "Id": row["_ID"].removeprefix("sha256:"),
            "Digest": row["Digest"],
            "Names": [],
            "Created": int(listing.seconds(row["Created"]) or 0),
            "CreatedAt": row["Created"],
        }
        found = images.setdefault(row["_Manifest"], document)
        if row["Tag"] != "<none>":
            found["Names"].append(f"{row['Repository']}:{row['Tag']}")
    print(msgspec.json.format(msgspec.json.encode(list(images.values())), indent=2).decode())


def _rmi(call: Call, given: Given) -> int:
    world, force, status = containers.World(), given.flag("force"), 0
    words = given.words
    if given.flag("all"):
        words = tuple(str(record.digest) for record in world.store.image_records())
    elif not words:
        raise UsageError(f'"{call.face} rmi" requires at least 1 argument', hint=f"{call.face} images lists them")
    for word in words:
        try:
            _remove(call, world, word, force=force or given.flag("all"))
        except NotFound:
            missing = Missing("image", word if ":" in word or call.is_podman else f"{word}:latest")
            if force or given.flag("ignore"):
                continue
            status = report(call, missing)
        except WherryError as error:
            status = report(call, error)
    return status


def _remove(call: Call, world: containers.World, word: str, *, force: bool) -> None:
    manifest = image_name(world, word)
    identity = str(image(world, word).manifest.config.digest)
    gone = containers.rmi(manifest, force=force or _has_one_name(world, manifest), world=world)
    for reference in gone.names:
        print(f"Untagged: {reference if call.is_podman else reference.familiar}")
    for digest in gone.images:
        print(f"Deleted: {identity if len(gone.images) == 1 else digest}")


def _has_one_name(world: containers.World, name: str) -> bool:
    """By its ID an image goes with its name where that is the only one."""
    if not name.startswith("sha256:"):
        return False
    return sum(str(found.digest) == name for _, found in world.store.names()) == 1


def _tag(call: Call, given: Given) -> int:
    world = containers.World()
    image(world, given.words[0])
    for target in given.words[1:]:
        containers.tag(image_name(world, given.words[0]), target, world=world)
    return 0


def _untag(call: Call, given: Given) -> int:
    world = containers.World()
    found = image(world, given.words[0])
    references = [containers.reference_of(world, word) for word in given.words[1:]]
    for reference, name in list(world.store.names()):
        if name.digest == found.digest and (not references or reference in references):
            world.store.remove_name(reference)
    return 0


def _history(call: Call, given: Given) -> int:
    from wherry.cli.imagerows import history_rows

    world, whole = containers.World(), given.flag("no_trunc")
    image(world, given.words[0])
    rows = history_rows(world, image_name(world, given.words[0]), whole=whole)
    top = image(world, given.words[0]).manifest.config.digest
    for number, row in enumerate(rows):
        row["ID"] = (str(top) if whole else top.short) if number == 0 else "<missing>"
    if given.flag("quiet"):
        print("".join(f"{row['ID']}\n" for row in rows), end="")
        return 0
    columns = (("IMAGE", "ID"), ("CREATED", "CreatedSince"), ("CREATED BY", "CreatedBy"), ("SIZE", "Size"))
    show_rows(call, rows, (*columns, ("COMMENT", "Comment")), given.text("format"))
    return 0


def _pull(call: Call, given: Given) -> int:
    world, quiet = containers.World(), given.flag("quiet")
    if given.flag("all_tags"):
        why = "all tags of a repository are seldom wanted"
        raise UsageError("'pull --all-tags' is not possible here", why=why, hint="name each tag")
    return each(call, given.words, lambda word: _pulled(call, given, world, word, quiet=quiet))


def _pulled(call: Call, given: Given, world: containers.World, word: str, *, quiet: bool) -> str:
    """The lines of ``docker pull``, or podman's ID."""
    from wherry.cli.moving import shown

    word = word.removeprefix("docker://")
    reference = containers.reference_of(world, word)
    before = world.store.name(reference) if reference.digest is None else None
    told = not (quiet or call.is_podman)
    if told:
        if reference.digest is None and not word.endswith(f":{reference.tag}"):
            print(f"Using default tag: {reference.tag}")
        print(f"{reference.tag or reference.digest}: Pulling from {reference.repository}", flush=True)
    with shown(quiet) as progress:
        found = containers.fetch(
            world, reference, platform=_platform(given), auth_file=given.text("authfile") or "", progress=progress
        )
    if call.is_podman:
        return found.manifest.config.digest.hex
    now = world.store.name(reference) if reference.digest is None else None
    if told:
        print(f"Digest: {(now.index if now and now.index else found.digest)}")
        same = before is not None and before.digest == found.digest
        state = "Image is up to date" if same else "Downloaded newer image"
        print(f"Status: {state} for {reference.familiar}")
    return str(reference)


def _platform(given: Given) -> str | None:
    parts = (given.text("os"), given.text("arch"), given.text("variant"))
    if any(parts):
        return "/".join(part for part in (parts[0] or "linux", parts[1], parts[2]) if part)
    return given.text("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM") or None


def _push(call: Call, given: Given) -> int:
    from wherry.cli.moving import shown

    world, name = containers.World(), given.words[0]
    found = image(world, name)
    if given.flag("all_tags"):
        raise UsageError("'push --all-tags' is not possible here", hint="push each tag")
    target = given.words[1].removeprefix("docker://") if len(given.words) > 1 else name
    quiet, auth_file = given.flag("quiet"), given.text("authfile") or ""
    reference = containers.reference_of(world, target)
    if not (quiet or call.is_podman):
        print(f"The push refers to repository [{reference.name}]", flush=True)
    with shown(quiet) as progress:
        source = image_name(world, name)
        reference, digest = containers.push_as(source, target, auth_file=auth_file, progress=progress, world=world)
    if given.text("digestfile"):
        with open(given.text("digestfile") or "", "w", encoding="ascii") as file:
            file.write(str(digest))
    if quiet and not call.is_podman:
        print(reference)
    elif not call.is_podman:
        size = len(world.store.read_blob(found.digest))
        print(f"{reference.tag}: digest: {digest} size: {size}")
    return 0


def _login(call: Call, given: Given) -> int:
    from wherry.cli.credentials import ask

    world, auth_file = containers.World(make_store=False), given.text("authfile") or ""
    host = given.words[0] if given.words else "docker.io"
    name, password = ask(given, host)
    done_ = containers.login(host, name, password, auth_file=auth_file, world=world)
    if done_.encoded and not call.is_podman:
        sys.stderr.write(f"WARNING! Your password is stored unencrypted in {done_.kept_in}.\n")
    print("Login Succeeded!" if call.is_podman else "Login Succeeded")
    return 0


def _logout(call: Call, given: Given) -> int:
    world, auth_file = containers.World(make_store=False), given.text("authfile") or ""
    host = given.words[0] if given.words else "docker.io"
    places = containers.logout(host, auth_file=auth_file, world=world)
    if places or not call.is_podman:
        print(f"Removing login credentials for {host}" if places else f"Not logged in to {host}")
    return 0


_PLATFORM = (
    done("--platform", kind=TEXT),
    *(done(f"--{part}", kind=TEXT, only="podman") for part in ("os", "arch", "variant")),
)
_TLS = Asked(("--tls-verify",), "flag", "idle", only="podman")
_TRUST = Asked(("--disable-content-trust",), "flag", "idle")
_AUTHFILE = done("--authfile", kind=TEXT, only="podman")
_REGISTRY_REST = (
    *(Asked((f"--{word}",), TEXT, "idle", only="podman") for word in ("cert-dir", "retry", "retry-delay", "jobs")),
    *(Asked((f"--{word}",), TEXT, "refused", "credentials are kept", "podman login", "podman") for word in ("creds",)),
)

COMMANDS = {
    "images": Command(
        _images,
        "[OPTIONS] [REPOSITORY[:TAG]]",
        "List images",
        (
            *(done("-q", "--quiet"), done("--digests"), done("--no-trunc"), done("-f", "--filter", kind=MANY)),
            *(
                done("--format", kind=TEXT),
                done("-n", "--noheading", only="podman"),
                Asked(("-a", "--all"), "flag", "idle"),
            ),
            *(Asked(("--tree",), "flag", "idle", only="docker"), Asked(("--history",), "flag", "idle", only="podman")),
            Asked(("--sort",), TEXT, "idle", only="podman"),
        ),
        most=1,
    ),
    "rmi": Command(
        _rmi,
        "[OPTIONS] IMAGE [IMAGE...]",
        "Remove one or more images",
        (
            *(done("-f", "--force"), Asked(("--no-prune",), "flag", "idle"), done("-a", "--all", only="podman")),
            *(done("-i", "--ignore", only="podman"), Asked(("--platform",), TEXT, "idle", only="docker")),
        ),
        most=-1,
    ),
    "tag": Command(_tag, "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Give an image another name", least=2, most=-1),
    "untag": Command(_untag, "IMAGE [IMAGE...]", "Remove names of an image", least=1, most=-1),
    "history": Command(
        _history,
        "[OPTIONS] IMAGE",
        "Show the history of an image",
        (
            *(done("-q", "--quiet"), done("--no-trunc"), done("--format", kind=TEXT)),
            *(Asked(("-H", "--human"), "flag", "idle"), Asked(("--platform",), TEXT, "idle", only="docker")),
        ),
        least=1,
        most=1,
    ),
    "pull": Command(
        _pull,
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Download an image from a registry",
        (*_PLATFORM, done("-q", "--quiet"), done("-a", "--all-tags"), _TRUST, _TLS, _AUTHFILE, *_REGISTRY_REST),
        least=1,
        most=-1,
    ),
    "push": Command(
        _push,
        "[OPTIONS] NAME[:TAG]",
        "Upload an image to a registry",
        (
            *(done("-q", "--quiet"), done("-a", "--all-tags", only="docker"), _TRUST, _TLS, _AUTHFILE, *_REGISTRY_REST),
            *(done("--digestfile", kind=TEXT, only="podman"), Asked(("--platform",), TEXT, "idle", only="docker")),
            *(Asked(names, TEXT, "idle", only="podman") for names in (("-f", "--format"), ("--compression-format",))),
            *(
                Asked((f"--sign-{word}",), TEXT, "refused", "signatures are not made here", "cosign", "podman")
                for word in ("by", "by-sigstore", "by-sigstore-private-key", "passphrase-file")
            ),
            Asked(("--remove-signatures",), "flag", "idle", only="podman"),
            Asked(("--compress",), "flag", "idle", only="podman"),
        ),
        least=1,
        most=2,
    ),
    "login": Command(
        _login,
        "[OPTIONS] [SERVER]",
        "Log in to a registry",
        (
            *(done("-u", "--username", kind=TEXT), done("-p", "--password", kind=TEXT), done("--password-stdin")),
            *(_TLS, _AUTHFILE, Asked(("-v", "--verbose"), "flag", "idle", only="podman")),
            *(
                Asked(("--get-login",), "flag", "refused", "it is not told", "podman logout", "podman"),
                *_REGISTRY_REST[:1],
            ),
        ),
        most=1,
    ),
    "logout": Command(
        _logout,
        "[SERVER]",
        "Log out from a registry",
        (_AUTHFILE, Asked(("-a", "--all"), "flag", "refused", "each is named", "podman logout SERVER", "podman")),
        most=1,
    ),
}
