"""A toy genome for tests: three contigs of about 20 kb, with every annotation that the pipeline reads.

Plain functions, so that any test can build it where it likes. Everything is deterministic by seed and known by
construction; the constants below are the truth that tests may rely on.

Contigs: chr1 (20,000), chr2 (18,000), chr3 (22,000). chr1 is N over [15,000, 15,600) and holds one IUPAC letter (R) at
12,345. Each locus has one gene:

    ALPHA  chr1 +  TSS 10,000  protein coding  exons [10,000, 10,300) and [11,000, 11,400)
    BETA   chr2 -  TSS  8,999  protein coding  exons [8,600, 9,000) and [7,000, 7,300)
    GAMMA  chr3 +  TSS 12,000  lncRNA          exons [12,000, 12,250) and [13,000, 13,300)

and a fourth gene, DELTA (chr1, -, TSS 4,999, protein coding), that is no locus.
"""

import gzip
from pathlib import Path

import numpy as np
import pysam

LENGTHS = {"chr1": 20_000, "chr2": 18_000, "chr3": 22_000}
N_RUN = ("chr1", 15_000, 15_600)
IUPAC_SITE = ("chr1", 12_345, "R")

# name, id, chrom, strand, biotype, exons (0-based, half-open); the first exon holds the TSS.
GENES = (
    ("ALPHA", "ENSG00000000001.3", "chr1", "+", "protein_coding", ((10_000, 10_300), (11_000, 11_400))),
    ("BETA", "ENSG00000000002.1", "chr2", "-", "protein_coding", ((8_600, 9_000), (7_000, 7_300))),
    ("GAMMA", "ENSG00000000003.7", "chr3", "+", "lncRNA", ((12_000, 12_250), (13_000, 13_300))),
    ("DELTA", "ENSG00000000004.2", "chr1", "-", "protein_coding", ((4_700, 5_000), (4_000, 4_200))),
)
TSS = {"ALPHA": ("chr1", 10_000, "+"), "BETA": ("chr2", 8_999, "-"), "GAMMA": ("chr3", 12_000, "+")}

REGULATORY = (
    ("chr1", 9_700, 10_100, "PLS"),  # its last 100 bases are ALPHA's first exon
    ("chr1", 8_000, 8_300, "pELS"),
    ("chr1", 15_100, 15_400, "dELS"),  # inside the run of N
    ("chr1", 16_000, 16_350, "dELS"),
    ("chr2", 8_950, 9_300, "PLS"),
    ("chr2", 5_000, 5_250, "dELS"),
    ("chr2", 12_000, 12_200, "CTCF-only"),
    ("chr3", 11_800, 12_050, "PLS"),
    ("chr3", 15_000, 15_300, "dELS"),
    ("chr3", 18_000, 18_300, "mystery_word"),  # in no class map: kept as `other`
)
# chrom, start, end, strand, repName, repClass, repFamily
REPEATS = (
    ("chr1", 2_000, 2_300, "+", "AluY", "SINE", "Alu"),
    ("chr1", 6_000, 8_500, "-", "L1MC2", "LINE", "L1"),  # a cCRE lies inside: it is cut in two
    ("chr1", 13_000, 13_060, "+", "(CA)n", "Simple_repeat", "Simple_repeat"),
    ("chr1", 17_000, 17_300, "+", "AluSx", "SINE", "Alu"),
    ("chr2", 2_000, 2_310, "-", "AluY", "SINE", "Alu"),
    ("chr2", 10_000, 10_400, "+", "MLT1A", "LTR", "ERVL-MaLR"),
    ("chr2", 14_000, 15_700, "+", "L1PA4", "LINE", "L1"),  # longer than 1,000: split
    ("chr3", 5_000, 5_290, "+", "AluY", "SINE", "Alu"),
    ("chr3", 9_000, 9_040, "+", "MIRb", "SINE", "MIR"),  # shorter than 50: dropped
    ("chr3", 16_000, 16_200, "-", "Tigger1", "DNA", "TcMar-Tigger"),
)
CONSERVED = (
    ("chr1", 9_000, 9_120),
    ("chr1", 14_000, 14_200),
    ("chr2", 5_100, 5_400),  # overlaps a dELS: trimmed to [5,250, 5,400)
    ("chr2", 13_000, 13_090),
    ("chr3", 8_000, 8_150),
    ("chr3", 19_000, 19_100),
)


