"""Find the stars in a picture that the Hubble Space Telescope took of the core of the globular cluster 47 Tucanae.

    python3 detect.py j8bt06nyq_flt.fits

writes ``detections.csv`` (a row a star: position, brightness, sharpness) and ``detections.png``. Plain numpy, scipy,
astropy and matplotlib: subtract the sky, smooth by the width of a star, keep the local maxima that stand out of the
noise, reject what is sharper than any star can be (cosmic rays), measure each star in a small aperture.
"""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.table import Table
from astropy.wcs import WCS
from matplotlib.patches import Circle, Rectangle
from scipy import ndimage

THRESHOLD = 8.0  # of the noise
FWHM = 2.6  # pixels: the width of a star in this camera
APERTURE = 3.0  # pixels


def main(path: str) -> None:
    with fits.open(path) as image:
        header, science = image["PRIMARY"].header, image["SCI"].header
        counts = image["SCI"].data.astype(float)
        bad = image["DQ"].data & (4 | 16) > 0  # dead and hot pixels
    stars, sky, noise = detect(counts, bad, header["EXPTIME"])
    place = WCS(science).celestial.pixel_to_world(stars["x"], stars["y"])
    stars["ra"], stars["dec"] = place.ra.deg, place.dec.deg
    stars.sort("flux", reverse=True)
    for name, digits in {"x": 2, "y": 2, "flux": 2, "magnitude": 3, "snr": 1, "concentration": 3}.items():
        stars[name].info.format = f".{digits}f"
    stars["ra"].info.format = stars["dec"].info.format = ".6f"
    stars.write("detections.csv", format="ascii.csv", overwrite=True)
    draw(counts - sky, noise, stars, header)
    print(
        f"{header['TARGNAME']}, {header['TELESCOP']} {header['INSTRUME']}/{header['DETECTOR']}, "
        f"{header['FILTER1']}, {header['EXPTIME']:.0f} s, {header['DATE-OBS']}"
    )
    print(f"{len(stars)} stars above {THRESHOLD:g} sigma, the brightest:")
    stars["x", "y", "ra", "dec", "magnitude", "snr"][:5].pprint(show_unit=False)


def detect(counts: np.ndarray, bad: np.ndarray, seconds: float) -> tuple[Table, np.ndarray, float]:
    """The stars, the sky under them (a value a pixel) and the noise."""
    sky = background(counts)
    flat = np.where(bad, 0.0, counts - sky)
    _, _, noise = sigma_clipped_stats(flat, sigma=3.0, maxiters=10)

    sigma = FWHM / 2.355
    smooth = ndimage.gaussian_filter(flat, sigma)
    smooth_noise = noise / (2 * np.sqrt(np.pi) * sigma)
    peaks = (smooth == ndimage.maximum_filter(smooth, size=5)) & (smooth > THRESHOLD * smooth_noise)
    peaks[:8], peaks[-8:], peaks[:, :8], peaks[:, -8:] = False, False, False, False
    y, x = np.nonzero(peaks)

    # The centre of light in 5 x 5 pixels, then the light in a circle around it, less the ring's outside it.
    size = np.arange(-2, 3)
    boxes = np.clip(flat[y[:, None, None] + size[:, None], x[:, None, None] + size], 0, None)
    total = boxes.sum((1, 2))
    fx, fy = x + (boxes * size).sum((1, 2)) / total, y + (boxes * size[:, None]).sum((1, 2)) / total
    size = np.arange(-7, 8)
    stamps = flat[y[:, None, None] + size[:, None], x[:, None, None] + size]
    distance = np.hypot(size + (x - fx)[:, None, None], size[:, None] + (y - fy)[:, None, None])
    ring = np.nanmedian(np.where((distance > 5) & (distance < 7), stamps, np.nan), axis=(1, 2))
    inside = distance <= APERTURE
    flux = (np.where(inside, stamps, 0).sum((1, 2)) - ring * inside.sum((1, 2))) / seconds
    concentration = boxes.max((1, 2)) / total

    # A star spreads over several pixels; a cosmic ray or a hot pixel does not.
    real = (flux > 0) & (concentration < 0.45)
    stars = Table({"x": fx, "y": fy, "flux": flux})[real]
    stars["magnitude"] = -2.5 * np.log10(stars["flux"])
    stars["snr"] = smooth[y, x][real] / smooth_noise
    stars["concentration"] = concentration[real]
    return stars, sky, float(noise)


def background(counts: np.ndarray, tile: int = 64) -> np.ndarray:
    """The sky: a low percentile of each tile (most pixels here have stars in them), smoothly joined."""
    rows, columns = counts.shape[0] // tile, counts.shape[1] // tile
    tiles = counts[: rows * tile, : columns * tile].reshape(rows, tile, columns, tile).swapaxes(1, 2)
    low = np.percentile(tiles.reshape(rows, columns, -1), 20, axis=2)
    low = ndimage.median_filter(low, 3)
    return ndimage.zoom(
        low, (counts.shape[0] / rows, counts.shape[1] / columns), order=1, mode="nearest", grid_mode=True
    )


def draw(flat: np.ndarray, noise: float, stars: Table, header: fits.Header) -> None:
    """The field, a piece of it with the detections marked, and how many stars there are of each brightness."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(14, 5.4), layout="constrained", facecolor="white")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.25, 1.25, 0.8])
    shown = np.arcsinh(flat / (4 * noise))
    low, high = np.percentile(shown, [5, 99.7])
    x0, y0, side = 395, 395, 230

    left.imshow(shown, origin="lower", cmap="inferno", vmin=low, vmax=high)
    left.add_patch(Rectangle((x0, y0), side, side, fill=False, color="white", lw=1.5))
    left.set_title(
        f"{header['TARGNAME']} (47 Tucanae), {header['TELESCOP']} {header['INSTRUME']}/{header['DETECTOR']} "
        f"{header['FILTER1']}"
    )
    middle.imshow(shown, origin="lower", cmap="gray", vmin=low, vmax=high)
    for star in stars:
        if x0 < star["x"] < x0 + side and y0 < star["y"] < y0 + side:
            middle.add_patch(Circle((star["x"], star["y"]), 3.5, fill=False, color="#35c8ff", lw=0.9))
    middle.set(xlim=(x0, x0 + side), ylim=(y0, y0 + side))
    middle.set_title("the framed part, detections circled")
    for axis in (left, middle):
        axis.set_xlabel("x [pixel]")
        axis.set_ylabel("y [pixel]")
    bins = np.arange(np.floor(stars["magnitude"].min()), np.ceil(stars["magnitude"].max()) + 0.1, 0.5)
    right.hist(stars["magnitude"], bins=bins, color="#3b6ea5", edgecolor="white", lw=0.6)
    right.set_box_aspect(1.45)
    right.set(xlabel="instrumental magnitude (bright to faint)", ylabel="stars per half magnitude")
    right.set_title(f"{len(stars)} stars")
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig("detections.png", dpi=110)


if __name__ == "__main__":
    main(sys.argv[1])
