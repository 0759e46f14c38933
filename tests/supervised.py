"""Scripts for ``--fakeroot``: what programs do that change owners, and steps on one upper directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from wherry_command import Wherry

__all__ = ["PROGRAMS", "attributes", "step"]

PROGRAMS = r"""
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin; mkdir /work; cd /work
show() { stat -c '%n %F %u:%g %a %h' "$@"; }
echo "# chown"; touch a; chown 5:6 a; show a; chown :7 a; show a; chown 0:0 a; show a
echo "# set-id"; touch b; chmod 6755 b; show b; chown 5 b; show b; chmod 4750 b; show b; chmod 2640 b; chown 6 b; show b
mkdir bd; chgrp 50 bd; chmod 2775 bd; chmod 755 bd; show bd; chmod 00755 bd; show bd
chmod g+s bd; chmod u=rwx,go= bd; show bd
echo "# links"; ln -s a l; chown -h 9:9 l; chown 8:8 l; show l; stat -L -c %u:%g l
ln b hb; chown 11:12 hb; show b hb; mv hb hc; show hc
echo "# set-group-ID directories"; mkdir sg; chgrp 50 sg; chmod 2775 sg; touch sg/f; mkdir sg/d; touch sg/d/g
ln -s x sg/l; mkfifo sg/p; show sg sg/f sg/d sg/d/g sg/l sg/p
echo "# a number used again"; touch r; chown 3:3 r; mv r r2; cp -a r2 r3; cp r2 r4; show r2 r3 r4
rm r2; touch r2; show r2
echo "# useradd"; useradd -m -s /bin/sh -u 1500 astro; id astro; show /home/astro /home/astro/.profile /etc/passwd
groupadd -g 900 obs; usermod -aG obs astro; id astro
echo "# su"; su astro -c 'id; touch ~/mine; mkdir ~/dir; touch ~/dir/in; ln -s q ~/ln; chown root ~/mine 2>/dev/null ||
echo refused; chown astro:obs ~/mine; chmod 600 ~/mine; echo data >~/new; touch /etc/no 2>/dev/null || echo refused
test -w /etc || echo unwritable; test -w ~/dir && echo writable; echo >>/etc/passwd || echo refused
mkdir /opt/no 2>/dev/null || echo refused' 2>&1 | sed 's/^sh: .*Permission.*//'; show /home/astro/*
echo "# ids"; mkdir -m 777 open; python3 - <<'P'
import os, sys
def errno(do, *arguments):
    try: return do(*arguments)
    except OSError as error: return error.errno
os.chdir("open")
if os.fork() == 0:
    os.setgroups([4, 24]); os.setresgid(20, 20, 20); os.setresuid(33, 33, 0)
    print(os.getresuid(), os.getresgid(), os.getgroups())
    fd = os.open("py", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666); os.write(fd, b"x"); s = os.fstat(fd)
    print(s.st_uid, s.st_gid, oct(s.st_mode), s.st_size, os.get_inheritable(fd))
    os.umask(0o077); os.mkdir("d2", 0o777); os.mkfifo("p")
    for name in ("d2", "p"): s = os.stat(name); print(s.st_uid, s.st_gid, oct(s.st_mode))
    os.seteuid(0); os.chown("py", 44, 44); os.seteuid(33)
    print(errno(os.chown, "py", 33, 33), errno(os.setgroups, []))
    print(errno(os.setresuid, 5, 5, 5), errno(os.setregid, 4, 4))
    os.setresuid(33, 33, 33); print(errno(os.setuid, 0), errno(os.seteuid, 0), os.getresuid())
    sys.stdout.flush(); os.execl("/usr/bin/id", "id")