def toy_sequences(seed: int = 0) -> dict[str, str]:
    """Contig name to sequence: random bases at 42 % GC, with the run of N and the IUPAC letter."""
    rng = np.random.default_rng(seed)
    sequences = {}
    for name, length in LENGTHS.items():
        bases = rng.choice(list("ACGT"), size=length, p=[0.29, 0.21, 0.21, 0.29])
        if name == N_RUN[0]:
            bases[N_RUN[1] : N_RUN[2]] = "N"
            bases[IUPAC_SITE[1]] = IUPAC_SITE[2]
        sequences[name] = "".join(bases)
    return sequences


def write_toy_genome(folder: str | Path, seed: int = 0) -> dict[str, Path]:
    """Write the genome and its annotation; return the paths by name.

    Keys: fasta (bgzipped, with .fai and .gzi), gtf (gzip), loci (loci.csv: locus,gene), regulatory (BED, gzip),
    repeats (UCSC rmsk table, gzip), conserved (BED), class_map (CSV).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fasta = write_fasta(folder / "genome.fa", toy_sequences(seed), bgzip=True)
    return {
        "fasta": fasta,
        "gtf": write_text(folder / "genes.gtf.gz", gtf_text()),
        "loci": write_text(folder / "loci.csv", "locus,gene\n" + "".join(f"{name},{name}\n" for name in TSS)),
        "regulatory": write_text(folder / "regulatory.bed.gz", _lines(REGULATORY)),
        "repeats": write_text(folder / "rmsk.txt.gz", rmsk_text()),
        "conserved": write_text(folder / "conserved.bed", _lines(CONSERVED)),
        "class_map": write_text(
            folder / "class_map.csv",
            "pattern,class,subclass\nPLS,cCRE,PLS\npELS,cCRE,pELS\ndELS,cCRE,dELS\nCTCF-only,cCRE,CTCF-only\n",
        ),
    }


def write_fasta(path: Path, sequences: dict[str, str], bgzip: bool = False, index: bool = True) -> Path:
    """Write sequences in lines of 60; bgzipped (the name gains .gz) and indexed where asked."""
    with open(path, "w") as handle:
        for name, sequence in sequences.items():
            handle.write(f">{name}\n")
            handle.writelines(f"{sequence[at : at + 60]}\n" for at in range(0, len(sequence), 60))
    if bgzip:
        plain, path = path, path.with_name(path.name + ".gz")
        pysam.tabix_compress(str(plain), str(path), force=True)
        plain.unlink()
    if index:
        pysam.faidx(str(path))
    return path


def write_text(path: Path, text: str) -> Path:
    """Write text, gzipped (mtime 0) where the name says so."""
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def gtf_text(genes: tuple = GENES, prefix: str = "chr") -> str:
    """The genes as a GENCODE-like GTF; `prefix` replaces ``chr`` in the contigs' names."""
    rows = ["##description: toy annotation"]
    for name, gene_id, chrom, strand, biotype, exons in genes:
        contig = prefix + chrom.removeprefix("chr")
        tags = f'gene_id "{gene_id}"; gene_type "{biotype}"; gene_name "{name}";'
        transcript = f'{tags} transcript_id "{name}-201"; transcript_type "{biotype}";'
        start, end = min(exon[0] for exon in exons), max(exon[1] for exon in exons)
        rows.append(f"{contig}\ttoy\tgene\t{start + 1}\t{end}\t.\t{strand}\t.\t{tags}")
        rows.append(f"{contig}\ttoy\ttranscript\t{start + 1}\t{end}\t.\t{strand}\t.\t{transcript}")
        for exon_start, exon_end in exons:
            rows.append(f"{contig}\ttoy\texon\t{exon_start + 1}\t{exon_end}\t.\t{strand}\t.\t{transcript}")
            if biotype == "protein_coding":
                rows.append(f"{contig}\ttoy\tCDS\t{exon_start + 31}\t{exon_end}\t.\t{strand}\t0\t{transcript}")
    return "\n".join(rows) + "\n"


def rmsk_text(repeats: tuple = REPEATS) -> str:
    """The repeats as UCSC's rmsk table (17 columns, bin first, 0-based)."""
    return _lines(
        (585, 1000, 100, 0, 0, chrom, start, end, start - LENGTHS[chrom], strand, *names, 1, end - start, 0, 1)
        for chrom, start, end, strand, *names in repeats
    )


def _lines(rows) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)
