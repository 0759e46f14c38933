#include "events.h"

#include <cmath>
#include <random>

#include "HepMC3/GenEvent.h"
#include "HepMC3/GenParticle.h"
#include "HepMC3/GenVertex.h"
#include "HepMC3/ReaderAscii.h"
#include "HepMC3/WriterAscii.h"
#include "fastjet/ClusterSequence.hh"

namespace {

using HepMC3::FourVector;

// Numbers that are the same with every C++ library.
class Chance {
public:
    double operator()(double low, double high) {
        return low + (high - low) * (static_cast<double>(engine_() >> 11) / 9007199254740992.0);
    }

private:
    std::mt19937_64 engine_{47};
};

// A spray of massless particles that has the energy, about a direction.
void spray(HepMC3::GenVertexPtr vertex, Chance &chance, double energy, double theta, double phi) {
    double left = energy;
    for (int number = 0; number < 8; ++number) {
        double mine = number == 7 ? left : left * chance(0.1, 0.5);
        double t = theta + chance(-0.01, 0.01), p = phi + chance(-0.01, 0.01);
        FourVector momentum(mine * sin(t) * cos(p), mine * sin(t) * sin(p), mine * cos(t), mine);
        vertex->add_particle_out(std::make_shared<HepMC3::GenParticle>(momentum, 211, 1));
        left -= mine;
    }
}

}  // namespace

void make_events(const std::string &path, int events, double mass, double width) {
    HepMC3::WriterAscii writer(path);
    Chance chance;
    for (int number = 0; number < events; ++number) {
        double energy = mass + width / 2 * tan(3.141592653589793 * chance(-0.49, 0.49));
        double theta = acos(chance(-0.8, 0.8)), phi = chance(-3.0, 3.0);
        HepMC3::GenEvent event(HepMC3::Units::GEV, HepMC3::Units::MM);
        auto decay = std::make_shared<HepMC3::GenVertex>();
        decay->add_particle_in(std::make_shared<HepMC3::GenParticle>(FourVector(0, 0, 0, energy), 32, 2));
        spray(decay, chance, energy / 2, theta, phi);
        spray(decay, chance, energy / 2, 3.141592653589793 - theta, phi + 3.141592653589793);
        event.add_vertex(decay);
        event.set_event_number(number);
        writer.write_event(event);
    }
}

std::vector<double> jet_masses(const std::string &path) {
    HepMC3::ReaderAscii reader(path);
    fastjet::JetDefinition definition(fastjet::antikt_algorithm, 0.6);
    std::vector<double> masses;
    for (;;) {
        HepMC3::GenEvent event;
        reader.read_event(event);
        if (reader.failed()) return masses;
        std::vector<fastjet::PseudoJet> particles;
        for (const auto &particle : event.particles()) {
            const FourVector &p = particle->momentum();
            if (particle->status() == 1) particles.emplace_back(p.px(), p.py(), p.pz(), p.e());
        }
        fastjet::ClusterSequence sequence(particles, definition);
        auto jets = sorted_by_pt(sequence.inclusive_jets(20.0));
        if (jets.size() >= 2) masses.push_back((jets[0] + jets[1]).m());
    }
}
