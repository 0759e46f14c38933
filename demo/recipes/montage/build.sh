#!/bin/sh -e
# Debian's source has no copies of CFITSIO and WCSTools: the makefiles are told where the system's are.
flags="-O2 -w -fPIC -fcommon -std=gnu99 -D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64"
for folder in . .. ../include ../lib/include ../../include ../../lib/include /usr/include/wcstools; do
    flags="$flags -I$folder"
done
libraries="-L../../lib -lcoord -lmtbl -lsvc -lboundaries -lpixbounds -ltwoplane -lwww -lcmd -lwcstools -lcfitsio -lm"
mkdir -p bin lib/include

build() {
    cd "$1"
    [ ! -f Configure.sh ] || sh ./Configure.sh
    make -s CFLAGS="$flags" CCFLAGS="$flags" LIBS="$libraries"
    [ "$1" = util ] || make -s install
    cd ..
}

cd lib/src
for part in cmd coord mtbl svc boundaries pixbounds www two_plane_v1.1; do build $part; done
cd ../../MontageLib
for part in util Hdr Imgtbl MakeHdr TANHdr GetHdr Project ProjectPP ProjectQL ProjectCube ProjExec Overlaps \
    Diff DiffExec Fitplane FitExec BgModel Background BgExec Add; do build $part; done
