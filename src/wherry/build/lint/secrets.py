"""Rules on secrets that would be in an image for everybody to read: in variables, files, addresses, texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from wherry.build.dockerfile.instructions import Add, Arg, Copy, Env, Instruction
from wherry.build.lint.texts import Located, heredoc_bodies, logical_line
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View

__all__ = ["RULES", "masked"]

_NAME = re.compile(
    r"(?:^|_)(?:api_?key|auth|credentials?|key|password|pword|passwd|passphrase|pass|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_INNOCENT = re.compile(
    r"(?:^|_)(?:public|pub|file|path|dir|url|id|name|server|servers|type|fingerprint|length|size|keyring|user|keyserver)(?:_|$)",
    re.IGNORECASE,
)
_GPG = re.compile(r"(?:^|_)(?:gpg|pgp|signing)(?:_|$)", re.IGNORECASE)
_VALUE = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"
    r"|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
    r"|pypi-AgEI[A-Za-z0-9_-]{40,}|sk-[A-Za-z0-9_-]{32,}|sk_live_[A-Za-z0-9]{20,}|AIza[0-9A-Za-z_-]{35}|dckr_pat_[A-Za-z0-9_-]{20,}"
    r"|eyJ[A-Za-z0-9_-]{10,500}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,2000})"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}://([^\s/@:'\"$<>{}]{0,200}):([^\s/@'\"$<>{}]{1,200})@", re.IGNORECASE)
_FILE = re.compile(
    r"(?:^|/)(?:id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|\.env(?:\.(?:local|production|prod|development|dev|staging))?|\.netrc|_netrc"
    r"|\.npmrc|\.pypirc|\.git-credentials|\.pgpass|\.my\.cnf|\.htpasswd|\.dockercfg|\.docker/config\.json|\.aws/credentials"
    r"|\.kube/config|kubeconfig|credentials\.json|client_secrets?\.json|service[-_]account[\w-]*\.json|secrets?\.(?:ya?ml|json|toml|txt|env)"
    r"|\.ssh/?|\.gnupg/?|\.aws/?|[\w.-]*(?:private|priv)[\w.-]*\.(?:key|pem)|[\w.-]+\.(?:ppk|pfx|p12|kdbx|keystore|jks))$",
    re.IGNORECASE,
)
_PLACEHOLDERS = frozenset(
    ("", "changeme", "password", "example", "none", "null", "false", "true", "0", "1", "xxx", "todo")
)
_MOUNT = "RUN --mount=type=secret,id={},env={}: seen by that step, kept nowhere"


@lru_cache(64)  # many findings are about one line
def masked(line: str) -> str:
    """The line with what looks like a secret made unreadable: findings go to logs that others read."""
    line = _VALUE.sub(lambda found: found[0][:4] + "***" if found[0][:1] != "-" else found[0], line)
    line = _IN_URL.sub(lambda found: found[0].replace(f":{found[2]}@", ":***@"), line)
    for pattern in (_ASSIGNED, _LEGACY):
        line = pattern.sub(
            lambda found: f"{found[1]}{found[2]}{found[3]}***" if _is_secret(found[2]) else found[0], line
        )
    return line


_ASSIGNED = re.compile(r"((?<![\w$]))([A-Za-z_]\w{0,80})(=)(?!\$)(?:\"[^\"]*\"|'[^']*'|\S+)")
_LEGACY = re.compile(r"^(\s*(?i:ENV)\s+)([A-Za-z_]\w{0,80})(\s+)(?!\$)\S.*$")


def _is_secret(name: str) -> bool:
    return bool(_NAME.search(name)) and not _INNOCENT.search(name) and not _GPG.search(name)


def _variables(view: View) -> Iterator[Found]:
    for instruction in view.all:
        if not isinstance(instruction, Arg | Env):
            continue
        kind = "ARG" if isinstance(instruction, Arg) else "ENV"
        for pair in instruction.pairs:
            if _is_secret(pair.name):
                message = f"{kind} '{pair.name}' looks like a secret, and everybody who has the image can read it"
                yield Found(view.at(instruction, pair.name), message, _MOUNT.format(pair.name.lower(), pair.name))


def _values(view: View) -> Iterator[Found]:
    for instruction in view.all:
        for located in _texts(view, instruction):
            for found in _VALUE.finditer(located.text):
                shown = found[0][:4] + "***" if found[0][:1] != "-" else "a private key"
                hint = "take it back where it was given out, then use RUN --mount=type=secret"
                yield Found(
                    located.position(found.start()), f"{shown} is a secret, and in the recipe for all to read", hint
                )


def _urls(view: View) -> Iterator[Found]:
    for instruction in view.all:
        for located in _texts(view, instruction):
            for found in _IN_URL.finditer(located.text):
                if found[2].lower() not in _PLACEHOLDERS and "*" not in found[2]:
                    message = "the address has a password in it, which stays in the image's history"
                    hint = "RUN --mount=type=secret,id=netrc,target=/root/.netrc: curl, wget, pip and git read it"
                    yield Found(located.position(found.start()), message, hint)


def _texts(view: View, instruction: Instruction) -> Iterator[Located]:
    yield logical_line(view.recipe, instruction)[0]
    yield from heredoc_bodies(view.recipe, instruction)


def _files(view: View) -> Iterator[Found]:
    for stage in view.stages:
        for instruction in stage.instructions:
            if not isinstance(instruction, Copy | Add) or (isinstance(instruction, Copy) and instruction.from_):
                continue
            for source in instruction.sources:
                if _FILE.search(source.strip("\"'").rstrip("/")):
                    message = f"'{source}' looks like a secret, and would be in a layer for everybody to read"
                    hint = "RUN --mount=type=secret,id=NAME,target=PATH, and leave it out by .dockerignore"
                    yield Found(view.at(instruction, source), message, hint)


RULES = (
    Rule(
        "secret-in-variable",
        ("SecretsUsedInArgOrEnv",),
        "warning",
        "a variable of the image or of the build looks like a secret",
        "ENV is in the image's configuration, ARG in its history: whoever pulls the image reads both",
        _variables,
    ),
    Rule(
        "secret-in-recipe",
        (),
        "error",
        "the recipe has a token or a private key in it",
        "it is in the image's history and in every copy of the recipe; deleting it in a later step changes neither",
        _values,
    ),
    Rule(
        "secret-in-address",
        (),
        "error",
        "an address has a password in it",
        "it stays in the image's history, and tools write addresses into logs and settings (.git/config)",
        _urls,
    ),
    Rule(
        "secret-file",
        (),
        "error",
        "a file that is usually secret is copied into a layer",
        "it stays in that layer even if a later step deletes it",
        _files,
    ),
)