os.wait()
P
echo "# tar"; mkdir t; touch t/x; chown 21:22 t/x; chmod 4711 t/x; tar -cf t.tar t
tar -tvf t.tar --numeric-owner | cut -c1-16
mkdir t2; tar -xpf t.tar -C t2; show t2/t t2/t/x
echo "# install"; install -o 31 -g 32 -m 2755 a i; install -d -o 33 -g 34 -m 1777 id; show i id
echo "# dpkg"; mkdir -p deb/DEBIAN deb/srv/shared deb/usr/lib; touch deb/usr/lib/tool; chown 0:4 deb/usr/lib/tool
chmod 2755 deb/usr/lib/tool; chown 33:50 deb/srv/shared; chmod 2770 deb/srv/shared; ln -s tool deb/usr/lib/link
chown -h 33:33 deb/usr/lib/link
printf 'Package: lab\nVersion: 1\nArchitecture: all\nMaintainer: me\nDescription: test\n' >deb/DEBIAN/control
printf '#!/bin/sh\nadduser --system --group --home /var/lib/lab lab >/dev/null\n' >deb/DEBIAN/postinst
printf 'chown lab:lab /var/lib/lab\n' >>deb/DEBIAN/postinst
printf 'dpkg-statoverride --update --add root lab 4750 /usr/lib/tool\n' >>deb/DEBIAN/postinst
chmod 755 deb/DEBIAN/postinst; dpkg-deb -b deb lab.deb >/dev/null; dpkg -i lab.deb >/dev/null 2>&1
show /usr/lib/tool /usr/lib/link /srv/shared; stat -c '%U:%G %a' /var/lib/lab
echo "# attributes"; python3 - <<'P'
import os
os.setxattr("a", "security.capability", bytes.fromhex("0100000202000000000000000000000000000000"))
print(os.getxattr("a", "security.capability").hex(), os.listxattr("a"))
os.setxattr("a", "user.mine", b"1"); print(sorted(os.listxattr("a")))
P
cp -a a a2; python3 -c 'import os; print(sorted(os.listxattr("a2")))'
chown 1 a; python3 -c 'import os; print(sorted(os.listxattr("a")))'
echo "# find"; find /work -uid 33 | sort; find /work -gid 50 | sort
echo "# descriptors"; exec 3>fdfile; chown 77 /proc/self/fd/3; show fdfile; chown 78 /dev/fd/3; show fdfile
echo "# others' files"; mkdir -m 777 pub; mkdir -m 1777 st; mkdir -m 711 x; mkdir -m 700 priv
touch pub/r st/r x/in priv/p pub/w
chmod 666 pub/w; chmod 640 pub/r; mkdir priv/open; touch priv/open/f; chmod 444 priv/open/f
setpriv --reuid 7 --regid 8 --clear-groups sh -c '
try() { "$@" >/dev/null 2>&1 && echo "$*: yes" || echo "$*: no"; }
touch pub/m st/m; mkdir pub/md
try cat /etc/shadow; try cat /etc/passwd; try cat pub/r; try cat pub/w; try cat x/in; try ls x; try ls priv
try cat priv/p; try cat priv/open/f
try ls /root; try sh -c "cd /root"; try sh -c "cd x"; try dd if=/dev/null of=pub/w
try dd if=/dev/null of=pub/r conv=notrunc; try truncate -s 0 pub/r
try truncate -s 3 pub/w
try mv pub/r pub/r2; try mv pub/m /etc/m; try mv /etc/passwd pub/p; try mv x pub/x; try mv st/r st/q
try mv st/m st/mm; try mv st/mm st/r
try rm st/r; try rm -f /etc/passwd; try rm pub/w; try rm st/mm; try rmdir priv/open; try rmdir pub/md
try ln /etc/shadow pub/s; try ln pub/r2 pub/l
try ln /etc/passwd pub/pw; try ln pub/m /etc/l; try sh -c "echo >>/etc/passwd"; try sh -c "echo x >x/new"
try mkdir priv/d; try touch priv/open/g
try tee -a /var/log/lastlog; try sed -i s/a/b/ /etc/passwd; try cp /etc/shadow pub/shadow
ls -l pub st | wc -l'
su games -s /bin/sh -c 'cat /etc/gshadow 2>/dev/null || echo refused'
echo "# capabilities and writing"; python3 - <<'P'
import os
def cap(n): return sorted(os.listxattr(n))
def setcap(n): os.setxattr(n, "security.capability", bytes.fromhex("0100000202000000000000000000000000000000"))
for n in "abcdef": open(n, "w").close(); setcap(n)
print(cap("a"), os.getxattr("a", "security.capability").hex())
open("a", "a").close(); print("opened", cap("a"))
open("a", "a").write("x"); print("written", cap("a"))
os.truncate("b", 5); print("truncated", cap("b")); os.chmod("c", 0o700); os.utime("c"); os.rename("c", "g")
print("kept", cap("g"))
os.link("d", "h"); open("h", "w").write("x"); print("linked", cap("d")); os.removexattr("e", "security.capability")
print("gone", cap("e"))
os.chown("f", 5, 5); print("given", cap("f"))
try: os.setxattr("a", "security.capability", bytes(20))
except OSError as e: print(e.strerror)
P
echo "# chroot"; mkdir -p cr/etc; ln -s /etc cr/elink; touch cr/etc/f; python3 - <<'P'
import os, sys
if os.fork() == 0:
    os.chroot("cr"); os.chdir("/"); os.chown("/elink/f", 61, 62); s = os.stat("/etc/f"); print(s.st_uid, s.st_gid)
    os.chown("etc/f", 63, -1); sys.stdout.flush(); os._exit(0)
os.wait(); s = os.stat("cr/etc/f"); print(s.st_uid, s.st_gid, os.path.exists("/etc/f"))
P
"""
"""Each line says the same with ``--fakeroot`` as where ids are real."""

_STEP = """
import sys
from wherry.containers import prepare
from wherry.launch import RunOptions
options = RunOptions(image="small", user="root", fakeroot=True, upper=sys.argv[1], command=("sh", "-c", sys.argv[2]))
sys.exit(prepare(options).begin().wait())
"""


def step(wherry: Wherry, folder: Path, script: str) -> str:
    """What a build's step says that leaves its changes in ``folder/upper``."""
    done = subprocess.run(
        [sys.executable, "-c", _STEP, str(folder), script],
        env=wherry.environment,
        cwd=wherry.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def attributes(path: Path) -> dict[str, str]:
    """What a file carries of its owner."""
    names = [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.wherry.")]
    return {name.removeprefix("user.wherry."): os.getxattr(path, name).decode("latin-1") for name in names}
