"""Recipes whose images are compared with what others, or other ways, make of them; and what they copy."""

from __future__ import annotations

import tarfile
from pathlib import Path

__all__ = ["RECIPES", "context_in"]

RECIPES = {
    "copies": """
FROM tiny
COPY files /f/
COPY files/a files/b /two/
COPY files/a /renamed
COPY --chown=5:6 files/sub /owned
COPY --chown=5 files/a /owned-by-number
COPY --chmod=700 files/a /private
COPY files/links/to* /links/
COPY files/links /dangling-ones-stay
COPY files/sub/ /merged
COPY files/other/ /merged
WORKDIR /deep/er
COPY files/a .
COPY files/b ./named
""",
    "sources": """
FROM tiny
COPY files/sub/. /dot/
COPY files/sub/../a /cleaned
COPY ../../files/b /above
COPY files/[ab] /both/
COPY files/none* files/a /optional/
COPY files/none* /nothing/
COPY --chown=7 files/a /new/deep/er/
COPY --chmod=750 files/sub /moded
COPY files/sub /over
COPY files/other /over
COPY files/sub/deep /over/deep
COPY files/a /over/c
""",
    "links": """
FROM tiny
RUN mkdir -p /real/dir && ln -s real /by && ln -s dir /real/link
COPY files/a /by/link/a
COPY files/sub /by/link/
RUN ln -s /nowhere /dangling
WORKDIR /by/link/made
""",
    "archives": """
FROM tiny
ADD files/packed.tar.gz /unpacked
ADD files/packed.tar.gz files/a /both/
COPY files/packed.tar.gz /as-it-is
""",
    "owners": """
FROM tiny
RUN mkdir /d && touch /d/a /d/b && ln -s a /d/l && mkfifo /d/p
RUN chown 1:2 /d/a && chown -h 3:4 /d/l && chown 5:6 /d /d/p
RUN touch /s && chown 7:8 /s && chmod 6755 /s
RUN mkdir /g && chown 0:50 /g && chmod 2775 /g && touch /g/inherits && mkdir /g/sub
RUN cp -a /d /copy && mv /d/b /moved && ln /s /hard
RUN chown 9:9 /d/a && rm /copy/a && touch /copy/a
RUN mknod /null c 1 3 && mknod /blk b 7 9 && chown 0:6 /blk
RUN mkdir -m 2770 /n && mknod /n/gone c 1 5 && mknod /n/e c 1 7
RUN test -c /null && test -b /blk && rm /n/gone && mv /null /n/null && cp -a /blk /blk2 && chown 3:4 /n/e
RUN ls -l /n/null /blk2 /n/e | cut -c1-10 >/seen && ln /n/e /hard-e && test ! -e /n/gone && chmod 600 /blk2
RUN mkdir /t && chmod 1777 /t && umask 077 && touch /t/private
""",
    "programs": """
FROM small
RUN mkdir /d && touch /d/a /d/b && ln -s a /d/l && chown 1:2 /d/a && chown -h 3:4 /d/l && chown 5:6 /d && chmod 3771 /d
RUN touch /s && chown 7:8 /s && chmod 6755 /s && mkdir /g && chown 0:50 /g && chmod 2775 /g && touch /g/f && mkdir /g/d
RUN cp -a /d /copy && mv /d/b /moved && ln /s /hard && chown 9:9 /d/a && rm /copy/a && touch /copy/a \\
    && chown -h 0:0 /copy/l
RUN echo x >>/etc/gshadow && touch /var/mail/box && chmod u-s /usr/bin/passwd && mv /usr/bin/chage /usr/bin/chage2
RUN chgrp root /etc/shadow && chown root:root /var/local && chown -R 1:1 /opt && rm -r /var/mail && mkdir /var/mail
RUN echo 'app:x:1000:1000::/home/app:/bin/sh' >>/etc/passwd && echo 'app:x:1000:' >>/etc/group \\
    && install -d -o app -g app /data /home/app
RUN install -o app -g 100 -m 2755 /bin/true /inst && touch /data/x && mkfifo /data/p && chown app /data/p
RUN cd /data && tar -cf /tar /d /s /g && mkdir /out && tar -xpf /tar -C /out && rm /tar && chown --from=5 6 /out/d
USER app
RUN touch /home/app/mine && mkdir /home/app/dir && chmod 700 /home/app/dir && ln -s x /home/app/link
RUN id -u >/home/app/id && stat -c %u:%g /etc/passwd /etc/shadow . >>/home/app/id
""",
    "modes": """
FROM tiny
COPY files/shared /as-it-is
RUN mkdir -p /there/in && chmod 2775 /there /there/in && mkdir /plain && chmod 2775 /plain && chmod 755 /plain
COPY files/shared /there
COPY --chmod=750 files/shared/in/f /there/
RUN mkdir /g && chmod 2775 /g && chmod g-s /g && mkdir /h && chmod 2775 /h && chmod 00755 /h && chmod 02700 /there/in
""",
    "removals": """
FROM tiny
RUN mkdir -p /a/b/c /x && echo 1 > /a/b/c/f && echo 2 > /a/g && echo 3 > /x/y
RUN rm -r /a/b && echo 4 > /a/b && rm /x/y && rmdir /x
RUN rm /a/b && mkdir /a/b && echo 5 > /a/b/new && mkdir /x
COPY files/sub /a/b
RUN rm -rf /a && mkdir /a
""",
    "users": """
FROM tiny
RUN mkdir -p /etc && echo 'me:x:100:200::/home/me:/bin/sh' >> /etc/passwd && echo 'us:x:300:me' >> /etc/group
RUN mkdir -p /home/me /pub && chown me:us /home/me && chmod 1777 /pub
USER me
WORKDIR /home/me/made
RUN touch mine && mkdir sub && touch /pub/f && id -u > who && id -g >> who && echo $HOME >> who
COPY files/a /home/me/from-root
COPY --chown=me:us files/a /home/me/mine-too
COPY --chown=me files/a /home/me/mine-alone
COPY --chown=100 files/a /home/me/by-number
COPY --chown=:us files/a /home/me/of-the-group
USER me:us
RUN touch with-group
USER 123:456
RUN touch /pub/number
USER root
RUN chown me /pub/number
""",
    "stages": """
FROM tiny AS one
RUN mkdir /o && touch /o/f && chown 11:12 /o/f && chmod 4711 /o/f && ln -s f /o/l && ln /o/f /o/h
FROM tiny AS two
COPY --from=one /o /copied
COPY --from=one /o/f /file
FROM two
COPY --from=one --chown=1:1 /o /owned/
COPY --from=0 /o/l /link
""",
    "configuration": """
FROM tiny
ARG A=1
ENV B=$A C="two words" PATH=/own:$PATH
LABEL one=1 "two"="2 3"
EXPOSE 80 81/udp 90-92
VOLUME /v ["/w"]
VOLUME ["/x y"]
USER nobody:1
WORKDIR /w
STOPSIGNAL SIGUSR1
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --retries=2 CMD echo ok
ENTRYPOINT echo hi
CMD ["a", "b c"]
ONBUILD RUN echo later
""",
    "entrypoint": """
FROM tiny AS base
CMD ["base"]
FROM base
ENTRYPOINT ["/bin/sh", "-c"]
""",
    "ignored": """
FROM tiny
COPY . /all
""",
}


