"""The one reader of eQTL tables: which columns hold positions, alleles, genes and p-values, in whichever form."""

import re
from collections.abc import Collection, Iterable

import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.genes import gene_keys

CHROM_COLUMNS = ("chrom", "chr", "chromosome")
POSITION_COLUMNS = ("pos", "position", "pos_grch38", "pos_hg38", "pos_grch37", "pos_hg19")
"""Counted from 1; ``pos0`` counts from 0 and goes before them."""
VARIANT_COLUMNS = ("variant_id", "variant")
GENE_COLUMNS = ("gene", "gene_id", "gene_name", "gene_symbol", "molecular_trait_object_id")
P_COLUMNS = ("pvalue", "pval_nominal", "pval", "p", "p_value")
HIGH_P = 0.05
"""Rows with a larger p are reported where no limit is given."""
FARTHEST = 1e15
"""No contig has as many bases: a larger number is no position."""
_VARIANT = re.compile(r"^([^_:]+)[_:](\d+)[_:]([A-Za-z]*)")


class EqtlTable:
    """Any table of eQTLs, by what its columns mean.

    Parameters
    ----------
    table : as the file has it, names of contigs and genes as text; the case of the column names does not matter.
    where : the file, for messages.
    """

    def __init__(self, table: pd.DataFrame, where: object):
        self.table, self.where = table, where
        self._columns = {str(name).lower().lstrip("#"): name for name in table.columns}

    def column(self, names: Iterable[str]) -> pd.Series | None:
        """The first column that has one of these names."""
        return next((self.table[self._columns[name]] for name in names if name in self._columns), None)

    def sites(self) -> pd.DataFrame:
        """chrom, pos (from 1), ref of each row, with the table's index; missing where a row does not say.

        Raises
        ------
        InputError
            No columns give positions.
        """
        chrom, position, ref = self.column(CHROM_COLUMNS), self.column(POSITION_COLUMNS), self.column(["ref"])
        from_zero = self.column(["pos0"])
        if from_zero is not None:
            position = pd.to_numeric(from_zero, errors="coerce") + 1
        if chrom is None or position is None:
            variants = self.column(VARIANT_COLUMNS)
            if variants is None:
                raise InputError.at(
                    self.where,
                    f"has no positions (its columns are {', '.join(map(str, self.table.columns))})",
                    "give chrom and pos (1-based), chrom and pos0 (0-based), or variant_id as chr_pos_ref_alt_b38",
                )
            parts = variants.astype("string").str.extract(_VARIANT)
            chrom, position, ref = parts[0], parts[1], parts[2]
        sites = pd.DataFrame({"chrom": chrom.astype("string"), "pos": pd.to_numeric(position, errors="coerce")})
        sites["pos"] = sites["pos"].where(sites["pos"].abs() < FARTHEST)
        return sites.assign(ref="" if ref is None else ref.astype("string").fillna(""))

    def genes(self) -> pd.DataFrame:
        """Each row's gene by every column that names one, as `genes.gene_key` writes it."""
        names = [self._columns[name] for name in GENE_COLUMNS if name in self._columns]
        return pd.DataFrame({name: gene_keys(self.table[name].astype("string")) for name in names})

    def assembly(self) -> str | None:
        """Which assembly the positions say they are of, as their column or the variants' names have it."""
        position = next((name for name in POSITION_COLUMNS if name in self._columns), None)
        if position is not None:
            return position.removeprefix("pos_") if position.startswith("pos_") else None
        variants = self.column(["variant_id"])
        match = None if variants is None or variants.empty else re.search(r"_b(3[78])$", str(variants.iloc[0]))
        return f"GRCh{match[1]}" if match else None


def read_eqtls(table: pd.DataFrame, where: object, max_p: float | None = None) -> tuple[pd.DataFrame, list[str]]:
    """eQTLs as (chrom, start, end, gene), one row per variant and gene name, and notes.

    Takes ``chrom``/``chr`` and ``pos`` (1-based) or ``pos0`` (0-based), or a GTEx ``variant_id``
    (chr_pos_ref_alt_b38); genes as ``gene``, ``gene_id`` (version dropped), ``gene_name``. Rows without a position
    are left out and counted.

    Raises
    ------
    InputError
        There are no positions, or no column of p-values where `max_p` asks for one.
    """
    eqtls = EqtlTable(table, where)
    notes = [f"The eQTL table is in the form of {eqtl_format({str(name).lower() for name in table.columns})}."]
    sites = eqtls.sites()
    if assembly := eqtls.assembly():
        notes.append(f"Its positions are of {assembly}: the elements must be of the same assembly.")
    usable = sites["chrom"].notna() & (sites["pos"] >= 1)
    if not usable.all():
        notes.append(f"{int((~usable).sum())} eQTLs without a position were left out.")
    p_column = eqtls.column(P_COLUMNS)
    if p_column is None and max_p is not None:
        remedy = f"name one of {', '.join(P_COLUMNS)}, or leave out --max-p"
        raise InputError.at(where, "has no column of p-values", remedy)
    if p_column is not None:
        p_values = pd.to_numeric(p_column, errors="coerce")
        if max_p is not None:
            usable &= p_values <= max_p
            notes.append(f"{int(usable.sum())} eQTLs have p of at most {max_p:g}.")
        elif n_high := int((p_values > HIGH_P).sum()):
            notes.append(f"{n_high} rows have p above {HIGH_P} and were taken all the same: see --max-p.")
    base = sites.loc[usable, ["chrom"]].astype(str).assign(start=sites.loc[usable, "pos"].astype(int) - 1)
    parts = [base.assign(gene=keys.loc[base.index]) for _, keys in eqtls.genes().items()]
    frame = pd.concat(parts).dropna(subset=["gene"]) if parts else base.assign(gene=None)
    frame["end"] = frame["start"] + 1
    return frame[["chrom", "start", "end", "gene"]].drop_duplicates().reset_index(drop=True), notes


def eqtl_format(columns: Collection[str]) -> str:
    """Whose form a table has, by its header (lower case): GTEx, eQTL Catalogue, or a plain table."""
    if "variant_id" in columns and {"pval_nominal", "pval_beta", "slope", "tss_distance"} & set(columns):
        return "GTEx"
    if "molecular_trait_id" in columns or {"chromosome", "position", "beta", "pvalue"} <= set(columns):
        return "the eQTL Catalogue"
    return "a plain table"
