"""Cross-checks from tables in memory: each claim that needs outside data, asked as `cross_check.py` asks it."""

import pandas as pd

from darkregulome.claims import conservation, eqtl, network, protein_pair, te_family
from darkregulome.diagnosis.run import CrossCheck, cross_check
from darkregulome.diagnosis.settings import Settings


def check_eqtl(elements, ris, loci, eqtls, settings: Settings, notes=()) -> CrossCheck:
    return cross_check(eqtl.CLAIM, eqtl.hold(elements, loci, eqtls, tuple(notes)), ris, settings)


def check_conservation(elements, ris, means, settings: Settings, notes=()) -> CrossCheck:
    return cross_check(conservation.CLAIM, conservation.hold(elements, means, tuple(notes)), ris, settings)


def check_families(elements, ris, settings: Settings, **options) -> CrossCheck:
    return cross_check(te_family.CLAIM, te_family.hold(elements, te_family.Families(**options)), ris, settings)


def check_network(elements, ris, loci, links, settings: Settings) -> CrossCheck:
    return cross_check(network.CLAIM, network.hold(elements, loci, links), ris, settings)


def check_pairs(elements, ris, loci, pairs: pd.DataFrame, settings: Settings) -> CrossCheck:
    return cross_check(protein_pair.CLAIM, protein_pair.hold(elements, loci, pairs), ris, settings)
