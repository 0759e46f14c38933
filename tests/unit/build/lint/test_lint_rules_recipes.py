"""What rules about instructions complain of, and what they must not: images, users, secrets, labels, stages, form."""

from __future__ import annotations

import pytest

from wherry.build.dockerfile import parse
from wherry.build.lint import RULES, Choices, lint

A, B = "FROM debian:12\n", "FROM debian:12 AS b\n"
LABELS = ("org.opencontainers.image.licenses", "org.opencontainers.image.authors", "org.opencontainers.image.source")
OCI = "org.opencontainers.image"

WRONG: dict[str, tuple[str, ...]] = {
    "moving-tag": (
        "FROM debian",
        "FROM debian:latest",
        "FROM ubuntu:rolling",
        "FROM registry.example.org:5000/lab/base",
        "ARG BASE=debian:latest\nFROM $BASE",
        "ARG TAG=latest\nFROM debian:${TAG}",
        "FROM debian:12\nCOPY --from=registry.example.org/tools:latest /x /x",
        "FROM debian:12\nRUN --mount=type=bind,from=example/tools:latest,target=/t true",
    ),
    "no-digest": ("FROM debian:12", "ARG V=12\nFROM debian:$V"),
    "fixed-platform": ("FROM --platform=linux/amd64 debian:12", "FROM --platform=linux/arm64 debian:12 AS base"),
    "redundant-platform": (
        "FROM --platform=$TARGETPLATFORM debian:12",
        "FROM --platform=${TARGETPLATFORM} debian:12 AS b",
    ),
    "foreign-registry": (
        "FROM evil.example.com/x:1",
        "FROM debian:12",
        "FROM quay.io/a:1\nCOPY --from=localhost/b:1 /a /a",
    ),
    "root-user": (
        "FROM debian:12",
        "FROM debian:12\nUSER me\nUSER root",
        "FROM debian:12\nUSER 0:0",
        "FROM debian:12 AS a\nUSER root\nFROM a\nRUN x",
    ),
    "secret-in-variable": (
        A + "ARG GITHUB_TOKEN",
        A + "ENV AWS_SECRET_ACCESS_KEY=x",
        A + "ENV DB_PASSWORD secret",
        "ARG API_KEY=1\nFROM debian:12",
        A + "ENV A=1 MY_AUTH=2",
    ),
    "secret-in-recipe": (
        A + "ENV X=ghp_0123456789abcdefghijABCDEFGHIJ012345",
        A + "RUN login --key AKIAIOSFODNN7EXAMPLE",
        A + "COPY <<EOF /key\n-----BEGIN RSA PRIVATE KEY-----\nEOF\n",
        A + "RUN curl -H 'Authorization: Bearer hf_abcdefghijklmnopqrstuvwxyzABCDEFGH' https://example.org",
    ),
    "secret-in-address": (
        A + "RUN git clone https://me:hunter2@example.org/a.git",
        A + "ENV PIP_INDEX_URL=https://robot:s3cr3t@pypi.example.org/simple",
        A + "ADD https://u:p4ss@example.org/x /x",
    ),
    "secret-file": (
        A + "COPY id_rsa /root/.ssh/id_rsa",
        A + "COPY .env /app/",
        A + "ADD conf/.netrc /root/",
        A + 'COPY ["a b/.git-credentials", "/root/"]',
        A + "COPY .ssh /root/.ssh",
        A + "COPY certs/private.pem /etc/",
    ),
    "missing-label": (
        A + "LABEL version=1",
        A + f"LABEL {OCI}.licenses=MIT {OCI}.source=https://example.org",
        f"FROM debian:12 AS a\nLABEL {OCI}.licenses=MIT maintainer=me {OCI}.source=https://example.org\nFROM debian:12",
    ),
    "maintainer": (A + "MAINTAINER me <me@example.org>", "FROM debian:12\nRUN x\nMAINTAINER you"),
    "label-key": (A + "LABEL Version=1", A + "LABEL my_label=1", A + "LABEL com.docker.x=1", A + "LABEL a..b=1"),
    "empty-label": (A + "LABEL description=", A + 'LABEL a=1 b=""'),
    "label-value": (
        A + f"LABEL {OCI}.licenses=GPL",
        A + f'LABEL {OCI}.licenses="Apache License 2.0"',
        A + f"LABEL {OCI}.source=example.org/x",
        A + f"LABEL {OCI}.created=yesterday",
        A + f"LABEL {OCI}.revision=main",
    ),
    "label-version": (A + f"LABEL {OCI}.version=12", A + f"LABEL {OCI}.version=latest"),
    "repeated-instruction": (
        A + 'CMD ["a"]\nCMD ["b"]',
        A + 'ENTRYPOINT ["a"]\nRUN x\nENTRYPOINT ["b"]',
        A + "HEALTHCHECK CMD a\nHEALTHCHECK NONE",
    ),
    "no-healthcheck": (A, B + "HEALTHCHECK CMD x\nFROM debian:12"),
    "shell-form": (A + "CMD python3 run.py", A + "ENTRYPOINT exec top -b"),
    "add-for-copy": (A + "ADD run.py /", A + "ADD src lib /app/"),
    "stage-name-case": ("FROM debian:12 AS Build", "FROM debian:12 AS a\nFROM debian:12 AS bB"),
    "duplicate-stage": ("FROM debian:12 AS a\nFROM debian:12 AS a", "FROM debian:12 AS a\nFROM debian:11 AS A"),
    "reserved-stage": ("FROM debian:12 AS scratch", "FROM debian:12 AS context"),
    "unknown-stage": (
        A + "COPY --from=bild /x /x",
        B + "FROM debian:12\nCOPY --from=7 /x /x",
        A + "COPY --from=later /x /x\nFROM b:1 AS later",
    ),
    "copy-from-itself": ("FROM debian:12 AS a\nCOPY --from=a /x /y", "FROM debian:12\nCOPY --from=0 /x /y"),
    "undefined-arg-in-from": ("FROM debian:$TAG", "FROM debian:12 AS a\nARG TAG=1\nFROM debian:${TAG}"),
    "empty-arg-in-from": ("ARG TAG\nFROM debian:$TAG", "ARG BASE\nFROM ${BASE}"),
    "as-case": ("FROM debian:12 as build", "from debian:12 AS build"),
    "definition-comment": ("# nothing of it\nFROM debian:12 AS build", A + "# a number\nARG COUNT=1"),
    "workdir-relative": (A + "WORKDIR app", A + "WORKDIR app\nWORKDIR /x"),
    "copy-relative": (A + "COPY x y", A + "COPY --chown=me x ./\nWORKDIR /a"),
    "copy-needs-slash": (A + "COPY a b /c", A + 'COPY ["a", "b", "/c"]'),
    "no-such-port": (A + "EXPOSE 80000", A + "EXPOSE 80 70000/tcp"),
    "port-protocol-case": (A + "EXPOSE 80/TCP", A + "EXPOSE 81 53/Udp"),
    "port-form": (A + "EXPOSE 8080:80", A + "EXPOSE 127.0.0.1:80:80"),
    "legacy-key-value": (A + "ENV A b c", A + "LABEL a b"),
    "instruction-case": (
        "FROM debian:12\nRUN a\nrun b",
        "from debian:12\nrun a\nCOPY a /b",
        "FROM debian:12\nRun a\nRUN c",
    ),
    "empty-continuation": (A + "RUN a \\\n\n  b", A + "RUN a \\\n  # x\n\n  && b"),
    "undefined-variable": (
        A + "ENV PATH=$PAHT:/x",
        "ARG VERSION=1\nFROM debian:12\nCOPY x-$VERSION /",
        A + "ENV PREFIX=/opt\nWORKDIR ${PREFX}/a",
        "FROM scratch\nCOPY $WHAT /",
    ),
    "env-same-line": (A + "ENV A=1 B=$A", A + 'ENV PREFIX=/opt PATH="$PREFIX/bin:$PATH"'),
    "copy-left-out": (A + "COPY left/out /x", A + "ADD ./left/out/a.txt /x"),
    "inline-ignore": ("# hadolint ignore=DL3006\nFROM debian:12", "# wherry lint global ignore=moving-tag\n" + A),
}

