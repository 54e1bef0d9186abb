"""Claims asked of one prepared model: what each takes from it, what it tells of it, and what it says."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from darkregulome.claims.baseline_membership import logistic_auc, membership_from_features
from darkregulome.claims.matched import MATCHED_ON, match_elements

from darkregulome.claims import class_hierarchy, conservation, eqtl, horizon, network, protein_pair, te_family
from darkregulome.claims.ccre_discrimination import discrimination, rank_scores
from darkregulome.claims.claim import Findings, all_claims, claim_names, cross_checks, find_claim
from darkregulome.claims.class_hierarchy import between_classes
from darkregulome.claims.conservation import association, rank_association
from darkregulome.claims.document import claims_markdown
from darkregulome.claims.gene_levels import gene_scores, gene_table, levels, locus_by_gene, locus_names
from darkregulome.claims.horizon import change_point, near_less_far
from darkregulome.claims.sentences import effect_with_interval, say_contrast, say_overlap
from darkregulome.claims.string_network import Network, read_names, read_network, read_pairs
from darkregulome.diagnosis.prepared import Prepared, prepare_models, setting_for
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io.records import ClaimEntry, Outcome
from darkregulome.stats.agreement import list_overlap, spearman
from darkregulome.stats.loci import Loci
from darkregulome.stats.matching import match_controls, matched_contrast, standardised_mean_differences
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.randomness import generator
from darkregulome.stats.residual import normal_scores_by_locus, propensity, residualize
from darkregulome.stats.setting import NotTestable, Tested
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=99, bootstrap=100, seed=3)


@pytest.fixture(scope="module")
def elements() -> pd.DataFrame:
    table = make_elements(5, loci=12, per_locus=30, rho=0.3, chromosomes=6)
    is_te = table["class"] == "TE"
    families = np.random.default_rng(0).choice(["SINE/Alu", "LINE/L1", "LTR"], len(table), p=[0.6, 0.35, 0.05])
    return table.assign(family=np.where(is_te, families, "none"))


@pytest.fixture(scope="module")
def models(elements) -> list[Prepared]:
    ris = make_ris(elements, 5, Truth(horizon=1.0), rho=0.3, models=("lm1", "lm2", "output1", "output2"))
    # One model lacks some elements: what two models share is less than either.
    ris = ris.drop(ris.index[(ris["model"] == "output1") & (np.arange(len(ris)) % 7 == 0)])
    return prepare_models(elements, ris, SETTINGS)[0]


@pytest.fixture(scope="module")
def one(models) -> Prepared:
    return models[0]


def ask(name: str, models: list[Prepared], settings: Settings = SETTINGS, data=None) -> list:
    """The name, the subject and the sides of each subject of a claim."""
    claim = find_claim(name)
    asked = []
    for model, make in claim.subjects(models, settings, data):
        subject = make()
        asked.append((model, subject, claim.test(subject, settings)))
    return asked


def same(one: Tested, two: Tested) -> bool:
    """Whether two tests are the same one."""
    return (
        (one.statistic, one.p, one.effect, one.power, one.contrast, one.sign, one.neutral)
        == (two.statistic, two.p, two.effect, two.power, two.contrast, two.sign, two.neutral)
        and np.array_equal(one.interval, two.interval, equal_nan=True)
        and np.array_equal(one.draws, two.draws)
    )


def entry(details=None, raw=0.25, residual=0.125, interval=(0.0, 0.25), model="m") -> ClaimEntry:
    return ClaimEntry(
        claim="c",
        model=model,
        raw=Outcome(effect=raw),
        residual=Outcome(effect=residual, interval=interval),
        details=details or {},
    )


# -- finding claims --------------------------------------------------------------------------------------------------


def test_claims_are_found_in_their_order_and_by_their_names():
    names = [claim.name for claim in all_claims()]
    assert sorted(names) == list(claim_names())
    assert [claim.order for claim in all_claims()] == list(range(1, 12))
    assert names[:5] == ["horizon", "class_hierarchy", "baseline_membership", "ccre_discrimination", "list_overlap"]
    assert {claim.name: needs.check for claim, needs in cross_checks()} == {
        "conservation": "conservation",
        "eqtl": "eqtl",
        "te_family": "families",
        "network": "network",
        "protein_pair": "pairs",
    }
    assert {find_claim(name).family for name in names[:5]} == {"diagnosis"}
    assert find_claim("layers").family == "decomposition"
    assert find_claim("network").family == "network"
    for name in ("sentences", "none"):
        with pytest.raises(KeyError, match=name):
            find_claim(name)


def test_a_subject_has_the_spread_and_the_floor_of_its_readouts(models):
    _, subject, _ = ask("list_overlap", models)[0]
    output = subject.one
    assert subject.readouts == (output,)
    assert subject.residual_sd == output.residual_sd
    assert subject.track_floor(SETTINGS) == SETTINGS.track_floor
    both = replace(subject, readouts=(output, models[0]))
    assert both.residual_sd == pytest.approx((output.residual_sd + models[0].residual_sd) / 2)
    assert both.track_floor(SETTINGS) is None  # a language model has none
    assert both.one is output


# -- claims about one model ------------------------------------------------------------------------------------------


def test_the_horizon_asks_of_raw_and_residual_scores_within_its_distance(one):
    settings = SETTINGS.model_copy(update={"horizon": 7000})
    model, subject, sides = ask("horizon", [one], settings)[0]
    near = one.scores.distance <= 7000
    assert (model, subject.model, subject.setting, subject.readouts) == (one.name, one.name, one.setting, (one,))
    assert same(sides.raw, near_less_far(one.raw, near, one.setting))
    assert same(sides.residual, near_less_far(one.residual, near, one.setting))
    details = find_claim("horizon").describe(subject, sides, settings)
    assert details["horizon"] == 7000
    for side, values in (("raw", one.raw), ("residual", one.residual)):
        assert details["change_point"][side] == change_point(values, one.scores.distance, one.setting)
        nulls = dict(one.other_nulls(settings))
        assert list(details["other_nulls"][side]) == list(nulls) == ["free", "stratified"]
        for name, null in nulls.items():
            drawn = null.draw(values, one.scores.loci.center(near))
            assert details["other_nulls"][side][name] == empirical_p(
                drawn.observed[0], drawn.draws[:, 0], drawn.mean[0]
            )


def test_the_ladder_adds_features_one_by_one_and_takes_each_alone(one):
    settings = SETTINGS.model_copy(update={"horizon": 7000})
    _, subject, sides = ask("horizon", [one], settings)[0]
    names = one.scores.features.names
    rungs = find_claim("horizon").describe(subject, sides, settings)["ladder"]
    added = [list(names[:count]) for count in range(len(names) + 1)]
    assert [rung["features"] for rung in rungs] == [*added, *([name] for name in names)]
    labels = ["raw", *(f"+ {name}" for name in names), *(f"{name} alone" for name in names)]
    assert [rung["step"] for rung in rungs] == labels
    near = one.scores.distance <= 7000
    for rung in rungs:
        columns = one.scores.features.values[:, [names.index(name) for name in rung["features"]]]
        fit = residualize(one.scores.raw, columns, one.scores.loci, one.scores.folds, "linear")
        values = one.scores.loci.standardise(fit.residual)[0] if rung["features"] else one.raw
        tested = near_less_far(values, near, one.setting)
        assert set(rung) == {"step", "features", "effect", "interval", "p"}
        assert rung["effect"] == pytest.approx(tested.effect)
        assert rung["interval"] == pytest.approx(list(tested.interval))
        assert rung["p"] == tested.p


def test_a_null_that_does_not_vary_has_no_p():
    still = SimpleNamespace(sd=np.array([1e-12]), observed=np.ones(1), draws=np.ones((9, 1)), mean=np.ones(1))
    assert horizon._plain_p(still) is None
    assert horizon._plain_p(SimpleNamespace(**{**vars(still), "sd": np.array([2e-12])})) == 1.0


@pytest.mark.parametrize("beyond", [False, True])
def test_the_class_hierarchy_is_tested_with_and_without_location(one, beyond):
    settings = SETTINGS.model_copy(update={"beyond_location": beyond})
    _, subject, sides = ask("class_hierarchy", [one], settings)[0]
    scores, classes = one.scores, one.scores.classes
    raw = between_classes(one.raw, classes, one.setting)
    means = {word: numbers["mean"] for word, numbers in raw.details["classes"].items()}
    near_and_far = np.column_stack([scores.distance <= 10_000, np.log1p(scores.distance)])
    columns = np.hstack([scores.features.values, near_and_far])
    fit = residualize(scores.raw, columns, scores.loci, scores.folds, "linear")
    plain = between_classes(one.residual, classes, one.setting, means)
    located = between_classes(scores.loci.standardise(fit.residual)[0], classes, one.setting, means)
    assert same(sides.raw, raw)
    assert same(sides.residual, located if beyond else plain)
    assert not same(located, plain)
    assert find_claim("class_hierarchy").describe(subject, sides, settings) == {
        "tested_beyond_location": beyond,
        "residual_plain": {"effect": plain.effect, "p": plain.p},
        "residual_beyond_location": {"effect": located.effect, "p": located.p},
    }


def test_the_order_of_classes_is_compared_between_every_two_models(models):
    asked = ask("class_hierarchy", models[:3])
    results = [SimpleNamespace(model=model, raw=sides.raw, residual=sides.residual) for model, _, sides in asked]
    rows = find_claim("class_hierarchy").summary(Findings(models, None, results, []))["class_order_agreement"]
    assert [(row["first"], row["second"]) for row in rows] == [("lm1", "lm2"), ("lm1", "output1"), ("lm2", "output1")]
    for row, (first, second) in zip(rows, [(0, 1), (0, 2), (1, 2)], strict=True):
        for side in ("raw", "residual"):
            one, two = (class_hierarchy._means(getattr(results[at], side)) for at in (first, second))
            words = sorted(one)
            assert row[side] == pytest.approx(spearman([one[word] for word in words], [two[word] for word in words]))
            assert row["n_classes"] == len(words)


def of_classes(**means: float) -> SimpleNamespace:
    side = SimpleNamespace(details={"classes": {word: {"mean": mean} for word, mean in means.items()}})
    return SimpleNamespace(model="m", raw=side, residual=side)


def test_an_order_of_three_shared_classes_can_be_compared_and_one_of_two_cannot():
    def agreement(*results):
        return find_claim("class_hierarchy").summary(Findings([], None, results, []))["class_order_agreement"][0]

    three = agreement(of_classes(a=1.0, b=2.0, c=3.0, d=0.0), of_classes(c=1.0, b=2.0, a=3.0))
    assert (three["raw"], three["residual"], three["n_classes"]) == (-1.0, -1.0, 3)
    two = agreement(of_classes(a=1.0, b=2.0, d=0.0), of_classes(b=2.0, a=3.0))
    assert np.isnan([two["raw"], two["residual"]]).all()
    assert two["n_classes"] == 2


def test_ccres_are_told_by_ranks_within_loci(models):
    one = models[2]
    _, subject, sides = ask("ccre_discrimination", [one])[0]
    scores, loci = one.scores, one.scores.loci
    ranked = rank_scores(one, SETTINGS)
    values = normal_scores_by_locus(scores.raw, loci)
    fit = residualize(values, scores.features.values, loci, scores.folds, "linear")
    positive = scores.classes == "cCRE"
    np.testing.assert_allclose(ranked.raw, loci.standardise(values)[0])
    np.testing.assert_allclose(ranked.residual, loci.standardise(fit.residual)[0])
    np.testing.assert_array_equal(ranked.positive, positive)
    np.testing.assert_array_equal(ranked.expected, propensity(positive, scores.features.values, scores.folds))
    assert same(sides.raw, discrimination(ranked.raw, positive, one.setting, contrast_of=one.raw))
    residual = discrimination(ranked.residual, positive, one.setting, ranked.expected, contrast_of=one.residual)
    assert same(sides.residual, residual)
    p_values = find_claim("ccre_discrimination").describe(subject, sides, SETTINGS)["other_nulls"]
    free = replace(one.setting, null=dict(one.other_nulls(SETTINGS))["free"])
    assert p_values == {
        "raw": {"free": discrimination(ranked.raw, positive, free).p},
        "residual": {"free": discrimination(ranked.residual, positive, free, ranked.expected).p},
    }


def test_membership_is_asked_of_studentised_residuals_and_of_a_logistic_regression(one):
    settings = SETTINGS.model_copy(update={"top_fraction": 0.2})
    _, subject, sides = ask("baseline_membership", [one], settings)[0]
    features, folds = one.scores.features.values, one.scores.folds
    assert same(sides.raw, membership_from_features(one.raw, features, folds, 0.2, one.setting))
    assert same(sides.residual, membership_from_features(one.studentised, features, folds, 0.2, one.setting))
    details = find_claim("baseline_membership").describe(subject, sides, settings)
    assert details == {"auc_logistic_raw": logistic_auc(one.scores.raw, features, folds, 0.2)}


# -- claims about several models -------------------------------------------------------------------------------------


def test_lists_are_compared_on_the_elements_that_both_models_scored(models):
    asked = ask("list_overlap", models)
    assert [model for model, _, _ in asked] == ["lm1|output1", "lm1|output2", "lm2|output1", "lm2|output2"]
    for model, subject, sides in asked:
        language, output = (next(one for one in models if one.name == name) for name in model.split("|"))
        shared = sorted(set(language.scores.table["element"]) & set(output.scores.table["element"]))
        places = [one.scores.table.reset_index().set_index("element")["index"] for one in (language, output)]
        rows = language.scores.table["element"].isin(shared).to_numpy()
        elements = language.scores.table["element"][rows]
        of_output = places[1][elements].to_numpy()
        loci = Loci.of(language.scores.table["locus"].to_numpy()[rows])
        setting = setting_for([language.name, output.name], loci, language.scores.classes[rows], SETTINGS)
        columns = [
            loci.center(values)
            for values in (
                *(language.raw[rows], output.raw[of_output], language.studentised[rows]),
                *(output.studentised[of_output], output.residual[of_output]),
            )
        ]
        assert subject.model == model
        assert subject.setting.loci.n == len(shared)
        assert same(sides.raw, list_overlap(columns[0], columns[1], 0.1, setting))
        assert same(sides.residual, list_overlap(columns[2], columns[3], 0.1, setting, contrast_of=columns[4]))


def test_layers_compare_the_mean_scores_of_the_two_kinds(models):
    model, subject, sides = ask("layers", models)[0]
    assert (model, subject.model) == ("all", "lm1+lm2|output1+output2")
    assert subject.readouts == tuple(models[2:])
    tables = [one.scores.table.set_index("element") for one in models]
    shared = [name for name in tables[0].index if all(name in table.index for table in tables)]
    loci = Loci.of(tables[0].loc[shared, "locus"].to_numpy())
    classes = tables[0].loc[shared, "class"].to_numpy(dtype=str)
    setting = setting_for(["layers", "lm1", "lm2", "output1", "output2"], loci, classes, SETTINGS)

    def mean(kind: slice, side: str) -> np.ndarray:
        columns = [
            loci.center(pd.Series(getattr(one, side), index=one.scores.table["element"])[shared].to_numpy())
            for one in models[kind]
        ]
        return (columns[0] + columns[1]) / 2

    language, output = slice(0, 2), slice(2, 4)
    assert same(sides.raw, list_overlap(mean(language, "raw"), mean(output, "raw"), 0.1, setting))
    left = [mean(kind, "studentised") for kind in (language, output)]
    residual = list_overlap(*left, 0.1, setting, contrast_of=mean(output, "residual"))
    assert same(sides.residual, residual)


@pytest.mark.parametrize(("kind", "missing"), [(slice(0, 2), "no output"), (slice(2, 4), "no language")])
def test_one_kind_of_model_has_no_shared_layer(models, kind, missing):
    with pytest.raises(NotTestable, match=missing):
        ask("layers", models[kind])
    assert ask("list_overlap", models[kind]) == []


def reduced(one: Prepared, rows: np.ndarray) -> Prepared:
    """A model that scored only some of its elements."""
    table = one.scores.table[rows].reset_index(drop=True)
    parts = {name: getattr(one, name)[rows] for name in ("raw", "residual", "studentised")}
    return replace(one, scores=replace(one.scores, table=table), **parts)


@pytest.mark.parametrize("claim", ["list_overlap", "layers"])
def test_two_models_must_share_twenty_elements(models, claim):
    order = np.arange(len(models[3].raw))
    for count, enough in ((20, True), (19, False)):
        pair = [models[0], reduced(models[3], order < count)]
        wide = SETTINGS.model_copy(update={"top_fraction": 0.3})
        if enough:
            assert ask(claim, pair, wide)[0][1].setting.loci.n == 20
        else:
            with pytest.raises(NotTestable, match="share 19 elements"):
                ask(claim, pair, wide)


# -- claims about sets of elements -----------------------------------------------------------------------------------


def test_elements_are_matched_in_length_gc_distance_and_predictability(one):
    chosen = np.random.default_rng(1).random(len(one.raw)) < 0.1
    matches, balance = match_elements(one, chosen)
    names = one.scores.features.names
    logs = np.log1p(one.scores.distance)
    columns = [one.scores.features.values[:, names.index(name)] for name in ("log_length", "gc", "predictability")]
    columns.append((logs - logs.mean()) / logs.std())
    expected = match_controls(chosen, one.scores.classes, one.scores.loci.codes, np.column_stack(columns))
    np.testing.assert_array_equal(matches.chosen, expected.chosen)
    np.testing.assert_array_equal(np.sort(matches.pools), np.sort(expected.pools))
    assert {row["covariate"] for row in balance} == set(MATCHED_ON)
    for row in balance:
        column = columns[["log_length", "gc", "predictability", "log_distance"].index(row["covariate"])][:, None]
        before = standardised_mean_differences(column, np.flatnonzero(chosen), np.flatnonzero(~chosen))
        after = standardised_mean_differences(column, matches.chosen, matches.pools)
        assert (row["before"], row["after"]) == pytest.approx((before[0], after[0]))
    assert match_elements(one, np.ones(len(one.raw), dtype=bool))[1] == []


def test_elements_at_one_distance_are_matched_all_the_same(one):
    still = replace(one, scores=replace(one.scores, table=one.scores.table.assign(distance=5000)))
    matches, balance = match_elements(still, np.arange(len(one.raw)) % 9 == 0)
    assert len(matches.chosen) > 0
    assert next(row for row in balance if row["covariate"] == "log_distance")["after"] == 0.0


def test_families_are_those_of_transposable_elements_with_enough_members(elements):
    counts = elements.loc[elements["class"] == "TE", "family"].value_counts()
    bound = int(counts["LINE/L1"])
    held = te_family.hold(elements, te_family.Families(min_members=bound))
    assert held.names == ("LINE/L1", "SINE/Alu")
    assert te_family.hold(elements, te_family.Families(min_members=bound + 1)).names == ("SINE/Alu",)
    assert held.notes == (f"2 of 3 families have {bound} elements or more and are tested.",)
    assert held.family_of.index.tolist() == elements["element"].tolist()
    assert held.family_of.dropna().value_counts().to_dict() == counts.to_dict()
    marked = elements.assign(family=np.where(elements["class"] == "TE", ".", "cCRE/x"))
    assert te_family.hold(marked, te_family.Families()).names == ()
    by_subclass = te_family.hold(elements, te_family.Families(level="subclass"))
    assert by_subclass.names == ("AluY",)
    assert te_family.hold(elements.drop(columns="family"), te_family.Families()).names == ()
    assert te_family.Families().min_members == 20
    assert te_family.Families().level == "family"


def test_a_family_is_held_against_matched_elements_and_both_sides_must_agree(one, elements):
    held = te_family.hold(elements, te_family.Families(min_members=20))
    claim = find_claim("te_family")
    assert [model for model, _ in claim.subjects([one], SETTINGS, held)] == ["lm1|LINE/L1", "lm1|SINE/Alu"]
    model, subject, sides = ask("te_family", [one], SETTINGS, held)[0]
    members = one.scores.table["element"].map(held.family_of).eq("LINE/L1").to_numpy(dtype=bool)
    matches, balance = match_elements(one, members)
    both = [
        matched_contrast(values, matches, one.setting, generator(3, "family", "LINE/L1", one.name))
        for values in (one.raw, one.residual)
    ]
    assert (model, subject.model) == ("lm1|LINE/L1",) * 2
    assert same(sides.raw, both[0])
    assert same(sides.residual, replace(both[1], p=max(both[0].p, both[1].p)))
    assert sides.details == {"family": "LINE/L1", "n_members": members.sum(), "balance": balance}
    assert subject.readouts == (one,)
    # The other way round, the larger p is on the other side.
    turned = ask("te_family", [replace(one, raw=one.residual, residual=one.raw)], SETTINGS, held)[0][2]
    assert (turned.raw.p, turned.residual.p) == (both[1].p, max(both[0].p, both[1].p))
    assert both[0].p != both[1].p
    findings = Findings([one], held, [], [])
    counts = held.family_of.value_counts().to_dict()
    assert claim.summary(findings) == {"families": counts}
    table = claim.needs.tables(findings).elements
    assert list(table) == ["element", "locus", "chrom", "start", "end", "class", "family"]
    assert len(table) == sum(counts.values())
    assert table.index.tolist() == list(range(len(table)))


def test_conservation_is_linked_by_ranks_and_by_what_features_leave(one, elements):
    means = np.random.default_rng(2).gamma(2.0, 1.0, len(elements))
    means[::10] = np.nan
    held = conservation.hold(elements, means, ("a note",))
    known = elements["element"][np.isfinite(means)]
    assert held.elements["element"].tolist() == known.tolist()
    assert held.notes == ("a note",)
    columns = ["element", "locus", "chrom", "start", "end", "class", "distance", "conservation"]
    assert list(held.table) == columns
    np.testing.assert_array_equal(held.table["conservation"], means)
    part = reduced(one, one.scores.table["element"].isin(known).to_numpy())
    part = replace(part, setting=setting_for([one.name], part.scores.loci, part.scores.classes, SETTINGS))
    _, subject, sides = ask("conservation", [part], SETTINGS, held)[0]
    values = pd.Series(means, index=elements["element"])[part.scores.table["element"]].to_numpy()
    scores, loci = part.scores, part.scores.loci
    assert same(sides.raw, rank_association(part.raw, loci.center(values), part.setting))
    ranks = [normal_scores_by_locus(side, loci) for side in (scores.raw, values)]
    left = [residualize(side, scores.features.values, loci, scores.folds, "linear").residual for side in ranks]
    assert same(sides.residual, association(*left, part.setting))
    findings = Findings([part], held, [SimpleNamespace(subject=subject), SimpleNamespace(subject=None)], [])
    assert find_claim("conservation").summary(findings) == {"n_without_value": int(np.isnan(means).sum())}
    profiles = find_claim("conservation").needs.tables(findings).profiles
    assert list(profiles) == ["model", "scores", "conservation", "mean", "n"]
    assert profiles["scores"].tolist() == ["raw"] * 10 + ["residual"] * 10
    assert set(profiles["model"]) == {one.name}
    edges = np.quantile(values, np.linspace(0, 1, 11))
    for at in range(10):
        inside = (values >= edges[at]) & ((values < edges[at + 1]) if at < 9 else True)
        for side, row in zip((part.raw, part.residual), (at, at + 10), strict=True):
            numbers = profiles.loc[row, ["conservation", "mean", "n"]].to_list()
            assert numbers == pytest.approx([np.median(values[inside]), side[inside].mean(), inside.sum()])
    twice = Findings([part], held, [SimpleNamespace(subject=subject)] * 2, [])
    assert find_claim("conservation").needs.tables(twice).profiles.index.tolist() == list(range(40))
    with pytest.raises(InputError, match="no value"):
        conservation.hold(elements, np.full(len(elements), np.nan))
    empty = find_claim("conservation").needs.tables(Findings([], held, [], []))
    assert len(empty.profiles) == 0
    assert len(empty.elements) == len(elements)


# -- eQTLs -----------------------------------------------------------------------------------------------------------


def of_places(places: list[tuple[str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(places, columns=["chrom", "start", "end"])
    names = [f"e{at}" for at in range(len(table))]
    return table.assign(element=names, locus="L", **{"class": "TE", "distance": 0})


def test_an_element_belongs_to_the_piece_or_the_block_that_holds_its_middle():
    elements = of_places([("chr1", 19_990, 20_010), ("1", 19_989, 20_010), ("chr2", 100, 200), ("chr3", 10, 20)])
    fixed = eqtl.block_of_elements(elements, None)
    assert fixed.tolist() == ["1:1", "1:0", "2:0", "3:0"]
    assert fixed.index.tolist() == ["e0", "e1", "e2", "e3"]
    blocks = pd.DataFrame(
        [("1", 20_000, 20_001), ("chr1", 0, 19_999), ("chr2", 150, 160), ("2", 10, 150)],
        columns=["chrom", "start", "end"],
    )
    given = eqtl.block_of_elements(elements, blocks)
    assert given.tolist() == ["1:20000", "outside:1", "2:150", "outside:3"]
    before = of_places([("chr2", 0, 10), ("chr2", 0, 20), ("chr2", 158, 162)])
    assert eqtl.block_of_elements(before, blocks).tolist() == ["outside:0", "2:10", "outside:2"]


def test_elements_hold_the_eqtls_of_their_own_gene():
    elements = of_places([("chr1", 10, 20), ("chr1", 30, 40), ("chr2", 10, 20)])
    elements["locus"] = ["A", "B", "A"]
    loci = pd.DataFrame({"locus": ["A", "B"], "gene": ["APP", "APOE"]})
    places = {"chrom": ["1", "chr1", "chr2", "1"], "start": [10, 39, 19, 20], "end": [11, 40, 20, 21]}
    eqtls = pd.DataFrame({**places, "gene": ["APP", "APP", "APP", "APP"]})
    inside, by_gene = eqtl.elements_with_eqtl(elements, loci, eqtls)
    assert (inside.tolist(), by_gene) == ([True, False, True], True)
    inside, by_gene = eqtl.elements_with_eqtl(elements, loci, eqtls.assign(gene=None))
    assert (inside.tolist(), by_gene) == ([True, True, True], False)
    inside, by_gene = eqtl.elements_with_eqtl(elements, loci.assign(gene=None), eqtls)
    assert (inside.tolist(), by_gene) == ([True, True, True], False)
    nowhere = eqtls.assign(chrom="chr9")
    assert eqtl.elements_with_eqtl(elements, loci, nowhere)[0].tolist() == [False] * 3
    held = eqtl.hold(elements, loci, eqtls.assign(gene=None), ("first",))
    assert held.notes[0] == "first"
    assert "position alone" in held.notes[1]
    assert (held.gene_matched, held.n_eqtls, held.blocks) == (False, 4, "fixed width, 20000 bases")
    assert held.holds.to_dict() == {"e0": True, "e1": True, "e2": True}
    blocks = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [99]})
    held = eqtl.hold(elements, loci, eqtls, ("first",), blocks)
    assert (held.gene_matched, held.notes, held.blocks) == (True, ("first",), "given")
    assert held.block_of.to_dict() == {"e0": "1:0", "e1": "1:0", "e2": "outside:2"}


def test_elements_with_an_eqtl_are_held_against_matched_ones_by_block(one, elements):
    inside = np.random.default_rng(4).random(len(elements)) < 0.15
    blocks = pd.Series(np.repeat(np.arange(len(elements) // 10), 10).astype(str), index=elements["element"])
    held = eqtl.Eqtls(
        elements=elements,
        holds=pd.Series(inside, index=elements["element"]),
        block_of=blocks,
        gene_matched=False,
        n_eqtls=77,
        blocks="given",
    )
    _, subject, sides = ask("eqtl", [one], SETTINGS, held)[0]
    names = one.scores.table["element"]
    chosen = held.holds[names].to_numpy()
    matches, balance = match_elements(one, chosen)
    codes = np.unique(blocks[names].to_numpy()[matches.chosen], return_inverse=True)[1]
    for side, values in ((sides.raw, one.raw), (sides.residual, one.residual)):
        expected = matched_contrast(values, matches, one.setting, generator(3, "matched", one.name), codes)
        assert same(side, expected)
    assert sides.details == {
        "n_with_eqtl": chosen.sum(),
        "n_unmatched": matches.unmatched,
        "n_matched_in_own_locus": matches.same_locus,
        "n_blocks": codes.max() + 1,
        "gene_matched": False,
    }
    results = [SimpleNamespace(model=one.name, subject=subject), SimpleNamespace(model="x", subject=None)]
    findings = Findings([one], held, results, [])
    expected = {"gene_matched": False, "balance": {one.name: balance}, "n_eqtls": 77, "blocks": "given"}
    assert find_claim("eqtl").summary(findings) == expected
    table = find_claim("eqtl").needs.tables(findings).elements
    assert list(table) == ["element", "locus", "chrom", "start", "end", "class", "distance", "eqtl"]
    assert table["eqtl"].tolist() == inside.astype(int).tolist()


# -- genes -----------------------------------------------------------------------------------------------------------


def test_genes_have_the_mean_levels_of_their_elements(one):
    columns = np.column_stack([one.scores.raw, one.fit.residual])
    expected = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    np.testing.assert_allclose(levels(one), expected)
    means = [expected[part].mean(axis=0) for part in one.scores.loci.slices()]
    np.testing.assert_allclose(gene_scores(one), means)
    assert locus_names(one) == sorted(set(one.scores.table["locus"]))
    table = gene_table(one)
    assert list(table) == ["locus", "model", "raw", "residual"]
    np.testing.assert_allclose(table[["raw", "residual"]], means)
    assert (table["locus"].tolist(), set(table["model"])) == (locus_names(one), {one.name})
    flat = replace(one, fit=replace(one.fit, residual=np.full(len(one.raw), 3.0)))
    assert (levels(flat)[:, 1] == 0).all()


def test_the_first_locus_that_names_a_gene_has_it():
    loci = pd.DataFrame({"locus": ["A", "B", "C"], "gene": ["APP", "App", "APOE"]})
    assert locus_by_gene(loci) == {"APP": "A", "APOE": "C"}
    with pytest.raises(InputError, match="name no gene"):
        locus_by_gene(loci.assign(gene=None))


@pytest.fixture(scope="module")
def links(elements) -> network.Links:
    names = sorted(set(elements["locus"]))
    loci = pd.DataFrame({"locus": names, "gene": [f"G{at}" for at in range(len(names))]})
    pairs = [(a, b) for a in range(12) for b in range(a) if (a * b + a) % 3 == 0]
    table = pd.DataFrame([(f"G{a}", f"G{b}", 900) for a, b in pairs], columns=["gene1", "gene2", "score"])
    return network.hold(elements, loci, Network(table, ["a note"]))


def test_links_join_the_loci_of_their_genes_each_once(links, models):
    assert links.notes == ("a note",)
    names, edges = links.of(models[0])
    assert names == locus_names(models[0])
    assert edges.tolist() == sorted([min(a, b), max(a, b)] for a in range(12) for b in range(a) if (a * b + a) % 3 == 0)
    ends = pd.DataFrame({"gene1": ["b", "a", "a", "c", None, "x"], "gene2": ["a", "b", "a", "b", "a", "a"]})
    assert network._edges(ends, ["a", "b", "c"]).tolist() == [[0, 1], [1, 2]]
    assert network._edges(ends, ["q"]).shape == (0, 2)
    planted = network.Links(elements=links.elements, planted=np.array([[0, 1]]))
    assert planted.of(models[0]) == ([str(at) for at in range(12)], planted.planted)


def test_linked_genes_are_held_against_networks_that_models_share(links, models):
    asked = ask("network", models[:2], SETTINGS, links)
    (_, subject, sides), (_, other, _) = asked
    assert [model for model, _, _ in asked] == ["lm1", "lm2"]
    assert other.data.networks is subject.data.networks
    assert (subject.readouts, other.readouts) == ((models[0],), (models[1],))
    assert len(subject.data.networks) == 99
    values = gene_scores(models[0])
    np.testing.assert_allclose(subject.data.scores, values)
    top = values >= np.quantile(values, 0.75, axis=0)
    alike, among = network.network_draws(values, subject.data.networks, top)
    edges = subject.data.edges
    for side, tested in enumerate((sides.raw, sides.residual)):
        np.testing.assert_allclose(tested.draws, alike[:, side])
        joined = (top[edges[:, 0], side] & top[edges[:, 1], side]).sum()
        assert tested.details["links_among_top"] == joined
        assert tested.details["links_among_top_expected"] == pytest.approx(among[:, side].mean())
    assert sides.details == {"n_genes": 12, "n_linked_genes": len(np.unique(edges))}
    findings = Findings(models, links, [SimpleNamespace(model="lm2")], [])
    tables = find_claim("network").needs.tables(findings)
    assert set(tables.elements["model"]) == {"lm2"}
    assert list(tables.profiles) == ["gene1", "gene2", "score", "locus1", "locus2"]
    assert tables.profiles["locus1"].tolist() == links.ends["gene1"].tolist()
    assert tables.profiles["locus2"].tolist() == links.ends["gene2"].tolist()
    nobody = find_claim("network").needs.tables(Findings(models, links, [], [])).elements
    assert list(nobody) == ["locus", "model", "raw", "residual"]
    assert len(nobody) == 12


def test_five_links_are_a_network_and_four_are_none(models, elements):
    for count, enough in ((5, True), (4, False)):
        planted = np.array([(0, at) for at in range(1, count + 1)])
        held = network.Links(elements=elements, planted=planted)
        if enough:
            assert len(next(find_claim("network").subjects(models, SETTINGS, held))[1]().data.edges) == 5
        else:
            with pytest.raises(NotTestable, match="4 links"):
                next(find_claim("network").subjects(models, SETTINGS, held))[1]()


def test_pairs_are_of_two_loci_of_the_run(elements):
    loci = pd.DataFrame({"locus": ["A", "A", "B"], "gene": ["G1", "G2", "G3"]})
    pairs = pd.DataFrame({"gene1": ["G1", "G1", "G9", "G3"], "gene2": ["G3", "G2", "G1", "G9"]})
    held = protein_pair.hold(elements, loci, pairs, ("first",))
    assert held.pairs == (("G1", "G3", "A", "B"),)
    assert held.notes == ("first", "3 of 4 pairs are not of two loci of this run and were left out.")
    assert protein_pair.hold(elements, loci, pairs.head(1)).notes == ()


def test_the_twenty_strongest_links_are_pairs_ties_by_name():
    table = pd.DataFrame({"gene1": [f"G{at:02d}" for at in range(30)], "gene2": "Z", "score": [900] * 15 + [950] * 15})
    found = protein_pair.pairs_of_network(Network(table[::-1], []))
    assert found["gene1"].tolist() == [f"G{at:02d}" for at in [*range(15, 30), *range(5)]]
    assert list(found) == ["gene1", "gene2"]


def test_a_pair_is_held_against_permuted_maps_that_models_share(models, elements):
    names = locus_names(models[0])
    held = protein_pair.Pairs(elements=elements, pairs=(("P", "Q", names[4], names[1]), ("P", "R", names[4], "none")))
    claim = find_claim("protein_pair")
    subjects = list(claim.subjects(models, SETTINGS, held))
    assert [name for name, _ in subjects][:3] == ["lm1|P~Q", "lm1|P~R", "lm2|P~Q"]
    with pytest.raises(NotTestable, match="no scored element"):
        subjects[1][1]()
    first, second = (subjects[at][1]() for at in (0, 2))
    assert (first.model, first.data.names, first.data.at) == ("lm1|P~Q", ("P", "Q"), (4, 1))
    for subject, one in ((first, models[0]), (second, models[1])):
        np.testing.assert_allclose(subject.data.means, gene_scores(one))
        assert subject.data.draws.shape == (99, 12, 2)
        # Maps exchange elements: the mean over all of them stays.
        sizes = one.scores.loci.sizes
        np.testing.assert_allclose((subject.data.draws * sizes[:, None]).sum(axis=1), 0.0, atol=1e-9)
    sides = claim.test(first, SETTINGS)
    for side, tested in enumerate((sides.raw, sides.residual)):
        means, draws = first.data.means[:, side], first.data.draws[:, :, side]
        assert same(tested, protein_pair.gene_pair((4, 1), means, draws, 0.05))
    assert sides.details == {"pair": ["P", "Q"], "maps": 99}
    table = claim.needs.tables(Findings(models[:2], held, [], [])).elements
    assert table["model"].tolist() == ["lm1"] * 12 + ["lm2"] * 12
    assert table.index.tolist() == list(range(24))
    assert first.readouts == (models[0],)
    assert len(claim.needs.tables(Findings([], held, [], [])).elements) == 0


# -- STRING ----------------------------------------------------------------------------------------------------------

GENES = {"APP", "APOE", "ACHE"}


def written(folder, text: str, name: str = "links.txt"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_links_between_genes_of_the_loci_count_once_with_their_best_score(tmp_path, separator):
    rows = ["protein1 protein2 combined_score", "APP APOE 400", "APOE APP 700", "APP ACHE 399", "APP APP 999"]
    rows += ["APP OTHER 999", "OTHER1 OTHER2 999", "ACHE APOE 401"]
    path = written(tmp_path, "\n".join(row.replace(" ", separator) for row in rows) + "\n")
    found = read_network(path, GENES)
    assert found.links.to_numpy().tolist() == [["ACHE", "APOE", 401], ["APOE", "APP", 700]]
    assert found.links.index.tolist() == [0, 1]
    assert found.notes == ["2 links of combined_score 400 or more between 3 genes of the loci (3 of any score)."]
    assert read_network(path, GENES, min_score=401).links["score"].tolist() == [401, 700]
    assert read_network(path, GENES, min_score=402).links["score"].tolist() == [700]


def test_scores_up_to_one_are_thousandths(tmp_path):
    path = written(tmp_path, "#node1\tnode2\tcombined_score\nAPP\tAPOE\t1.0\nAPP\tACHE\t0.4\n")
    assert read_network(path, GENES).links["score"].tolist() == [400, 1000]
    path = written(tmp_path, "protein1 protein2 combined_score\nAPP APOE 2\nAPP ACHE 1\n")
    assert read_network(path, GENES, min_score=0).links["score"].tolist() == [1, 2]


def test_a_protein_has_the_first_of_its_names_that_is_a_gene(tmp_path):
    rows = [
        "#string_protein_id alias source",
        "P1 none x",
        "P1 app x",
        "P1 APOE x",
        "P2 ENSG00000000001.3 x",
        "P3 ACHE x",
    ]
    text = "\n".join(row.replace(" ", "\t") for row in rows) + "\n"
    assert read_names(written(tmp_path, text), GENES | {"ENSG00000000001"}) == {
        "P1": "APP",
        "P2": "ENSG00000000001",
        "P3": "ACHE",
    }


def test_pairs_are_two_different_genes_each_once(tmp_path):
    text = "x\tprotein1\tprotein2\n1\tapp\tAPOE\n2\tAPP\tAPOE\n3\tAPP\tAPP\n4\t\tAPP\n5\tAPOE\tAPP\n"
    found = read_pairs(written(tmp_path, text))
    assert found.to_numpy().tolist() == [["APP", "APOE"], ["APOE", "APP"]]
    assert list(found) == ["gene1", "gene2"]
    with pytest.raises(InputError, match="fewer than two columns"):
        read_pairs(written(tmp_path, "one\nAPP\n"))
    with pytest.raises(InputError, match="no pair of two"):
        read_pairs(written(tmp_path, "one\ttwo\n"))


# -- what is planted and what is said --------------------------------------------------------------------------------


def test_planted_truths_follow_what_they_are_called_by(one):
    scores = one.scores
    near = find_claim("horizon").plant.signal(scores, SETTINGS)
    assert near.tolist() == (scores.distance <= 10_000).astype(float).tolist()
    ccre = find_claim("ccre_discrimination").plant.signal(scores, SETTINGS)
    assert ccre.tolist() == (scores.classes == "cCRE").astype(float).tolist()
    words, counts = np.unique(scores.classes, return_counts=True)
    by_size = [word for _, word in sorted(zip(-counts, words, strict=True))]
    raised = find_claim("class_hierarchy").plant.signal(scores, SETTINGS)
    assert raised.tolist() == np.isin(scores.classes, by_size[::2]).astype(float).tolist()


def test_outside_data_that_follow_nothing_lie_in_runs(one):
    rng = np.random.default_rng(5)
    families = find_claim("te_family").plant.data(one, rng)
    members = families.family_of == "planted"
    assert families.names == ("planted",)
    assert set(one.scores.classes[members.to_numpy()]) == {"TE"}
    assert members.mean() / (one.scores.classes == "TE").mean() == pytest.approx(0.3, abs=0.15)
    eqtls = find_claim("eqtl").plant.data(one, rng)
    near = one.scores.distance < 10_000
    chance = 0.02 + 0.25 * np.exp(-one.scores.distance / 20_000)
    drawn = [find_claim("eqtl").plant.data(one, np.random.default_rng(seed)).holds.to_numpy() for seed in range(60)]
    assert np.mean(drawn) == pytest.approx(chance.mean(), abs=0.03)
    assert np.mean(drawn, axis=0)[near].mean() == pytest.approx(chance[near].mean(), abs=0.05)
    lag = np.mean([np.corrcoef(held[1:], held[:-1])[0, 1] for held in np.array(drawn, dtype=float)])
    assert lag > 0.15
    first = one.scores.table.iloc[0]
    middle = (first["start"] + first["end"]) // 2
    assert eqtls.block_of.iloc[0] == f"{first['locus']}|{first['chrom'].removeprefix('chr')}:{middle // 20_000}"
    held = find_claim("conservation").plant.data(one, rng)
    assert ((held.means > 0) & (held.means < 1)).all()
    explained = one.scores.features.values
    design = np.column_stack([explained, np.ones(len(explained))])
    logits = np.log(held.means / (1 - held.means)).to_numpy()
    left = logits - design @ np.linalg.lstsq(design, logits, rcond=None)[0]
    assert 1 - left.var() / logits.var() == pytest.approx(0.5, abs=0.2)
    planted = find_claim("network").plant.data(one, rng).planted
    assert len({tuple(edge) for edge in planted.tolist()}) == len(planted) == 24
    assert (planted[:, 0] < planted[:, 1]).all()
    pair = find_claim("protein_pair").plant.data(one, rng).pairs[0]
    names = locus_names(one)
    assert (names[int(pair[0])], names[int(pair[1])]) == pair[2:]
    assert pair[2] != pair[3]
    for claim, _ in cross_checks():
        assert len(claim.plant.data(one, rng).elements) == len(one.raw)


def test_effects_are_said_with_their_intervals_where_they_have_any():
    assert effect_with_interval(Outcome(effect=0.126, interval=(0.1, 0.234))) == "0.13 (0.10 to 0.23)"
    assert effect_with_interval(Outcome(effect=0.126, interval=(0.1, 0.234)), 1) == "0.1 (0.1 to 0.2)"
    for interval in (None, (None, 0.1), (0.1, None), (float("nan"), 0.1), (0.1, float("inf"))):
        assert effect_with_interval(SimpleNamespace(effect=0.126, interval=interval)) == "0.13"


def test_contrasts_and_overlaps_are_said_with_their_direction():
    low = say_contrast(entry(raw=-0.25), "These are", "those")
    assert low == ("These are 0.25 SD lower than those", "0.12 (0.00 to 0.25) SD remains")
    assert "0.00 SD higher" in say_contrast(entry(raw=0.0), "These are", "those")[0]
    assert "0.00 SD higher" in say_contrast(entry(raw=None), "These are", "those")[0]
    details = {"raw": {"k": 36, "overlap": 9, "expected_by_chance": 3.6}, "residual": {"overlap": 5}}
    expected = ("The top 36 elements of a and b share 9 (4 by chance)", "5 are shared")
    assert say_overlap(entry(details), "a and b") == expected
    assert find_claim("list_overlap").say(entry(details, model="a|b"), SETTINGS) == expected


def test_every_claim_says_its_effect_and_what_remains():
    said = {name: find_claim(name).say for name in claim_names()}
    assert said["horizon"](entry(), SETTINGS)[0].startswith("Scores within 10 kb of the TSS are 0.25 SD higher than")
    assert "AUC of 0.25" in said["ccre_discrimination"](entry(), SETTINGS)[0]
    top, left = said["baseline_membership"](entry(), SETTINGS)
    assert "top 10 %" in top
    assert "0.250" in top
    assert left.startswith("0.125 (0.000 to 0.250)")
    order = {"raw": {"order": ["b", "a"]}}
    raw, residual = said["class_hierarchy"](entry(order), SETTINGS)
    assert "25.0 %" in raw
    assert "(b > a)" in raw
    assert residual == "12.5 % remains"
    below = said["class_hierarchy"](entry(order, raw=-0.1, residual=None), SETTINGS)
    assert "0.0 %" in below[0]
    assert below[1] == "0.0 % remains"
    assert "correlation of 0.25" in said["conservation"](entry(), SETTINGS)[0]
    assert said["conservation"](entry(), SETTINGS)[1] == "0.12 (0.00 to 0.25) remains"
    alike = said["network"](entry({"raw": {"assortativity": 0.31, "expected_by_degree": 0.05}}), SETTINGS)
    assert "0.31 (0.05 in" in alike[0]
    assert said["protein_pair"](entry({"pair": ["A", "B"]}), SETTINGS)[0].startswith("Elements of A and B score 0.25")
    assert said["te_family"](entry({"family": "Alu"}), SETTINGS)[0].startswith("Elements of Alu score 0.25 SD higher")
    assert said["eqtl"](entry(), SETTINGS)[0].startswith("Elements that hold an eQTL score 0.25 SD higher")
    shared = {"raw": {"k": 3, "overlap": 2, "expected_by_chance": 1.0}, "residual": {"overlap": 1}}
    assert "language models and those of the output models share 2" in said["layers"](entry(shared), SETTINGS)[0]


# -- files and documents ---------------------------------------------------------------------------------------------

LOCUS_TABLE = (
    "locus\tgene\tchrom\ttss\tstrand\tstart\tend\nL1\tAPP\tchr1\t50\t+\t0\t100\nL2\tAPOE\tchr1\t250\t+\t200\t300\n"
)


def test_each_check_reads_its_files_as_it_was_asked_to(tmp_path):
    places = of_places([("chr1", 10, 20), ("chr1", 210, 220)]).assign(locus=["L1", "L2"])
    loci = written(tmp_path, LOCUS_TABLE, "loci.tsv")
    table = "chrom\tpos\tgene\tpvalue\n1\t11\tAPP\t0.01\n1\t211\tAPOE\t0.5\n"
    eqtls = written(tmp_path, table, "eqtls.tsv")
    blocks = written(tmp_path, "chrom\tstart\tend\nchr1\t0\t100\nchr1\t100\t400\n", "blocks.bed")
    check = find_claim("eqtl").needs
    held = check.read(places, eqtl.Files(loci=loci, eqtl=eqtls))
    assert (held.holds.tolist(), held.n_eqtls, held.blocks) == ([True, True], 2, "fixed width, 20000 bases")
    assert any("p above" in note for note in held.notes)
    held = check.read(places, eqtl.Files(loci=loci, eqtl=eqtls, max_p=0.05, ld_blocks=blocks))
    assert (held.holds.tolist(), held.n_eqtls, held.blocks) == ([True, False], 1, "given")
    assert held.block_of.tolist() == ["1:0", "1:100"]
    assert eqtl.read_blocks(blocks).to_numpy().tolist() == [["chr1", 0, 100], ["chr1", 100, 400]]

    header = "protein1 protein2 combined_score experimental\n"
    links = written(tmp_path, header + "P1 P2 950 410\nP2 P1 300 100\n", "links.txt")
    info = written(tmp_path, "#string_protein_id\tpreferred_name\nP1\tAPP\nP2\tAPOE\n", "info.txt")
    asked = network.Files(loci=loci, network=links, network_info=info)
    held = find_claim("network").needs.read(places, asked)
    assert held.ends.to_numpy().tolist() == [["L2", "L1"]]
    assert held.network.links["score"].tolist() == [950]
    other = asked.model_copy(update={"evidence": "experimental", "min_score": 410})
    assert find_claim("network").needs.read(places, other).network.links["score"].tolist() == [410]
    assert len(find_claim("network").needs.read(places, other.model_copy(update={"min_score": 411})).ends) == 0

    pairs = written(tmp_path, "gene1\tgene2\nAPP\tAPOE\n", "pairs.tsv")
    check = find_claim("protein_pair").needs
    held = check.read(places, protein_pair.Files(loci=loci, pairs=pairs))
    assert (held.pairs, held.notes) == ((("APP", "APOE", "L1", "L2"),), ())
    held = check.read(places, protein_pair.Files(loci=loci, network=links, network_info=info))
    assert held.pairs == (("APOE", "APP", "L2", "L1"),)
    assert held.notes[-1] == "The pairs are the strongest links of the network."
    assert len(held.notes) > 1
    few = protein_pair.Files(loci=loci, network=links, network_info=info, min_score=951)
    assert check.read(places, few).pairs == ()
    with pytest.raises(InputError, match="--pairs"):
        check.read(places, protein_pair.Files(loci=loci))


def test_conservation_is_read_from_a_bigwig(tmp_path):
    path = tmp_path / "c.bw"
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader([("chr1", 1000)])
        handle.addEntries(["chr1"], [0], ends=[15], values=[2.0])
    places = of_places([("chr1", 10, 20), ("chr1", 210, 220), ("chr2", 1, 5)])
    held = find_claim("conservation").needs.read(places, conservation.Files(bigwig=path))
    assert held.means.iloc[0] == 2.0
    assert held.means.isna().tolist() == [False, True, True]
    assert held.elements["element"].tolist() == ["e0"]
    assert held.notes == ("The bigWig lacks chr2: 1 elements without a value.",)


def test_the_document_of_claims_is_one_table_with_a_row_per_claim():
    blocks = claims_markdown().split("\n\n")
    assert blocks[0] == "# Claims"
    assert len(blocks) == 3
    assert blocks[2].endswith("\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in blocks[2].splitlines()]
    assert rows[0] == [
        "claim",
        "question",
        "statistic",
        "unit of the effect",
        "least effect",
        "power is stated for",
        "null",
    ]
    assert rows[1] == ["---"] * 7
    for row, claim in zip(rows[2:], all_claims(), strict=True):
        assert row[:4] == [f"`{claim.name}`", claim.question, claim.statistic, claim.unit]
        assert row[4:6] == [f"{claim.floor:g}", claim.reference]
    nulls = {row[0].strip("`"): row[6] for row in rows[2:]}
    assert nulls["horizon"] == nulls["conservation"] == "of the run (`rotation`)"
    assert nulls["network"] == "degree-preserving draws"
