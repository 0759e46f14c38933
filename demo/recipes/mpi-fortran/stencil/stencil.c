#include "stencil.h"

void stencil_step(const double *before, double *after, int width, int rows, double rate) {
    for (long y = 1; y < rows - 1; y++)
        for (long x = 1; x < width - 1; x++) {
            const double *here = before + y * width + x;
            after[y * width + x] = *here + rate * (here[-1] + here[1] + here[-width] + here[width] - 4 * *here);
        }
}