FINE: dict[str, tuple[str, ...]] = {
    "moving-tag": (
        "FROM debian:12",
        "FROM debian@sha256:" + 64 * "0",
        "FROM debian:latest@sha256:" + 64 * "0",
        "FROM scratch",
        "FROM debian:12 AS base\nFROM base\nFROM base AS latest",
        "ARG BASE\nFROM $BASE",
        "ARG BASE=debian:12\nFROM ${BASE}",
        "FROM ${BASE:-debian:12}",
        "FROM debian:12 AS a\nFROM debian:12\nCOPY --from=a /x /x\nCOPY --from=0 /x /x",
        "FROM localhost:5000/x:1.2-stable",
    ),
    "no-digest": ("FROM debian@sha256:" + 64 * "0", "FROM scratch"),
    "fixed-platform": (
        "FROM --platform=$BUILDPLATFORM debian:12",
        "FROM --platform=linux/amd64 debian:12 AS build_amd64",
        "FROM debian:12",
    ),
    "redundant-platform": ("FROM --platform=$BUILDPLATFORM debian:12", "FROM debian:12"),
    "foreign-registry": ("FROM quay.io/a/b:1", "FROM scratch", "FROM quay.io/a:1 AS a\nFROM a"),
    "root-user": (
        "FROM debian:12\nUSER me",
        "FROM debian:12\nUSER root\nRUN x\nUSER 1000:1000",
        "FROM debian:12 AS a\nUSER me\nFROM a",
        "FROM debian:12\nARG WHO\nUSER $WHO",
    ),
    "secret-in-variable": (
        A + "ENV PUBLIC_KEY=x",
        A + "ARG MONKEY=1",
        A + "ENV SSH_KEY_PATH=/x TOKENIZERS_PARALLELISM=1",
        A + "ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568",
        A + "RUN --mount=type=secret,id=token,env=TOKEN x",
    ),
    "secret-in-recipe": (
        A + "ENV X=ghp_short SK=sk-learn",
        A + "RUN pip install scikit-learn==1.0 hf_transfer==0.1",
        A + "RUN echo -----BEGIN CERTIFICATE-----",
    ),
    "secret-in-address": (
        A + "RUN git clone https://example.org/a.git",
        A + "RUN git clone https://me@example.org/a.git git@example.org:a/b.git",
        A + "RUN --mount=type=secret,id=t,env=T git clone https://me:$T@example.org/a.git",
        A + "RUN curl https://example.org:8080/x@y",
        A + "ENV DATABASE=postgres://localhost:5432/x",
    ),
    "secret-file": (
        A + "COPY .env.example /app/",
        A + "COPY environment.yml .envrc.md keys.txt /app/",
        A + "COPY ca.pem server.crt /etc/ssl/",
        A + "COPY --from=debian:12 /root/.netrc /x",
        A + "COPY id_rsa.pub /root/",
        A + "RUN --mount=type=secret,id=netrc,target=/root/.netrc x",
    ),
    "missing-label": (
        A + f"LABEL {OCI}.licenses=MIT {OCI}.authors=me {OCI}.source=https://example.org",
        A + "LABEL maintainer=me license=MIT\nLABEL org.label-schema.vcs-url=https://example.org",
        f"FROM debian:12 AS a\nLABEL {OCI}.licenses=MIT maintainer=me {OCI}.source=https://example.org\nFROM a",
        A + f'LABEL "{OCI}.licenses"="MIT" "{OCI}.authors"="me" "{OCI}.url"="https://example.org"',
    ),
    "maintainer": (A + "LABEL maintainer=me", A + "RUN echo MAINTAINER me"),
    "label-key": (A + "LABEL org.example.some-thing=1", A + "LABEL version=1 $KEY=2"),
    "empty-label": (A + "LABEL a=b", A + "ARG X\nLABEL a=$X"),
    "label-value": (
        A + f'LABEL {OCI}.licenses="MIT OR (Apache-2.0 AND BSD-3-Clause)"',
        A + f'LABEL {OCI}.licenses="GPL-2.0-or-later WITH Classpath-exception-2.0"',
        A + f"LABEL {OCI}.licenses=LicenseRef-Mine {OCI}.url=https://example.org/x?y=1",
        A + f"LABEL {OCI}.created=2026-11-21T18:00:00Z {OCI}.revision=0123456789012345678901234567890123456789",
        A + f"ARG REV\nLABEL {OCI}.revision=$REV licence=GPL",
    ),
    "label-version": (A + f"LABEL {OCI}.version=1.2.3-rc.1", A + f"ARG V\nLABEL {OCI}.version=$V version=12"),
    "repeated-instruction": (
        B + 'CMD ["a"]\nFROM debian:12\nCMD ["b"]',
        A + 'ENTRYPOINT ["a"]\nCMD ["b"]\nHEALTHCHECK NONE',
    ),
    "no-healthcheck": (A + "HEALTHCHECK NONE", B + "HEALTHCHECK CMD x\nFROM b"),
    "shell-form": (
        A + 'CMD ["python3", "run.py"]',
        A + 'SHELL ["/bin/bash", "-c"]\nCMD run it',
        A + "HEALTHCHECK CMD curl -f http://localhost",
    ),
    "add-for-copy": (
        A + "ADD src.tar.gz /src/",
        A + "ADD https://example.org/x /x",
        A + "ADD git@example.org:a/b.git /src",
        A + "COPY run.py /",
        A + "ARG X\nADD $X /src",
        A + "ADD *.tar.xz /src/",
    ),
    "stage-name-case": ("FROM debian:12 AS build-2", "FROM debian:12"),
    "duplicate-stage": ("FROM debian:12 AS a\nFROM debian:12 AS b", "FROM debian:12\nFROM debian:12"),
    "reserved-stage": ("FROM debian:12 AS build", "FROM scratch"),
    "unknown-stage": (
        B + "FROM debian:12\nCOPY --from=b /x /x\nCOPY --from=B /y /y",
        B + "FROM debian:12\nCOPY --from=0 /x /x",
        A + "COPY --from=example/tools:1 /x /x",
    ),
    "copy-from-itself": (B + "FROM debian:12 AS c\nCOPY --from=b /x /y", A + "COPY x /y"),
    "undefined-arg-in-from": (
        "ARG TAG=12\nFROM debian:$TAG",
        "FROM --platform=$BUILDPLATFORM debian:12-$TARGETARCH",
        "FROM debian:${TAG:-12}",
    ),
    "empty-arg-in-from": (
        "ARG TAG=12\nFROM debian:$TAG",
        "ARG TAG\nFROM debian:${TAG:-12}",
        "ARG X\nFROM debian:12${X}",
    ),
    "as-case": ("FROM debian:12 AS build", "from debian:12 as build", "FROM debian:12"),
    "definition-comment": (
        "# build compiles\nFROM debian:12 AS build",
        A + "# a number\n\nARG COUNT=1",
        A + "# COUNT is a number\nARG COUNT=1\n# anything\nRUN x",
        "# wherry lint ignore=moving-tag\nFROM debian:12 AS build",
    ),
    "workdir-relative": (A + "WORKDIR /a\nWORKDIR b", A + "WORKDIR /a", B + "WORKDIR /a\nFROM b\nWORKDIR c"),
    "copy-relative": (
        A + "WORKDIR /a\nCOPY x .",
        A + "COPY x /y",
        B + "WORKDIR /a\nFROM b\nCOPY x y",
        "FROM scratch\nCOPY x y",
        A + 'COPY ["x", "/y"]',
    ),
    "copy-needs-slash": (A + "COPY a b /c/", A + "COPY a* /c", A + "WORKDIR /x\nCOPY a b .", A + "ARG D\nCOPY a b $D"),
    "no-such-port": (A + "EXPOSE 80 65535/udp", A + "EXPOSE 8000-8010", A + "ARG P\nEXPOSE $P"),
    "port-protocol-case": (A + "EXPOSE 80/tcp", A + "EXPOSE 80"),
    "port-form": (A + "EXPOSE 80 443/tcp", A + "EXPOSE 8000-8010/udp"),
    "legacy-key-value": (A + "ENV A=b C=d", A + "LABEL a=b"),
    "instruction-case": ("FROM debian:12\nRUN a\nCMD b", "from debian:12\nrun a\ncmd b"),
    "empty-continuation": (
        A + "RUN a \\\n  # x\n  && b\n\nRUN c",
        A + "RUN <<EOF\na \\\n\nb\nEOF",
        A + "RUN a\n\nRUN b",
    ),
    "undefined-variable": (
        A + "ENV PATH=/opt/bin:$PATH",
        A + "ENV LD_LIBRARY_PATH=/x:$LD_LIBRARY_PATH",
        A + "ARG V=1\nCOPY x-$V /",
        "ARG V=1\nFROM debian:12\nARG V\nCOPY x-$V /",
        A + "ENV X=$JAVA_HOME/bin",
        A + "RUN echo $ANY",
        A + "COPY a-$TARGETARCH /b",
        A + "ENV X=${MAYBE:-1} Y='$LITERAL' Z=\\$ESCAPED",
        B + "ENV P=/x\nFROM b\nWORKDIR $P/a",
    ),
    "env-same-line": (
        A + "ENV A=1\nENV B=$A",
        A + "ENV PATH=/x:$PATH LD_LIBRARY_PATH=/x/lib",
        A + "ENV A=1\nENV A=2 B=$A",
        A + "ENV PATH=$PATH:/x",
    ),
    "copy-left-out": (A + "COPY kept /x", A + "COPY --from=x:1 left/out /x", A + "COPY *.txt /x"),
    "inline-ignore": (A + "# ignore this\nRUN x", A + "RUN echo '# hadolint ignore=DL3006'"),
}


def names(text: str) -> set[str]:
    optional = tuple(rule.name for rule in RULES if rule.optional)
    choices = Choices(
        enable=optional,
        labels=LABELS,
        registries=("quay.io",),
        left_out=lambda path: path.startswith("left/out"),
    )
    return {finding.rule for finding in lint(parse(text + "\n"), choices)}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in WRONG.items() for text in texts])
def test_it_complains(rule: str, text: str) -> None:
    assert rule in names(text)


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FINE.items() for text in texts])
def test_it_does_not_complain(rule: str, text: str) -> None:
    assert rule not in names(text)


def test_every_rule_has_texts_of_both_kinds() -> None:
    from test_lint_rules_commands import FINE as FINE_COMMANDS
    from test_lint_rules_commands import WRONG as WRONG_COMMANDS

    wrong, fine = {**WRONG, **WRONG_COMMANDS}, {**FINE, **FINE_COMMANDS}
    assert {rule.name for rule in RULES} == wrong.keys() == fine.keys()
    assert {name for name, texts in (*wrong.items(), *fine.items()) if len(texts) < 2} == set()
