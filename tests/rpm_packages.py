"""RPM packages that give files to others, as ``rpmbuild`` makes them, and the recipe of an image with them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MANAGERS", "write_specs"]

MANAGERS = r"""
FROM debian:12 AS managers
RUN apt-get update \
    && apt-get install -y --no-install-recommends createrepo-c dnf libcap2-bin rpm zypper \
    && rm -rf /var/lib/apt/lists/* \
    && printf '[main]\nreposdir=/none\nplugins=0\n[local]\nname=local\nbaseurl=file:///repo\n' >/etc/dnf/dnf.conf
FROM managers AS packages
COPY specs /specs
RUN set -e; for version in 1.0 2.0; do rpmbuild -bb -D "v $version" -D "_rpmdir /repo" /specs/observatory.spec; done; \
    rpmbuild -bb -D "_rpmdir /repo" /specs/telescope.spec /specs/shutter.spec /specs/system.spec; createrepo_c /repo
FROM managers
COPY --from=packages /repo /repo
"""

_HEAD = "%global __os_install_post %{nil}\n%global _build_id_links none\n"

_SPECS = {
    "observatory": r"""
Name: observatory
Version: %{v}
Release: 1
Summary: A dome, its keeper and its plates
License: BSD
AutoReqProv: no
%description
Files of every kind that a package can give to others.
%install
cd %{buildroot}
mkdir -p etc usr/libexec srv/plates var/lib/dome var/spool/dome usr/share/observatory
echo "open = %{v}" >etc/dome.conf
cp /bin/true usr/libexec/dome-ping
cp /bin/true usr/libexec/dome-open
echo catalogue >usr/share/observatory/stars
ln usr/share/observatory/stars usr/share/observatory/suns
ln -s stars usr/share/observatory/latest
%pre
getent group astro >/dev/null || groupadd -r -g 301 astro
getent passwd dome >/dev/null || useradd -r -u 301 -g astro -d /var/lib/dome -s /usr/sbin/nologin dome
%post
install -d -o dome -g astro -m 2770 /var/lib/dome/nights
touch /var/lib/dome/state && chown dome:astro /var/lib/dome/state && chmod 600 /var/lib/dome/state
%postun
[ $1 -gt 0 ] || userdel dome
%files
%config(noreplace) %attr(0640, dome, astro) /etc/dome.conf
%attr(0755, root, root) %caps(cap_net_raw,cap_net_admin=ep) /usr/libexec/dome-ping
%attr(4750, root, astro) /usr/libexec/dome-open
%dir %attr(2775, root, astro) /srv/plates
%dir %attr(0750, dome, astro) /var/lib/dome
%ghost %attr(0600, dome, astro) /var/lib/dome/state
%dir %attr(1777, root, root) /var/spool/dome
/usr/share/observatory
""",
    "telescope": r"""
Name: telescope
Version: 1.0
Release: 1
Summary: Needs an observatory
License: BSD
Requires: observatory
BuildArch: noarch
%description
Files of a user whom another package makes.
%install
mkdir -p %{buildroot}/var/lib/dome/telescope
echo 8.2 >%{buildroot}/var/lib/dome/telescope/metres
%files
%attr(-, dome, astro) /var/lib/dome/telescope
""",
    "shutter": r"""
Name: shutter
Version: 1.0
Release: 1
Summary: A device
License: BSD
Requires: observatory
%description
It is made by the package itself.
%files
%dev(c, 1, 3) %attr(0660, root, astro) /srv/shutter
""",
    "system": r"""
Name: system
Version: 1
Release: 1
Summary: What the image has already
License: BSD
BuildArch: noarch
Provides: /bin/sh
%description
Packages ask for a shell for their scripts.
%files
""",
}


def write_specs(context: Path) -> None:
    """The folder ``specs`` that the recipe copies."""
    (context / "specs").mkdir()
    for name, text in _SPECS.items():
        (context / "specs" / f"{name}.spec").write_text(_HEAD + text.lstrip("\n"))
