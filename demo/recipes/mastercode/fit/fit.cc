// fit EVENTS: makes events of a resonance, finds their jets, and fits the resonance to the jets' masses.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "events.h"

extern "C" {
double share(double low, double high, double mass, double width);  // spectrum.f90
void lmdif1_(void (*function)(int *, int *, double *, double *, int *), int *equations, int *unknowns, double *found,
             double *values, double *tolerance, int *info, int *integers, double *space, int *size);  // MINPACK
}

namespace {

constexpr double MASS = 1000, WIDTH = 40, LOW = 850, BIN = 5;
constexpr int BINS = 60, UNKNOWNS = 3;
std::vector<double> counted(BINS);  // MINPACK's functions have no argument for it

void difference(int *bins, int *, double *x, double *values, int *) {
    for (int bin = 0; bin < *bins; ++bin) {
        double low = LOW + bin * BIN;
        values[bin] = (counted[bin] - x[2] * share(low, low + BIN, x[0], x[1])) / sqrt(counted[bin] + 1);
    }
}

}  // namespace

int main(int words, char **word) {
    int events = words > 1 ? atoi(word[1]) : 4000;
    char path[] = "/tmp/events-XXXXXX";
    if (mkstemp(path) < 0) return perror("/tmp"), 1;
    make_events(path, events, MASS, WIDTH);
    auto masses = jet_masses(path);
    remove(path);
    for (double mass : masses) {
        if (mass >= LOW && mass < LOW + BINS * BIN) counted[static_cast<int>((mass - LOW) / BIN)] += 1;
    }

    int bins = BINS, unknowns = UNKNOWNS, info = 0, integers[UNKNOWNS], size = BINS * UNKNOWNS + 5 * UNKNOWNS + BINS;
    double found[UNKNOWNS] = {980, 60, static_cast<double>(events)}, values[BINS], tolerance = 1e-8;
    std::vector<double> space(size);
    lmdif1_(difference, &bins, &unknowns, found, values, &tolerance, &info, integers, space.data(), &size);

    printf("%zu events with two jets: mass %.1f, width %.1f (made with %.0f and %.0f)\n", masses.size(), found[0],
           found[1], MASS, WIDTH);
    double allowed = 5 * WIDTH / sqrt(events);
    if (info < 1 || info > 3 || fabs(found[0] - MASS) > allowed || fabs(found[1] - WIDTH) > 4 * allowed) {
        puts("this is not the resonance that the events were made with");
        return 1;
    }
    puts("the fit finds the resonance that the events were made with");
    return 0;
}