def context_in(folder: Path) -> Path:
    """Make the folder, with what the recipes copy."""
    files = folder / "files"
    for name in ("sub/deep", "other"):
        (files / name).mkdir(parents=True)
    for name, content in {"a": "a", "b": "b", "sub/c": "c", "sub/deep/d": "d", "other/e": "e", "x.log": "l"}.items():
        (files / name).write_text(content)
    (files / "a").chmod(0o755)
    (files / "shared" / "in").mkdir(parents=True)
    (files / "shared" / "in" / "f").write_text("f")
    for name, mode in (("shared", 0o2775), ("shared/in", 0o2770), ("shared/in/f", 0o640)):
        (files / name).chmod(mode)
    (files / "links").mkdir()
    (files / "links" / "to-a").symlink_to("../a")
    (files / "links" / "dangling").symlink_to("/etc/passwd")
    (folder / ".dockerignore").write_text("**/*.log\n.dockerignore\nDockerfile\n")
    with tarfile.open(files / "packed.tar.gz", "w:gz") as archive:
        for name, kind, mode, ids in (
            ("dir", tarfile.DIRTYPE, 0o2750, (1, 2)),
            ("dir/file", tarfile.REGTYPE, 0o4640, (3, 4)),
            ("dir/link", tarfile.SYMTYPE, 0o777, (5, 6)),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.mode, (member.uid, member.gid), member.mtime = kind, mode, ids, 1_500_000_000
            member.linkname = "file" if kind == tarfile.SYMTYPE else ""
            archive.addfile(member)
    return folder
