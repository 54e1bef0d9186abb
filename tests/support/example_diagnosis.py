"""A whole diagnosis of a small table, for what reads or draws one."""

from functools import cache

import pandas as pd

from darkregulome.diagnosis.diagnose import Diagnosis, diagnose
from darkregulome.diagnosis.settings import Settings
from simulated_tables import Truth, make_elements, make_ris, with_halves

SETTINGS = Settings(permutations=599, bootstrap=100, seed=3)


def example_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Elements of three classes, and scores of a language model with a horizon and of an output model.

    Transposable elements cannot be told from their features, which hold annotated repeats. The language model's
    predictability comes in halves.
    """
    elements = make_elements(1, loci=8, per_locus=60, rho=0.3)
    elements["class"] = elements["class"].where(elements["class"].isin(["cCRE", "TE"]), "other")
    ris = make_ris(elements, 1, Truth(regulation=2.0, horizon=1.0), rho=0.3)
    return elements, with_halves(ris)


@cache
def example_diagnosis() -> Diagnosis:
    """Made once, so not to be changed."""
    return diagnose(*example_tables(), SETTINGS)
