"""Calls of elements: p-values, families and words; and the scripts from drawing to calling."""

import numpy as np
import pandas as pd
import pytest

from bad_input_corpus import make_world
from darkregulome.decoys.call import call_elements, draw_again, rank_among, rank_elements, read_balance, write_bed
from darkregulome.errors import InputError
from darkregulome.io import schemas, tables
from darkregulome.scoring.decoys import with_decoys
from script_runner import run_script

NAMES = ["both", "trivial", "learnt", "neither", "bare"]


def element_rows(names=NAMES):
    return pd.DataFrame(
        {
            "element": names,
            "chrom": "c",
            "start": np.arange(len(names)) * 100,
            "end": np.arange(len(names)) * 100 + 50,
            "class": "other",
        }
    )


def effect_rows(element, effects, decoys="shuffle", first=1, model="m"):
    return pd.DataFrame(
        {
            "element": element,
            "model": model,
            "readout": "track",
            "start": 0,
            "end": 9,
            "decoys": decoys,
            "replicate": first + np.arange(len(effects)),
            "effect": effects,
        }
    )


def beyond(count, sign=1.0):
    return sign * (5 + np.arange(count) / count)


def within(count):
    return np.linspace(-1, 1, count)


def test_p_is_uniform_where_the_real_sequence_is_one_of_the_draws():
    rng = np.random.default_rng(0)
    draws = rng.standard_t(2, (4400, 11)) ** 3
    p = np.array([rank_among(row[1:] - row[0]).p for row in draws])
    counts = np.bincount(np.round(p * 11).astype(int), minlength=12)[1:]
    assert abs(counts - 400).max() < 4 * np.sqrt(400)


def test_the_words_follow_from_both_kinds_of_decoys():
    parts = []
    for name in NAMES[:4]:
        trivial = beyond(99) if name in ("both", "trivial") else within(99)
        learnt = beyond(99, -1) if name in ("both", "learnt") else within(99)
        parts += [effect_rows(name, trivial), effect_rows(name, learnt, "learnt:a")]
    ranks = rank_elements(pd.concat(parts), 0.1)
    calls = call_elements(element_rows(), ranks, read_balance([]), 0.1, "all")
    assert calls["word"].tolist() == [
        "beyond trivial and learnt", "beyond trivial only", "not beyond", "not beyond", "no decoys"
    ]  # fmt: skip
    assert calls.loc[0, ["effect_trivial", "effect_learnt"]].tolist() == pytest.approx([-5.495, 5.495], abs=0.01)
    # Five elements count, of which two have the smallest p.
    assert calls.loc[0, "q_trivial"] == pytest.approx(0.01 * 5 / 2)
    assert calls.loc[0, "q_both"] == pytest.approx(0.01 * 5)
    drawn = call_elements(element_rows(), ranks, read_balance([]), 0.1, "drawn")
    assert drawn.loc[0, "q_both"] == pytest.approx(0.01 * 4)
    tables.check_table(calls, schemas.CALLED, "calls")


@pytest.mark.parametrize(("decoys", "word"), [("markov", "beyond trivial"), ("learnt:a", "beyond learnt")])
def test_with_one_kind_of_decoys_the_word_says_so(decoys, word):
    ranks = rank_elements(effect_rows("both", beyond(99), decoys), 0.1)
    calls = call_elements(element_rows(["both"]), ranks, read_balance([]), 0.1, "all")
    assert calls["word"].iloc[0].startswith(f"{word}, ")


def test_of_two_sets_of_one_kind_the_largest_p_counts():
    parts = [effect_rows("both", beyond(99)), effect_rows("both", within(99), "markov")]
    calls = call_elements(element_rows(["both"]), rank_elements(pd.concat(parts), 0.1), read_balance([]), 0.1, "all")
    assert calls.loc[0, "decoys_trivial"] == "markov"
    assert calls.loc[0, "p_trivial"] > 0.5


def test_more_decoys_count_only_where_the_first_were_few_enough_above():
    parts = [effect_rows(name, values) for name, values in (("both", beyond(19)), ("neither", within(19)))]
    parts += [effect_rows(name, beyond(80), first=20) for name in ("both", "neither")]
    ranks = rank_elements(pd.concat([*parts, effect_rows("bare", within(19))]), 0.1).set_index("element")
    assert ranks.loc["both", ["n", "p"]].tolist() == [99, 0.01]
    assert ranks.loc["neither", "n"] == 19
    assert ranks.loc["neither", "p"] > 0.5


def test_p_values_of_two_rounds_are_valid():
    """Elements with p <= 0.1 of 19 decoys get 80 more: P(p <= u) <= u at every u."""
    rng = np.random.default_rng(3)
    p = []
    for _ in range(2000):
        draws = rng.standard_normal(100)
        effects = draws[1:] - draws[0]
        rank = rank_among(effects[:19])
        p.append(rank_among(effects).p if rank.p <= 0.1 else rank.p)
    for u in (0.01, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5):
        assert np.mean(np.array(p) <= u + 1e-12) < u + 3 * np.sqrt(u * (1 - u) / 2000)


