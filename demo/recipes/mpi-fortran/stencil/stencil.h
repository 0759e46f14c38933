/* One explicit step of the heat equation on rows of `width` values; the first and last row and column stay. */
#pragma once
void stencil_step(const double *before, double *after, int width, int rows, double rate);
