#!/usr/bin/python3
"""Find the variants of a sample whose variants are known: a genome of chance, reads that wgsim makes, two aligners."""

import os
import random
import subprocess
import sys
import tempfile

import pysam

LENGTH, PAIRS, EDGE = 30_000, 6_000, 100
PROGRAMS = ("bwa", "minimap2")


def genome(path: str) -> str:
    bases = "".join(random.Random(47).choices("ACGT", k=LENGTH))
    with open(path, "w") as file:
        file.write(">made\n" + "\n".join(bases[at : at + 60] for at in range(0, LENGTH, 60)) + "\n")
    pysam.faidx(path)
    return bases


def sample(path: str) -> set[tuple[int, str]]:
    """Reads of a sample with single changes; where these are (from 1), and what is there then."""
    command = f"wgsim -S 7 -h -r 0.002 -R 0 -e 0.002 -N {PAIRS} -1 100 -2 100 {path} 1.fq 2.fq".split()
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in told.splitlines() if line.startswith("made")]
    return {(int(at), base) for _, at, _, base, _ in lines}


def called(name: str) -> set[tuple[int, str]]:
    with pysam.VariantFile(f"{name}.vcf.gz") as found:
        return {(record.pos, allele) for record in found for allele in record.alts or ()}


def main() -> int:
    if sys.argv[1:] != ["--check"]:
        print("usage: variants --check (or: align bwa|minimap2 GENOME READS1 READS2 NAME)", file=sys.stderr)
        return 2
    os.chdir(tempfile.mkdtemp())
    genome("made.fa")
    truth = {(at, base) for at, base in sample("made.fa") if EDGE < at <= LENGTH - EDGE}
    for program in PROGRAMS:
        subprocess.run(["align", program, "made.fa", "1.fq", "2.fq", program], check=True)
        found = {(at, base) for at, base in called(program) if EDGE < at <= LENGTH - EDGE}
        with pysam.AlignmentFile(f"{program}.bam") as reads:
            mapped = reads.mapped / (reads.mapped + reads.unmapped)
        right, wrong = len(found & truth), len(found - truth)
        print(f"{program}: {mapped:.1%} of the reads, {right} of {len(truth)} variants, {wrong} others")
        if mapped < 0.99 or right < 0.95 * len(truth) or wrong:
            return 1
    print("both aligners find the variants of the sample")
    return 0


sys.exit(main())
