/* aperture PICTURE RADIUS < POSITIONS: the light within RADIUS pixels of each "RA DEC" (degrees), without the sky's. */
#include <fitsio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <wcslib/wcs.h>
#include <wcslib/wcshdr.h>

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int failed(int status) {
    fits_report_error(stderr, status);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: aperture PICTURE RADIUS < POSITIONS\n"), 2;
    fitsfile *file;
    int status = 0, keys, rejected, systems;
    long size[2];
    char *header;
    struct wcsprm *wcs;
    if (fits_open_image(&file, argv[1], READONLY, &status) || fits_get_img_size(file, 2, size, &status)) return failed(status);
    float *pixels = malloc(sizeof *pixels * (size_t)(size[0] * size[1]));
    float *sky = malloc(sizeof *sky * (size_t)(size[0] * size[1]));
    if (!pixels || !sky) return perror("aperture"), 1;
    if (fits_read_img(file, TFLOAT, 1, size[0] * size[1], NULL, pixels, NULL, &status)) return failed(status);
    if (fits_hdr2str(file, 1, NULL, 0, &header, &keys, &status)) return failed(status);
    if (wcspih(header, keys, WCSHDR_all, 2, &rejected, &systems, &wcs) || systems < 1 || wcsset(wcs))
        return fprintf(stderr, "aperture: no coordinates in '%s'\n", argv[1]), 1;
    double radius = atof(argv[2]), world[2];
    while (scanf("%lf %lf", &world[0], &world[1]) == 2) {
        double phi, theta, image[2], pixel[2];
        int bad;
        if (wcss2p(wcs, 1, 2, world, &phi, &theta, image, pixel, &bad)) continue;
        double light = 0;
        long inside = 0, around = 0;
        for (long y = 1; y <= size[1]; y++)
            for (long x = 1; x <= size[0]; x++) {
                double distance = hypot((double)x - pixel[0], (double)y - pixel[1]);
                float value = pixels[(y - 1) * size[0] + x - 1];
                if (distance <= radius) light += value, inside++;
                else if (distance > 2 * radius && distance < 3 * radius) sky[around++] = value;
            }
        qsort(sky, (size_t)around, sizeof *sky, compare);
        printf("%.6f %.6f %.3f\n", world[0], world[1], light - (double)inside * (around ? sky[around / 2] : 0));
    }
    wcsvfree(&systems, &wcs);
    fits_free_memory(header, &status);
    return fits_close_file(file, &status) ? failed(status) : 0;
}
