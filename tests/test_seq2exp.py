"""Seq2Exp: the mask's laws, its gradient, the data, the training."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest
import scipy.stats
import torch
from torch.distributions import Beta

from darkregulome.errors import InputError
from darkregulome.genome.bases import N_CODE, letters_of_codes
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.seq2exp import mask as masks
from darkregulome.seq2exp.data import Batch, ExpressionWindows, read_genes
from darkregulome.seq2exp.folds import compare, folds, split
from darkregulome.seq2exp.guard import FIRST, LEAST, KlGuard
from darkregulome.seq2exp.network import Seq2Exp, Seq2ExpConfig, load_seq2exp
from darkregulome.seq2exp.output import elements_of, write_mask
from darkregulome.seq2exp.recipe import Recipe, read_recipe
from darkregulome.seq2exp.train import (
    RESTART,
    ExpressionTask,
    Genes,
    Start,
    losses_of,
    measures,
    predict,
    saliency,
    train_seq2exp,
)
from darkregulome.seq2exp.variants import VARIANTS, retrained, variant
from darkregulome.simulate import expression
from darkregulome.simulate.expression import simulate_expression
from darkregulome.simulate.writing import write_expression
from darkregulome.training.state import StateFile
from script_runner import run_script

GRID = np.linspace(0.0005, 0.9995, 1000)


# The mask's distribution


def _density(beta):
    return scipy.stats.beta.pdf(GRID, float(beta.concentration1), float(beta.concentration0))


def test_product_of_betas_is_the_product_of_their_densities():
    first, second = (Beta(torch.tensor(a), torch.tensor(b)) for a, b in ((2.5, 4.0), (3.0, 1.5)))
    ratio = _density(first) * _density(second) / _density(masks.product(first, second))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    published = _density(first) * _density(second) / _density(masks.published_sum(first, second))
    assert published.max() / published.min() > 10


def test_pool_is_the_weighted_geometric_mean_of_the_densities():
    each = Beta(torch.tensor([2.0, 6.0, 3.0]), torch.tensor([5.0, 2.0, 3.0]))
    wanted = np.ones_like(GRID)
    for index, share in enumerate((0.4, 0.4, 0.2)):
        alpha, beta = float(each.concentration1[index]), float(each.concentration0[index])
        wanted *= scipy.stats.beta.pdf(GRID, alpha, beta) ** share
    ratio = wanted / _density(masks.pool(each, (2, 2, 1)))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_kl_from_the_prior_is_the_integral():
    settings = masks.MaskSettings(prior=(10.0, 90.0))
    found = masks.kl_loss(Beta(torch.tensor([3.0]), torch.tensor([7.0])), torch.zeros(1, 0), settings)

    def integrand(x):
        p, q = scipy.stats.beta(3, 7), scipy.stats.beta(10, 90)
        return p.pdf(x) * (p.logpdf(x) - q.logpdf(x))

    assert float(found) == pytest.approx(scipy.integrate.quad(integrand, 0, 1)[0], rel=1e-5)


def test_a_mask_at_its_prior_costs_nothing():
    settings = masks.MaskSettings(prior=(10.0, 90.0))
    assert float(masks.kl_loss(Beta(torch.tensor([10.0]), torch.tensor([90.0])), torch.zeros(1, 0), settings)) < 1e-6


def test_a_stronger_signal_opens_the_mask():
    signals = torch.tensor([0.0, 1.0, 5.0, 50.0])[:, None]
    mean = masks.mask_beta(torch.zeros(4, 2), signals, masks.MaskSettings()).mean
    assert (mean.diff() > 0).all()


def test_a_product_that_could_not_be_a_density_is_refused():
    with pytest.raises(ValueError, match="floor"):
        masks.MaskSettings(floor=0.1, signal_scale=1.0)


# What is made of it


def test_hard_mask_is_binary_and_passes_the_gradient_through():
    soft = torch.tensor([0.1, 0.5, 0.9], requires_grad=True)
    hard = masks.hard_mask(soft, 0.5)
    assert hard.tolist() == [0.0, 1.0, 1.0]
    hard.dot(torch.tensor([1.0, 2.0, 3.0])).backward()
    assert soft.grad.tolist() == [1.0, 2.0, 3.0]


def test_top_mask_keeps_the_highest_and_ties_at_the_edge():
    assert masks.top_mask(torch.tensor([0.1, 0.9, 0.3, 0.8]), 0.5).tolist() == [0, 1, 0, 1]
    assert masks.top_mask(torch.tensor([0.5, 0.9, 0.5, 0.1]), 0.5).tolist() == [1, 1, 1, 0]
    assert masks.top_mask(torch.tensor([0.5, 0.9]), 0.01).tolist() == [0, 1]


def test_centre_is_kept_and_the_rest_is_left():
    kept = masks.keep_centre(torch.zeros(2, 10), 4)
    assert kept[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert masks.keep_centre(torch.full((10,), 0.3), 0).tolist() == pytest.approx([0.3] * 10)


@pytest.mark.parametrize(("values", "steps"), [([0, 0, 0, 0], 0), ([0, 1, 1, 0], 2), ([1, 0, 1, 0], 3)])
def test_continuity_counts_the_edges_of_elements(values, steps):
    assert float(masks.continuity(torch.tensor([values], dtype=torch.float32))) == pytest.approx(steps / 5)


# The networks

SMALL = Seq2ExpConfig(
    signals=("h3k27ac", "dnase"),
    log10_signals=(),
    window=1024,
    d_model=16,
    n_layer=1,
    ssm_cfg={"d_state": 4},
    resolution=32,
    stem_width=9,
    mask={"kind": "hard", "centre": 64, "signal_scale": 1.0},
)


def _random_batch(config, genes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    letters = torch.randint(4, (genes, config.window), generator=generator)
    signals = 4 * torch.rand(genes, config.window, len(config.signals), generator=generator)
    return torch.nn.functional.one_hot(letters, 4).float(), signals


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_prediction_loss_alone_reaches_every_weight_of_the_generator(kind):
    torch.manual_seed(0)
    model = Seq2Exp(SMALL.model_copy(update={"mask": SMALL.mask.model_copy(update={"kind": kind})}))
    made = model(*_random_batch(SMALL))
    if kind == "hard":
        assert set(made.mask.detach().unique().tolist()) == {0.0, 1.0}
    (made.prediction - 1).square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in model.generator.named_parameters()}
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients.values())
    assert model.logits.weight.grad.abs().sum() > 0


def _gradient_by_mask(model, bases, signals, mask):
    mask = mask.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.predict(model.inputs(bases, signals), mask).sum(), mask)
    return gradient


def test_gradient_of_a_closed_position_tells_what_opening_it_does():
    torch.manual_seed(0)
    model = Seq2Exp(SMALL).eval()
    bases, signals = _random_batch(SMALL)
    positions = SMALL.window // SMALL.resolution
    mask = (torch.arange(positions) % 2).float().expand(2, -1)
    gradient = _gradient_by_mask(model, bases, signals, mask)
    x, closed = model.inputs(bases, signals), np.flatnonzero(mask[0] == 0)
    with torch.no_grad():
        before = model.predict(x, mask)
        changes = [model.predict(x, mask.index_fill(1, torch.tensor([row]), 1.0)) - before for row in closed]
    for gene in range(2):
        change = [float(one[gene]) for one in changes]
        assert scipy.stats.pearsonr(gradient[gene, closed], change).statistic > 0.9


def test_with_one_base_a_position_the_gradient_is_that_of_the_product():
    torch.manual_seed(0)
    config = SMALL.model_copy(update={"resolution": 1, "stem_width": 1, "window": 64})
    bases, signals = _random_batch(config)
    mask = (torch.rand(2, 64, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    hard = Seq2Exp(config).eval()
    soft = Seq2Exp(config.model_copy(update={"mask": SMALL.mask.model_copy(update={"kind": "soft"})})).eval()
    soft.load_state_dict(hard.state_dict())
    found, wanted = (_gradient_by_mask(model, bases, signals, mask) for model in (hard, soft))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)


def test_a_hard_mask_hides_what_it_closes():
    torch.manual_seed(0)
    model = Seq2Exp(SMALL).eval()
    bases, signals = _random_batch(SMALL)
    mask = torch.zeros(2, SMALL.window // SMALL.resolution)
    mask[:, 10:12] = 1
    other = bases.roll(1, dims=-1)
    other[:, 320:384] = bases[:, 320:384]  # the two positions that are open
    with torch.no_grad():
        first, second = (model.predict(model.inputs(x, signals), mask) for x in (bases, other))
        third = model.predict(model.inputs(bases.roll(1, dims=-1), signals), mask)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_evaluation_draws_nothing_and_training_does():
    torch.manual_seed(0)
    model, batch = Seq2Exp(SMALL), _random_batch(SMALL)
    assert not torch.equal(model(*batch).soft, model(*batch).soft)
    model.eval()
    assert torch.equal(model(*batch).soft, model(*batch).soft)


def test_paper_settings_are_the_defaults():
    config, recipe = Seq2ExpConfig(), Recipe()
    assert (config.n_layer, config.d_model, config.window, config.mask.centre) == (4, 128, 200_000, 2_000)
    assert config.mask.prior == (10, 90)
    assert (recipe.steps, recipe.batch) == (50_000, 8)
    assert (recipe.kl_guard, recipe.copy_predictor, recipe.beta2) == (None, None, 0.999)
    rates = [recipe.rate(step) for step in (0, 5_000, 49_999)]
    assert rates == pytest.approx([1e-5, 5e-4, 1e-4])
    assert recipe.rate(27_499) == pytest.approx(3e-4, rel=1e-3)


def test_weight_of_the_kl_rises_between_its_two_shares():
    recipe = Recipe(steps=100, kl_weight=0.5, kl_ramp=(0.2, 0.6))
    assert [recipe.kl_weight_at(step) for step in (0, 20, 40, 60, 99)] == pytest.approx([0, 0, 0.25, 0.5, 0.5])
    assert Recipe(steps=100, kl_weight=0.5).kl_weight_at(0) == 0.5
    sudden = Recipe(steps=100, kl_weight=0.5, kl_ramp=(0.2, 0.2))
    assert [sudden.kl_weight_at(step) for step in (0, 19, 20, 99)] == [0, 0, 0.5, 0.5]


def test_settings_that_do_not_fit_are_told_all_at_once(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("model: {window: 1000, resolution: 0, sauce: 1}\n")
    with pytest.raises(InputError, match=r"resolution.*sauce|sauce.*resolution"):
        read_recipe(path)
    path.write_text("model: {window: 1001, resolution: 2}\n")
    with pytest.raises(InputError, match="multiples of resolution"):
        read_recipe(path)


# Folds and measures


def test_folds_share_no_contig_and_cover_every_gene():
    genes = pd.DataFrame({"chrom": np.repeat([f"chr{i}" for i in range(7)], [9, 7, 5, 4, 3, 2, 1])})
    sizes = genes["chrom"].map(folds(genes["chrom"], 3)).value_counts()
    assert sizes.max() - sizes.min() <= 2
    tested = []
    for fold in range(3):
        parts = split(genes, 3, fold)
        contigs = [set(part["chrom"]) for part in parts.values()]
        assert sum(len(part) for part in contigs) == len(set.union(*contigs)) == 7
        tested += list(parts["test"]["chrom"])
    assert sorted(tested) == sorted(genes["chrom"])
    with pytest.raises(InputError, match="--folds"):
        folds(genes["chrom"], 8)


def test_measures_are_numpys():
    target = pd.Series([1.0, 2.0, 4.0])
    found = measures(target, pd.DataFrame({"prediction": [1.0, 3.0, 4.5], "mask_ratio": 0.2, "continuity": 0.1}))
    assert found["mse"] == pytest.approx(1.25 / 3)
    assert found["mae"] == pytest.approx(0.5)
    assert found["pearson"] == pytest.approx(scipy.stats.pearsonr(target, [1, 3, 4.5]).statistic)


# Data


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    made = simulate_expression(seed=3, genes=24, window=1024, genes_per_contig=6)
    folder = tmp_path_factory.mktemp("expression") / "simulated"
    write_expression(made, folder)
    return made, folder


def _windows(folder, config=SMALL, shift=0, peaks=None):
    reference = Reference(folder / "genome.fa.gz")
    signals = {name: folder / f"{name}.bw" for name in config.signals}
    return ExpressionWindows(reference, signals, config, peaks, shift)


def _genes(folder):
    return read_genes(folder / "expression.tsv", Reference(folder / "genome.fa.gz").contigs)


def test_windows_hold_what_was_simulated(simulated):
    made, folder = simulated
    genes = _genes(folder)
    batch = _windows(folder).batch(genes)
    assert batch.bases.shape == (24, 1024, 4)
    np.testing.assert_allclose(batch.target, np.log10(made.genes["cage"] + 1), rtol=1e-6)
    for row, gene in enumerate(made.genes.itertuples()):
        start, end = gene.tss - 512, gene.tss + 512
        codes, track = made.contigs[gene.chrom][start:end], made.signals["dnase"][gene.chrom][start:end]
        if gene.strand == "-":
            codes, track = 3 - codes[::-1], track[::-1]
        np.testing.assert_array_equal(batch.bases[row].argmax(-1), codes)
        np.testing.assert_allclose(batch.signals[row, :, 1], track, rtol=1e-6)


def test_a_window_past_its_contig_is_n_without_signal(simulated):
    _, folder = simulated
    window = _windows(folder).read("chr1", 100)
    assert (window.sequence[:412] == N_CODE).all()
    assert (window.sequence[412:] < N_CODE).all()
    assert window.signals[:, :412].max() == 0


def test_shifted_windows_are_cuts_of_the_longer_one(simulated):
    _, folder = simulated
    genes = _genes(folder).iloc[8:9]
    wide, rng = _windows(folder, shift=16), np.random.default_rng(0)
    chrom, tss = genes["chrom"].iloc[0], int(genes["tss"].iloc[0])
    letters = letters_of_codes(wide.read(chrom, tss).sequence)
    for _ in range(4):
        drawn = letters_of_codes(wide.batch(genes, rng).bases[0].argmax(-1).numpy())
        assert drawn in letters or reverse_complement(drawn) in letters


def test_peaks_come_with_the_window(simulated):
    made, folder = simulated
    windows = _windows(folder, SMALL.model_copy(update={"source": "given"}), peaks=folder / "peaks.bed")
    given = windows.batch(_genes(folder)).given.numpy()
    wanted = made.elements[made.elements["kind"].isin(["causal", "silent_peak"])]
    np.testing.assert_array_equal(
        given.sum(1),
        (wanted["end"] - wanted["start"]).groupby(wanted["gene"]).sum().reindex(made.genes["gene"], fill_value=0),
    )


def test_faults_of_the_input_are_named(simulated, tmp_path):
    _, folder = simulated
    contigs = Reference(folder / "genome.fa.gz").contigs
    table = pd.read_table(folder / "expression.tsv")
    for change, message in (
        ({"chrom": "chr77"}, "chr77"),
        ({"tss": 10**9}, "past the end"),
        ({"strand": "?"}, "strand"),
    ):
        path = tmp_path / "expression.tsv"
        table.assign(**change).to_csv(path, sep="\t", index=False)
        with pytest.raises(InputError, match=message):
            read_genes(path, contigs)
    with pytest.raises(InputError, match=r"'dnase' is not given[\s\S]*'rna' is not a signal"):
        ExpressionWindows(
            Reference(folder / "genome.fa.gz"), {"h3k27ac": folder / "h3k27ac.bw", "rna": folder / "dnase.bw"}, SMALL
        )
    broken = tmp_path / "broken.bw"
    broken.write_text("not a bigWig")
    with pytest.raises(InputError, match="is not a bigWig"):
        ExpressionWindows(
            Reference(folder / "genome.fa.gz"), {"h3k27ac": folder / "h3k27ac.bw", "dnase": broken}, SMALL
        )


# The simulation


def test_expression_follows_causal_elements_and_nothing_else():
    made = simulate_expression(seed=1, genes=300, window=2048)
    unexplained = np.log10(made.genes["level"]) - expression.LOG_BASE - made.genes["activation"]
    assert unexplained.std() == pytest.approx(expression.LOG_NOISE, rel=0.2)
    assert made.genes["activation"].std() > 3 * expression.LOG_NOISE
    elements = made.elements[made.elements["kind"] != "causal"]
    assert (elements["effect"] == 0).all()
    for _, group in elements.groupby("kind"):
        count = group.groupby("gene")["contact"].sum().reindex(made.genes["gene"]).fillna(0)
        assert scipy.stats.pearsonr(count, unexplained).pvalue > 0.001


def test_decoys_share_one_property_each_with_the_causal_elements():
    made = simulate_expression(seed=1, genes=200, window=2048)
    signal = [
        made.signals["dnase"][chrom][start:end].mean()
        for chrom, start, end in zip(*(made.elements[name] for name in ("chrom", "start", "end")), strict=True)
    ]
    mean = made.elements.assign(signal=signal).groupby("kind")[["signal", "intact"]].mean()
    assert mean.loc["silent_peak", "signal"] == pytest.approx(mean.loc["causal", "signal"], rel=0.1)
    assert mean.loc["closed_motif", "intact"] == pytest.approx(mean.loc["causal", "intact"], rel=0.1)
    assert mean.loc["silent_peak", "intact"] < 0.2
    assert max(mean.loc["closed_motif", "signal"], mean.loc["repeat", "signal"]) < 0.5 * mean.loc["causal", "signal"]


def test_a_contig_does_not_depend_on_the_others():
    few, many = (simulate_expression(seed=2, genes=n, window=1024, genes_per_contig=5) for n in (5, 10))
    np.testing.assert_array_equal(few.contigs["chr1"], many.contigs["chr1"])
    assert few.genes.equals(many.genes.iloc[:5])


# Training

QUICK = Recipe(steps=40, batch=12, warm_up=3, learning_rate=1e-2, last_rate=1e-3, kl_weight=0)


def _step(model, optimizer, batch, recipe, step):
    model.train()
    loss, shown = losses_of(model, batch, recipe, step)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    return shown


def test_loss_falls_on_genes_seen_again_and_again(simulated):
    _, folder = simulated
    torch.manual_seed(0)
    model = Seq2Exp(SMALL.model_copy(update={"open_start": 3.0}))
    genes = _genes(folder).iloc[:8]
    model.start_at(float(genes["target"].mean()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batch = _windows(folder).batch(genes)
    losses = [_step(model, optimizer, batch, QUICK, step)["prediction_loss"] for step in range(40)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_the_best_model_is_kept(simulated):
    _, folder = simulated
    windows, genes = _windows(folder), _genes(folder)
    rows = []
    recipe = QUICK.model_copy(update={"steps": 4, "validate_every": 1})
    made = train_seq2exp(Start(SMALL, recipe, 7), Genes(windows, genes, genes), report=rows.append)
    assert made.curve == rows
    assert rows[made.best_step - 1]["validation_mse"] == min(row["validation_mse"] for row in rows)
    found = measures(genes["target"], predict(made.model, windows, genes))
    assert found["mse"] == pytest.approx(min(row["validation_mse"] for row in rows), rel=1e-5)


def test_the_seed_decides_every_weight(simulated):
    _, folder = simulated
    windows, genes = _windows(folder), _genes(folder)
    recipe = QUICK.model_copy(update={"steps": 2})
    first, second, third = (
        train_seq2exp(Start(SMALL, recipe, seed), Genes(windows, genes, genes)).model for seed in (7, 7, 8)
    )
    pairs = list(zip(first.parameters(), second.parameters(), third.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_kl_closes_a_mask_that_starts_open(simulated):
    _, folder = simulated
    torch.manual_seed(0)
    model = Seq2Exp(SMALL.model_copy(update={"open_start": 3.0}))
    recipe = QUICK.model_copy(update={"kl_weight": 1.0})
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    windows, genes = _windows(folder), _genes(folder)
    ratios = [_step(model, optimizer, windows.batch(genes), recipe, step)["mask_ratio"] for step in range(15)]
    assert ratios[0] > 0.8
    assert ratios[-1] < 0.5


# The guard of the prediction


def _shares(guard, losses, weighed=True):
    found = []
    for loss in losses:
        guard.see(loss, 1)
        guard.end_step(weighed)
        found.append(guard.share)
    return np.array(found)


def test_weight_of_the_kl_falls_while_the_loss_is_too_large_and_rises_to_its_full_value_else():
    guard = KlGuard(0.5)
    assert (_shares(guard, [1.0] * 20, weighed=False) == FIRST).all()
    rising = _shares(guard, [1.0] * 100)
    assert (np.diff(rising[:50]) > 0).all()
    assert rising[-1] == 1
    assert (_shares(guard, [1.4] * 50) == 1).all()  # within the tolerance
    falling = _shares(guard, [3.0] * 300)
    assert (np.diff(falling[5:80]) < 0).all()
    assert falling[-1] == LEAST
    assert _shares(guard, [1.0] * 400)[-1] == 1


def test_the_guard_measures_against_the_least_loss_so_far():
    guard = KlGuard(0.5)
    _shares(guard, [4.0] * 100)
    _shares(guard, [1.0] * 100)
    assert guard.least == pytest.approx(1.0, rel=1e-3)
    assert (np.diff(_shares(guard, [2.0] * 40)[10:]) < 0).all()  # half of what it began with, twice the least


def test_a_restored_guard_goes_on_as_if_nothing_had_been():
    losses = np.random.default_rng(0).lognormal(0, 1, 60)
    wanted = _shares(KlGuard(0.2), losses)
    guard = KlGuard(0.2)
    for number, loss in enumerate(losses):
        guard.see(loss, 1)
        guard = KlGuard(**json.loads(json.dumps(asdict(guard))))  # a state is written before a step is ended
        guard.end_step(weighed=True)
        assert guard.share == wanted[number]
    assert len(set(wanted)) > 10


def test_the_genes_of_a_step_count_alike_however_they_are_parted():
    whole, parted = KlGuard(0.2), KlGuard(0.2)
    whole.see(2.0, 8)
    for loss, genes in ((5.0, 1), (3.0, 2), (1.0, 5)):
        parted.see(loss, genes)
    for guard in (whole, parted):
        guard.end_step(weighed=True)
        guard.end_step(weighed=True)  # no step: nothing was seen
    assert parted == whole
    assert whole.running == 2.0
    assert whole.share == pytest.approx(1.05 * FIRST)


class SignalTells:
    """Genes whose target is a quarter of the number of their positions with a signal: learnt in forty steps."""

    def batch(self, genes, rng=None):
        signals = torch.from_numpy(np.stack(genes["marks"])).repeat_interleave(32, dim=1).unsqueeze(-1)
        bases = torch.zeros(len(genes), 256, 4)
        bases[..., 0] = 1
        return Batch(bases, 3 * signals, torch.tensor(genes["target"].to_numpy(), dtype=torch.float32), None)


def _marked_genes():
    marks = np.random.default_rng(0).integers(0, 2, (96, 8)).astype(np.float32)
    return pd.DataFrame({"marks": list(marks), "target": marks.sum(1) / 4})


def test_under_the_guard_not_even_an_absurd_weight_of_the_kl_costs_the_prediction():
    config = Seq2ExpConfig(
        signals=("dnase",), log10_signals=(), window=256, d_model=8, n_layer=1, ssm_cfg={"d_state": 2}, resolution=32,
        stem_width=3, open_start=3, mask={"kind": "hard", "centre": 32, "signal_scale": 1.0, "prior": (1, 9)},
    )  # fmt: skip
    genes = _marked_genes()
    absurd = Recipe(
        steps=160, batch=32, warm_up=3, learning_rate=1e-2, last_rate=1e-2, kl_weight=0.2, kl_ramp=(0.375, 0.375),
        validate_every=160,
    )  # fmt: skip
    found = {}
    for guard in (None, 1.0):
        recipe = absurd.model_copy(update={"kl_guard": guard})
        made = train_seq2exp(Start(config, recipe), Genes(SignalTells(), genes[:64], genes[64:]))
        found[guard] = made.curve[-1]
    variance = genes["target"][64:].var(ddof=0)
    assert found[None]["validation_mse"] > 0.5 * variance
    assert found[None]["validation_mask_ratio"] == 1 / 8  # the promoter alone
    assert found[None]["kl_weight"] == pytest.approx(0.2, rel=1e-3)
    assert found[1.0]["validation_mse"] < 0.05 * variance
    assert found[1.0]["validation_mask_ratio"] > 0.4  # half of the positions have a signal
    assert found[1.0]["kl_weight"] < 0.02


def test_only_a_learnt_mask_is_guarded(simulated):
    genes = pd.DataFrame({"target": [1.0]})
    guarded = QUICK.model_copy(update={"kl_guard": 1.0})
    for source, wanted in (("learnt", True), ("open", False), ("given", False), ("frozen", False)):
        model = Seq2Exp(SMALL.model_copy(update={"source": source}))
        task = ExpressionTask(model, guarded, Genes(None, genes, genes), np.random.default_rng(0))
        assert ("guard" in task.position()) == wanted
    assert Recipe().kl_guard is None


def test_saliency_is_nothing_where_the_mask_is_closed(simulated):
    _, folder = simulated
    torch.manual_seed(0)
    config = SMALL.model_copy(update={"source": "given"})
    model = Seq2Exp(config).eval()
    windows = _windows(folder, config, peaks=folder / "peaks.bed")
    genes = _genes(folder).iloc[:4]
    with torch.no_grad():
        batch = windows.batch(genes)
        mask = model(batch.bases, batch.signals, batch.given).mask.repeat_interleave(32, dim=1).numpy()
    found = np.stack(saliency(model, windows, genes))
    assert found[mask == 0].max() == 0
    assert found[mask == 1].mean() > 0


# What it is compared with


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_predicts_learns_and_is_read_back(name, tmp_path):
    torch.manual_seed(0)
    config = variant(SMALL, name)
    model = Seq2Exp(config)
    bases, signals = _random_batch(SMALL)
    signals = signals[..., : len(config.signals)]
    given = torch.zeros(2, SMALL.window)
    given[:, 100:300] = 1
    made = model(bases, signals, given)
    (made.prediction - 1).square().mean().backward()
    assert made.prediction.shape == (2,)
    assert all(parameter.grad is not None for parameter in model.predictor.parameters())
    save_checkpoint(model, config, tmp_path / "model", {})
    again = load_seq2exp(tmp_path / "model")
    with torch.no_grad():
        assert torch.equal(again(bases, signals, given).prediction, model.eval()(bases, signals, given).prediction)


def test_attention_sees_only_what_the_mask_leaves_open():
    torch.manual_seed(0)
    model = Seq2Exp(variant(SMALL, "epinformer-like")).eval()
    bases, signals = _random_batch(SMALL)
    mask = torch.zeros(2, SMALL.window // SMALL.resolution)
    mask[:, 4:6] = 1
    mask[:, 16] = 1  # the promoter
    with torch.no_grad():
        first = model.predict(model.inputs(bases, signals), mask)
        moved = model.predict(model.inputs(bases, signals), mask.roll(8, dims=1))
        closed = bases.clone()
        closed[:, 640:] = bases[:, 640:].roll(1, dims=-1)
        same = model.predict(model.inputs(closed, signals), mask)
    assert torch.equal(first, same)
    assert not torch.equal(first, moved)


def test_a_frozen_mask_is_the_trained_ones_top_and_does_not_learn(simulated):
    _, folder = simulated
    torch.manual_seed(0)
    trained = Seq2Exp(SMALL)
    config, recipe = retrained(SMALL, QUICK.model_copy(update={"steps": 2}), 0.25)
    windows, genes = _windows(folder, config), _genes(folder)
    before = {name: value.clone() for name, value in trained.generator.state_dict().items()}
    made = train_seq2exp(Start(config, recipe, generator_of=trained), Genes(windows, genes, genes))
    assert all(torch.equal(before[name], value) for name, value in made.model.generator.state_dict().items())
    batch = windows.batch(genes)
    with torch.no_grad():
        soft = trained.eval()(batch.bases, batch.signals).soft
        mask = made.model(batch.bases, batch.signals).mask
    wanted = trained.keep_promoter(masks.top_mask(soft, 0.25))
    assert torch.equal(mask, wanted)


def test_of_several_starts_the_one_with_the_least_validation_error_is_kept(simulated, tmp_path):
    _, folder = simulated
    windows, genes = _windows(folder), _genes(folder)
    recipe = QUICK.model_copy(update={"steps": 2})
    singles = [
        train_seq2exp(Start(SMALL, recipe, seed), Genes(windows, genes, genes))
        for seed in (7, 7 + RESTART, 7 + 2 * RESTART)
    ]
    best = min(singles, key=lambda one: one.validation_mse)
    state = StateFile(tmp_path / "a.state", {}, 0)
    several = recipe.model_copy(update={"restarts": 3})
    for _ in range(2):  # the second time from the states
        kept = train_seq2exp(Start(SMALL, several, 7), Genes(windows, genes, genes), state=state)
        assert kept.validation_mse == best.validation_mse
        assert all(torch.equal(a, b) for a, b in zip(kept.model.parameters(), best.model.parameters(), strict=True))
    assert len(list(tmp_path.iterdir())) == 3
    state.remove()
    assert not list(tmp_path.iterdir())


def test_the_generator_starts_again_from_the_predictor_at_its_step():
    torch.manual_seed(0)
    recipe = QUICK.model_copy(update={"steps": 10, "copy_predictor": 0.5, "draw_until": 0.8})
    model = Seq2Exp(SMALL)
    genes = pd.DataFrame({"target": [1.0]})
    task = ExpressionTask(model, recipe, Genes(None, genes, genes), np.random.default_rng(0))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    task.optimizer.step()
    task.begin(4)
    assert not torch.equal(model.generator.stem.weight, model.predictor.stem.weight)
    assert model.generator.stem.weight in task.optimizer.state
    task.begin(5)
    assert torch.equal(model.generator.stem.weight, model.predictor.stem.weight)
    # What the optimizer knew was of other weights.
    kept = {name for name, parameter in model.named_parameters() if parameter in task.optimizer.state}
    assert kept == {name for name, _ in model.named_parameters() if name.startswith(("predictor.", "head."))}
    assert model.draws
    task.begin(8)
    assert not model.draws


def test_models_are_compared_run_by_run():
    rows = [
        {"model": model, "fold": fold, "seed": 0, "evaluation": "mask", "mse": mse, "mae": mse, "pearson": 0.5}
        for model, values in {"a": [0.1, 0.2, 0.3], "b": [0.2, 0.25, 0.5]}.items()
        for fold, mse in enumerate(values)
    ]
    found = next(row for row in compare(pd.DataFrame(rows)) if row["measure"] == "mse")
    assert (found["model"], found["other"], found["runs"]) == ("a mask", "b mask", 3)
    assert found["difference"] == pytest.approx(-0.35 / 3)
    assert found["p"] == pytest.approx(scipy.stats.ttest_rel([0.1, 0.2, 0.3], [0.2, 0.25, 0.5]).pvalue)


# Scripts

RECIPE = {
    "model": SMALL.model_dump(mode="json"),
    "training": {"steps": 4, "batch": 6, "warm_up": 1, "validate_every": 2, "shift": 16},
}


@pytest.fixture(scope="module")
def trained(simulated):
    _, folder = simulated
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    ran = run_script("train_seq2exp", *_inputs(folder), *_options(folder), "--fold", 0, "--fold", 1, "--no-progress")
    assert ran.code == 0, ran.err
    return folder


def _inputs(folder):
    signals = [word for name in SMALL.signals for word in ("--signal", f"{name}={folder / name}.bw")]
    return ["--fasta", folder / "genome.fa.gz", "--expression", folder / "expression.tsv", *signals]


def _options(folder):
    return ["--config", folder / "recipe.json", "--folds", 4, "--seeds", 2, "--top", 0.1, "--outdir", folder / "models"]


def test_training_writes_a_checkpoint_and_measures_for_each_fold_and_seed(trained):
    metrics = pd.read_table(trained / "models" / "metrics.tsv")
    assert len(metrics) == 2 * 2 * 2
    top = metrics[metrics["evaluation"] == "top"]
    # A tenth of 32 positions, and the two of the centre.
    assert top["mask_ratio"].between(3 / 32, 5 / 32 + 1e-9).all()
    summary = json.loads((trained / "models" / "metrics.json").read_text())["summary"][0]
    masked = metrics[metrics["evaluation"] == "mask"]
    assert summary["mse"]["mean"] == pytest.approx(masked["mse"].mean())
    assert summary["mse"]["sd"] == pytest.approx(masked.groupby("seed")["mse"].mean().std())
    card = json.loads((trained / "models" / "fold1_seed1" / "model_card.json").read_text())
    assert not set(card["contigs"]["test"]) & set(card["contigs"]["training"])


def test_variants_are_trained_beside_each_other_and_gathered(trained, tmp_path):
    common = [*_inputs(trained), "--config", trained / "recipe.json", "--folds", 4, "--fold", 0, "--peaks"]
    common += [trained / "peaks.bed", "--no-progress"]
    one = run_script(
        "train_seq2exp", *common, "--variant", "seq2exp-hard", "--retrain", 0.2, "--outdir", tmp_path / "a"
    )
    two = run_script("train_seq2exp", *common, "--variant", "peaks,caduceus", "--outdir", tmp_path / "b")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert (tmp_path / "b" / "caduceus" / "fold0_seed0" / "model.safetensors").is_file()
    parts = [tmp_path / "b" / "metrics.tsv", tmp_path / "a" / "metrics.tsv"]
    ran = run_script("gather", "seq2exp", *parts, "--first", "seq2exp-hard", "--outdir", tmp_path / "all")
    assert ran.code == 0, ran.err
    table = pd.read_table(tmp_path / "all" / "metrics.tsv")
    found = list(zip(table["model"], table["evaluation"], strict=True))
    assert found == [
        ("seq2exp-hard", "mask"), ("seq2exp-hard", "retrained"), ("caduceus", "mask"), ("peaks", "mask"),
    ]  # fmt: skip
    retrained_ratio = table["mask_ratio"][1]
    assert 6 / 32 <= retrained_ratio <= 8 / 32  # a fifth of 32 positions, and the two of the centre
    summary = json.loads((tmp_path / "all" / "metrics.json").read_text())
    assert {row["other"] for row in summary["comparisons"]} == {"seq2exp-hard retrained", "caduceus mask", "peaks mask"}
    twice = run_script("gather", "seq2exp", parts[0], parts[0], "--outdir", tmp_path / "all")
    assert (twice.code, "given twice" in twice.err) == (2, True)


def test_masks_elements_and_predictions_agree_with_the_model(trained, tmp_path):
    checkpoint = trained / "models" / "fold0_seed0"
    ran = run_script(
        "apply_seq2exp", *_inputs(trained), "--checkpoint", checkpoint, "--outdir", tmp_path, "--no-progress"
    )
    assert ran.code == 0, ran.err
    genes = _genes(trained)
    tested = set(json.loads((checkpoint / "model_card.json").read_text())["contigs"]["test"])
    table = pd.read_table(tmp_path / "predictions.tsv")
    assert set(table.loc[table["models"] == 1, "chrom"]) == tested
    spoken = genes[genes["chrom"].isin(tested)]
    wanted = predict(load_seq2exp(checkpoint), _windows(trained), spoken, masks=True)
    np.testing.assert_allclose(table["prediction"].dropna(), wanted["prediction"], rtol=1e-5)
    with pyBigWig.open(str(tmp_path / "mask.bw")) as bigwig:
        for gene, soft in zip(spoken.itertuples(), wanted["soft"], strict=True):
            found = bigwig.values(gene.chrom, gene.tss - 512, gene.tss + 512, numpy=True)
            np.testing.assert_allclose(found, np.repeat(soft if gene.strand == "+" else soft[::-1], 32), rtol=1e-6)
            for row in pysam.TabixFile(str(tmp_path / "elements.bed.gz")).fetch(gene.chrom, gene.tss - 512, gene.tss):
                _, start, end, _, score, _, mean, _ = row.split("\t")
                inside = np.array(bigwig.values(gene.chrom, int(start), int(end)))
                assert inside.min() >= 0.5
                assert inside.mean() == pytest.approx(float(mean), abs=1e-4)
                assert int(score) == pytest.approx(1000 * inside.mean(), abs=0.51)


def test_agreement_with_known_elements_and_ris_is_reported(trained, tmp_path):
    made = simulate_expression(seed=3, genes=24, window=1024, genes_per_contig=6)
    rng = np.random.default_rng(0)
    table = made.elements.assign(
        element=[f"e{row}" for row in range(len(made.elements))], locus=made.elements["gene"], strand=".", **{
            "class": "cCRE", "subclass": "", "distance": 0, "length": made.elements["end"] - made.elements["start"],
            "gc": 0.5, "cpg_oe": 0.5, "complexity": 1.0, "repeat_fraction": 0.0, "n_fraction": 0.0,
        },
    )  # fmt: skip
    table.drop(columns=["gene", "kind", "contact", "intact", "effect"]).to_parquet(tmp_path / "elements.parquet")
    scores = {"element": table["element"], "model": "m", "ris": rng.random(len(table)), "trivial_sd": table["effect"]}
    pd.DataFrame(scores).to_parquet(tmp_path / "residuals.parquet")
    options = ["--checkpoint", trained / "models" / "fold0_seed0", "--genes", "all", "--outdir", tmp_path / "out"]
    options += ["--ccres", trained / "peaks.bed", "--elements", tmp_path / "elements.parquet", "--no-progress"]
    residuals = ["--residuals", tmp_path / "residuals.parquet"]
    ran = run_script("apply_seq2exp", *_inputs(trained), *options, *residuals, "--permutations", 199)
    assert ran.code == 0, ran.err
    found = json.loads((tmp_path / "out" / "overlap.json").read_text())["results"]
    assert [row["what"] for row in found] == [
        "cCREs", "raw RIS of m", "RIS of m given the trivial features", "RIS of m given the trivial features, less raw",
    ]  # fmt: skip
    # An untrained mask is open where the signals are, which is in the peaks.
    assert (found[0]["value"] > 0.2, found[0]["p"]) == (True, 1 / 200)
    ran = run_script("apply_seq2exp", *_inputs(trained), *options)
    assert (ran.code, "go together" in ran.err) == (2, True)


def test_elements_are_the_runs_above_the_threshold():
    mask = np.array([0.2, 0.6, 0.8, 0.2, 0.9, 0.9, 0.9, 0.1], np.float32)
    found = elements_of(pd.DataFrame({"gene": ["g"], "chrom": ["c"], "start": [10], "mask": [mask]}), {"c": 16}, 0.5, 2)
    assert found[["start", "end", "score"]].to_numpy().tolist() == [[11, 13, 700], [14, 16, 900]]


def test_overlapping_masks_are_averaged_in_the_bigwig(tmp_path):
    masks = [np.full(6, value, np.float32) for value in (0.2, 0.6)]
    frame = pd.DataFrame({"gene": ["a", "b"], "chrom": "c", "start": [-2, 2], "mask": masks})
    write_mask(frame, {"c": 12, "d": 5}, tmp_path / "mask.bw")
    with pyBigWig.open(str(tmp_path / "mask.bw")) as bigwig:
        found = bigwig.values("c", 0, 12, numpy=True)
        assert bigwig.chroms() == {"c": 12, "d": 5}
    np.testing.assert_allclose(found, [0.2] * 2 + [0.4] * 2 + [0.6] * 4 + [np.nan] * 4, rtol=1e-6)


def test_bad_options_exit_with_2_and_a_remedy(trained, tmp_path):
    ran = run_script("train_seq2exp", *_inputs(trained), *_options(trained), "--fold", 9)
    assert (ran.code, "not one of 4" in ran.err) == (2, True)
    ran = run_script("apply_seq2exp", *_inputs(trained), "--checkpoint", trained, "--outdir", tmp_path)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_the_simulation_can_be_made_by_its_script(simulated, tmp_path):
    made, _ = simulated
    ran = run_script(
        "simulate", "expression", outdir=tmp_path / "s", genes=24, window=1024, genes_per_contig=6, seed=made.seed
    )
    assert ran.code == 0, ran.err
    pd.testing.assert_frame_equal(
        pd.read_table(tmp_path / "s" / "expression.tsv")[["tss", "expression"]],
        made.genes[["tss", "cage"]].rename(columns={"cage": "expression"}),
    )
    assert json.loads((tmp_path / "s" / "truth.json").read_text())["causal_fraction"] == made.causal_fraction
