// Events of a resonance that decays into two sprays of particles, as a generator writes them and an analysis reads them.
#pragma once

#include <string>
#include <vector>

// Writes that many events to a file of HepMC3.
void make_events(const std::string &path, int events, double mass, double width);

// The masses of the two hardest jets of each event of the file.
std::vector<double> jet_masses(const std::string &path);
