"""What the system's own programs leave: caches, accounts, identities, keys, and version control."""

from __future__ import annotations

from wherry.build.normalise.rule import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        name="ldconfig-cache",
        program="ldconfig",
        action="drop",
        sentence="ldconfig's notes for its next run",
        why="they hold inode numbers and times; /etc/ld.so.cache, which programs read, is kept",
        paths=("var/cache/ldconfig/aux-cache",),
    ),
    Rule(
        name="machine-id",
        program="systemd, dbus",
        action="rewrite",
        sentence="the machine's identity",
        why="it is drawn at random; images get a fixed one, for dbus does not work without",
        paths=("etc/machine-id", "var/lib/dbus/machine-id"),
        rewriter="machine-id",
    ),
    Rule(
        name="host-authorities",
        program="wherry",
        action="rewrite",
        sentence="certificate authorities of the building machine in a set that a step changed or copied",
        why="a step sees them behind the image's own, to fetch through a company's proxy; no image may trust them",
        paths=("**/*.crt", "**/*.pem"),
        rewriter="authorities",
    ),
    Rule(
        name="random-seeds",
        program="systemd, gpg, openssl",
        action="drop",
        sentence="saved random numbers",
        why="a seed that many share is none",
        paths=(
            "var/lib/systemd/random-seed",
            "var/lib/urandom/random-seed",
            "var/lib/systemd/credential.secret",
            "root/.rnd",
            "root/.gnupg/random_seed",
            "home/*/.gnupg/random_seed",
        ),
    ),
    Rule(
        name="account-days",
        program="useradd, passwd",
        action="rewrite",
        sentence="the day of the last change in /etc/shadow",
        why="it is the day of the build; later days are clamped as times are",
        paths=("etc/shadow",),
        rewriter="shadow",
    ),
    Rule(
        name="account-backups",
        program="useradd, passwd",
        action="drop",
        sentence="the account files before the last change",
        why="they hold the day of the build, and nothing reads them",
        paths=("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"),
    ),
    Rule(
        name="git-index",
        program="git",
        action="rewrite",
        sentence="inode numbers, times and ids in git's index",
        why="they say where the files lay while the image was built; git looks at the contents instead",
        paths=("**/.git/index", "**/.git/modules/**/index"),
        rewriter="git-index",
    ),
    Rule(
        name="git-logs",
        program="git",
        action="rewrite",
        sentence="the times in git's reflogs",
        why="each line has the time of the clone",
        paths=("**/.git/logs/**", "**/.git/modules/**/logs/**"),
        rewriter="git-log",
    ),
    Rule(
        name="download-notes",
        program="wget, less",
        action="drop",
        sentence="what wget noted of servers, and histories of shells and viewers",
        why="they hold times",
        paths=("root/.wget-hsts", "home/*/.wget-hsts", "root/.lesshst", "root/.viminfo"),
    ),
    Rule(
        name="host-keys",
        program="ssh, openssl",
        action="warn",
        sentence="private keys that were made while the image was built",
        why="they are random, and everybody who has the image has them; make them where a container starts",
        paths=(
            "etc/ssh/ssh_host_*_key",
            "etc/ssl/private/*.key",
            "etc/ssl/private/*.pem",
            "root/.gnupg/private-keys-v1.d/*.key",
        ),
    ),
    Rule(
        name="key-rings",
        program="gpg",
        action="warn",
        sentence="rings of keys that gpg made",
        why="they hold the times when keys were taken in; 'gpg --dearmor' into /etc/apt/keyrings makes a plain file",
        paths=("root/.gnupg/pubring.kbx", "root/.gnupg/trustdb.gpg"),
    ),
)