def test_tiles_of_an_element_are_summed_and_infinite_effects_left_out():
    tiles = pd.concat([effect_rows("both", [1.0, 2.0, np.inf]), effect_rows("both", [3.0, 1.0, 0.0]).assign(start=5)])
    rank = rank_elements(tiles, 0.1).iloc[0]
    assert (rank["n"], rank["effect"]) == (2, -3.5)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


def draw(world, out, *words, **options):
    ran = run_script(
        "draw_decoys", "--no-progress", "--elements", world / "elements.parquet", "--loci", world / "loci.tsv",
        "--fasta", world / "genome.fa.gz", "--out", out, *words, **options,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return tables.read_table(out, schemas.DECOYS)


def test_from_drawing_to_calling(world, tmp_path):
    elements = tables.read_table(world / "elements.parquet", schemas.ELEMENTS)
    hyena = ("--model", "demo-hyena", "--weights", world / "demo-hyena", "--window", 64, "--device", "cpu")
    bed = tmp_path / "two.bed"
    elements[["chrom", "start", "end", "element"]].iloc[:2].to_csv(bed, sep="\t", header=False, index=False)
    shuffled = draw(world, tmp_path / "s.parquet", n_decoys=3)
    again = draw(world, tmp_path / "again.parquet", n_decoys=3)
    pd.testing.assert_frame_equal(shuffled, again)
    # One element is N only.
    assert set(shuffled["element"]) == set(elements.loc[elements["n_fraction"] < 1, "element"])
    assert shuffled["log_likelihood"].isna().all()
    markov = draw(world, tmp_path / "m.parquet", *hyena, decoys="markov", n_decoys=3, decoy_elements=bed)
    assert set(markov["scored_by"]) == {"demo-hyena"}
    learnt = draw(world, tmp_path / "l.parquet", *hyena, decoys="learnt", n_decoys=2, decoy_elements=bed)
    overlapped = set(learnt["element"])
    assert set(elements["element"].iloc[:2]) <= overlapped
    assert set(learnt["decoys"]) == {"learnt:demo-hyena"}
    more = draw(world, tmp_path / "m2.parquet", decoys="shuffle", n_decoys=2, first=4, decoy_elements=bed)
    assert set(more["decoy"]) == {4, 5}
    files = [tmp_path / f"{name}.parquet" for name in ("s", "m", "l", "m2")]
    given = [word for path in files for word in ("--decoy-table", path)]
    ran = run_script(
        "score_elements", "--no-progress", *hyena, *given, "--perturbation", "decoy", "--fasta",
        world / "genome.fa.gz", "--elements", world / "elements.parquet", "--out", tmp_path / "e.parquet",
        "--reference-out", tmp_path / "r.parquet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    effects = tables.read_table(tmp_path / "e.parquet", schemas.EFFECTS)
    assert set(effects["decoys"]) == {"shuffle", "markov", "learnt:demo-hyena"}
    ran = run_script(
        "call_elements", "--elements", world / "elements.parquet", "--effects", tmp_path / "e.parquet", *given,
        "--outdir", tmp_path / "called",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    calls = tables.read_table(tmp_path / "called" / "elements_called.tsv.gz", schemas.CALLED)
    assert calls["element"].tolist() == elements["element"].tolist()
    assert calls.set_index("element").loc[sorted(overlapped), "log_likelihood_learnt"].notna().all()
    lines = (tmp_path / "called" / "elements_called.bed").read_text().splitlines()
    assert len(lines) == len(elements)
    assert {len(line.split("\t")) for line in lines} == {9}


def test_the_top_share_is_of_each_models_scores(world, tmp_path):
    ris = tables.read_table(world / "ris.parquet", schemas.RIS)
    drawn = draw(world, tmp_path / "d.parquet", n_decoys=1, decoy_elements="top:0.25", ris=world / "ris.parquet")
    best = ris.nlargest(len(ris) // 4, "ris")["element"]
    assert set(best) <= set(drawn["element"])
    assert drawn["element"].nunique() <= len(ris) // 4 + 2


def test_files_of_calls(tmp_path):
    parts = [effect_rows("both", beyond(99)), effect_rows("neither", within(99))]
    calls = call_elements(element_rows(), rank_elements(pd.concat(parts), 0.1), read_balance([]), 0.1, "all")
    write_bed(calls, tmp_path / "c.bed")
    first = (tmp_path / "c.bed").read_text().splitlines()[0].split("\t")
    assert first[:6] == ["c", "0", "50", "both|m", "130", "."]
    assert draw_again(calls, 0.1)["element"].tolist() == ["both"]


def test_a_decoy_of_another_length_is_refused(world, tmp_path):
    table = draw(world, tmp_path / "d.parquet", n_decoys=1)
    table.loc[0, "sequence"] += "A"
    elements = tables.read_table(world / "elements.parquet", schemas.ELEMENTS)
    tables.write_table(table, tmp_path / "wrong.parquet", schemas.DECOYS)
    with pytest.raises(InputError, match="bases, where the element has"):
        with_decoys(elements, [tmp_path / "wrong.parquet"], "decoy")
