"""Published ISM as measurements of variants: a window around a variant, all substitutions of each of its bases.

The format is that of the assessment of Enformer on personal genomes (Sasse et al. 2023,
doi:10.1038/s41588-023-01524-6): an array `attribution` (windows, bases, 4) in the order A, C, G, T, zero at the base
that stands there, and a table with a row a window: `gene_id`, `chrom`, `driver_pos_hg38` (of the middle base, from 1),
`kind`, `seq41` (the window's bases).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.io.npz import numbers, open_npz
from darkregulome.io.tables import read_table
from darkregulome.models.protocol import BASES

ARRAY = "attribution"
COLUMNS = ("gene_id", "chrom", "driver_pos_hg38", "kind", "seq41")
FROM_REFERENCE = "from_ref"
"""The kind of window whose bases are the genome's; others hold an individual's allele."""


def read_published_ism(path: str | Path, index: str | Path) -> pd.DataFrame:
    """Every substitution of the windows of reference sequence.

    Returns
    -------
    One row a substitution: chrom, pos (from 1), ref, alt, gene_id, `effect` in the file's own units.

    Raises
    ------
    InputError : the two files do not have the format, or not the same windows.
    """
    windows = read_table(index)
    if missing := [name for name in COLUMNS if name not in windows]:
        raise InputError.at(index, f"lacks the column {missing[0]!r}", f"it needs {', '.join(COLUMNS)}")
    effects = _read_array(Path(path))
    if len(windows) != len(effects):
        raise InputError.at(
            index, f"has {len(windows)} windows, and {Path(path).name} {len(effects)}", "give the files of one release"
        )
    size = effects.shape[1]
    sequences = windows["seq41"].astype(str).str.upper()
    if (sequences.str.len() != size).any():
        raise InputError.at(index, f"has windows that are not of {size} bases", "give the files of one release")
    bases = np.array([list(sequence) for sequence in sequences]).reshape(len(windows), size, 1)
    own = bases == np.array(list(BASES))
    if (effects[own] != 0).any():
        first = int(np.argwhere(own & (effects != 0))[0, 0])
        raise InputError.at(
            path, f"has an effect of the base that stands there, in window {first}", "check the order of the bases"
        )
    wanted = (windows["kind"] == FROM_REFERENCE).to_numpy()
    row, at, alt = np.nonzero(~own & np.isin(bases, list(BASES)) & wanted[:, None, None])
    return pd.DataFrame(
        {
            "chrom": windows["chrom"].to_numpy()[row],
            "pos": windows["driver_pos_hg38"].to_numpy(dtype=np.int64)[row] - size // 2 + at,
            "ref": bases[row, at, 0],
            "alt": np.array(list(BASES))[alt],
            "gene_id": windows["gene_id"].to_numpy()[row],
            "effect": effects[row, at, alt].astype(float),
        }
    )


def _read_array(path: Path) -> np.ndarray:
    remedy = "give the .npz of the published ISM"
    with open_npz(path, remedy) as arrays:
        if ARRAY not in arrays:
            raise InputError.at(path, f"holds no array {ARRAY!r}", remedy)
        effects = numbers(arrays, ARRAY, path, remedy)
    if effects.ndim != 3 or effects.shape[2] != len(BASES) or not effects.shape[1] % 2:
        raise InputError.at(path, f"has the shape {effects.shape}", "it must be (windows, an odd number of bases, 4)")
    return effects
