#!/usr/bin/python3
"""sky [--check]: make a picture of three stars, measure them, and with --check compare with what was put in."""

import subprocess
import sys

import numpy
from astropy.io import fits
from astropy.wcs import WCS

STARS = ((40, 30, 5000.0), (90, 60, 20000.0), (60, 95, 800.0))

wcs = WCS(naxis=2)
wcs.wcs.ctype, wcs.wcs.crval = ("RA---TAN", "DEC--TAN"), (83.8, -5.4)
wcs.wcs.crpix, wcs.wcs.cdelt = (64, 64), (-1e-4, 1e-4)
y, x = numpy.mgrid[0:128, 0:128]
picture = numpy.random.default_rng(7).normal(100, 2, (128, 128))
for column, row, light in STARS:
    picture += light / (2 * numpy.pi * 4) * numpy.exp(-((x - column) ** 2 + (y - row) ** 2) / 8)
fits.writeto("/tmp/stars.fits", picture.astype("f4"), wcs.to_header(), overwrite=True)

positions = [wcs.pixel_to_world_values(column, row) for column, row, _ in STARS]
words = "\n".join(f"{ra:.8f} {dec:.8f}" for ra, dec in positions)
measured = subprocess.run(
    ["aperture", "/tmp/stars.fits", "10"], input=words, text=True, capture_output=True, check=True
).stdout
print(measured, end="")
if "--check" in sys.argv:
    for line, (_, _, light) in zip(measured.splitlines(), STARS, strict=True):
        found = float(line.split()[2])
        if abs(found - light) > 0.05 * light + 100:
            sys.exit(f"sky: {light} was put in, {found} was measured")
    print("all stars are as bright as they were made")
