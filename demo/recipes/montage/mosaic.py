#!/usr/bin/python3
"""Four pictures of one sky, each turned and with its own background, made one by Montage and compared with the sky."""

import os
import subprocess
import sys
import tempfile

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

SCALE, SIDE = 0.002, 140  # degrees, pixels
CENTRE = (56.75, 24.12)
STARS = ((56.68, 24.05, 90.0), (56.75, 24.12, 60.0), (56.84, 24.19, 75.0), (56.70, 24.20, 50.0))
PICTURES = ((-0.09, -0.09, 10.0, 3.0), (0.09, -0.08, -15.0, -2.0), (-0.08, 0.09, 25.0, 5.0), (0.09, 0.09, 0.0, -6.0))


def sky(ra, dec):
    """Brightness there: stars of a width of five pixels, on a nebula."""
    east, north = (ra - CENTRE[0]) * np.cos(np.radians(CENTRE[1])), dec - CENTRE[1]
    light = 20 + 5 * np.sin(east * 12) * np.cos(north * 15)
    for star_ra, star_dec, peak in STARS:
        x, y = (ra - star_ra) * np.cos(np.radians(star_dec)), dec - star_dec
        light = light + peak * np.exp(-(x**2 + y**2) / (2 * (5 * SCALE) ** 2))
    return light


def picture(path, east, north, turn, background):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [CENTRE[0] + east / np.cos(np.radians(CENTRE[1])), CENTRE[1] + north]
    wcs.wcs.crpix = [SIDE / 2, SIDE / 2]
    wcs.wcs.cdelt = [-SCALE, SCALE]
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    wcs.wcs.pc = [[cos, sin], [-sin, cos]]
    y, x = np.mgrid[:SIDE, :SIDE]
    header = wcs.to_header()
    header.remove("PC?_?", ignore_missing=True, remove_all=True)
    header["CROTA2"] = turn  # the older form, which Montage reads
    fits.PrimaryHDU((sky(*wcs.all_pix2world(x, y, 0)) + background).astype("f4"), header).writeto(path)


def montage(*words):
    told = subprocess.run(words, capture_output=True, text=True).stdout
    if 'stat="OK"' not in told:
        raise SystemExit(f"{' '.join(words)}: {told}")


def main():
    if sys.argv[1:] != ["--check"]:
        raise SystemExit("usage: mosaic --check (or the programs of Montage)")
    os.chdir(tempfile.mkdtemp())
    for folder in ("raw", "projected", "differences", "corrected"):
        os.mkdir(folder)
    for number, each in enumerate(PICTURES):
        picture(f"raw/{number}.fits", *each)
    montage("mImgtbl", "raw", "raw.tbl")
    montage("mMakeHdr", "raw.tbl", "mosaic.hdr")
    montage("mProjExec", "-p", "raw", "raw.tbl", "mosaic.hdr", "projected", "stats.tbl")
    montage("mImgtbl", "projected", "projected.tbl")
    montage("mOverlaps", "projected.tbl", "differences.tbl")
    montage("mDiffExec", "-p", "projected", "differences.tbl", "mosaic.hdr", "differences")
    montage("mFitExec", "differences.tbl", "fits.tbl", "differences")
    montage("mBgModel", "projected.tbl", "fits.tbl", "corrections.tbl")
    montage("mBgExec", "-p", "projected", "projected.tbl", "corrections.tbl", "corrected")
    montage("mAdd", "-p", "corrected", "projected.tbl", "mosaic.hdr", "mosaic.fits")
    with fits.open("mosaic.fits") as found:
        data, wcs = found[0].data, WCS(found[0].header)
    y, x = np.nonzero(np.isfinite(data))
    difference = data[y, x] - sky(*wcs.all_pix2world(x, y, 0))
    spread, size = np.std(difference), len(x) / SIDE**2
    print(f"{data.shape[1]} x {data.shape[0]} pixels, {size:.2f} pictures wide, spread of the difference {spread:.3f}")
    if spread > 0.1 or not 2.5 < size < 4:
        raise SystemExit("the mosaic is not the sky")
    print("the mosaic of 4 pictures is the sky that they were made of")


main()
