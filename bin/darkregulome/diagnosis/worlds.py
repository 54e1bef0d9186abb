"""Worlds for calibration: scores whose truth is known, drawn on given elements, each with the verdicts that are right.

In every world a claim's tested variable, D (near the TSS, say), is planted or not. ``f`` is a trivial feature that goes
with D, ``x`` what a language model has learnt and goes with D, ``e`` noise that resembles its neighbours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr

from darkregulome.diagnosis.scores import HALVES, ModelScores, join_scores
from darkregulome.io.records import Verdict
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.noise import correlated_noise
from darkregulome.stats.setting import NotTestable

PLANTED_FEATURES = ("markov5", "two_sided")
"""Columns of the element table that a world's own trivial features take the place of."""
TIE = 0.6
"""SD by which a feature that goes with the tested variable differs between its values."""
RELIABILITIES = (0.8, 0.9, 0.95)
BUNCH, SQUEEZED = 6, 0.05
"""Elements of a bunch, and what is left of their distances."""


@dataclass(frozen=True)
class Drawn:
    """One table of a world.

    Attributes
    ----------
    score : shape (n,). features : shape (n, 2), the planted trivial ones. learnt : shape (n,), true predictability.
    halves : shape (n, 2), predictability as measured; None: without error.
    """

    score: Floats
    features: Floats
    learnt: Floats
    halves: Floats | None = None


@dataclass(frozen=True)
class Stage:
    """What a world draws from.

    Attributes
    ----------
    tested : shape (n,), the claim's variable, centred within loci. effect : planted, in SD of the score.
    near : shape (n,), 1 within 10 kb of the TSS. transposable : shape (n,), 1 in transposable elements.
    distance : shape (n,). positions : shape (n,), in bases.
    """

    tested: Floats
    effect: float
    near: Floats
    transposable: Floats
    distance: Floats
    positions: Floats
    loci: Loci
    autocorrelation: tuple[float, ...]
    rng: np.random.Generator

    def noise(self) -> Floats:
        """Of unit variance, alike in neighbours."""
        return correlated_noise(self.autocorrelation, self.loci, self.rng)

    def tied(self, strength: float = TIE) -> Floats:
        """A variable of about unit SD that goes with the tested one."""
        return self.loci.standardise(strength * self.tested + self.noise())[0]

    def with_effect(self, rest: Floats, effect: float | None = None, tested: Floats | None = None) -> Floats:
        """A score of `rest` and an effect (of the tested variable, or another), in SD of the whole score.

        Raises
        ------
        NotTestable
            No score has so large an effect in its own SD.
        """
        size = self.effect if effect is None else effect
        acts = self.tested if tested is None else self.loci.center(tested)
        # k D is planted, with k = size SD(rest + k D): a quadratic in k.
        values = self.loci.center(rest)
        freedom = self.loci.n - self.loci.count
        own, both, whole = (
            float(one @ other) / freedom for one, other in ((acts, acts), (values, acts), (values,) * 2)
        )
        if size**2 * own >= 1.0:
            raise NotTestable(f"an effect of {size:g} SD of the score cannot be planted: at most {own**-0.5:.2g}")
        a, b, c = 1.0 - size**2 * own, -2.0 * size**2 * both, -(size**2) * whole
        factor = (-b + np.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)
        return np.asarray(rest + factor * acts, dtype=np.float64)


@dataclass(frozen=True)
class World:
    """A truth.

    Attributes
    ----------
    name, says : of it. draw : draws a table. right : the verdicts that are true in it.
    regulation : whether the tested variable does act on the score, through whatever it acts.
    size : true effect given the trivial features, in units of the planted one; None where no number is.
    loci : most loci of the table; None: all. decidable : whether the truth can be told apart at all.
    claims : that the world can be asked about; empty: all. right_of : right verdicts of claims that have their own.
    bunched : whether elements lie in bunches. repeated : whether loci are given twice, and overlap.
    """

    name: str
    says: str
    draw: Callable[[Stage], Drawn]
    right: frozenset[Verdict]
    regulation: bool
    size: float | None = None
    loci: int | None = None
    decidable: bool = True
    claims: tuple[str, ...] = ()
    right_of: Mapping[str, frozenset[Verdict]] = field(default_factory=dict)
    bunched: bool = False
    repeated: bool = False

    def asks(self, claim: str) -> bool:
        """Whether the claim makes sense here."""
        return not self.claims or claim in self.claims

    def right_words(self, claim: str) -> frozenset[Verdict]:
        """The verdicts on a claim that are true."""
        return self.right_of.get(claim, self.right)


def _plain(stage: Stage, score: Floats, f: Floats | None = None, x: Floats | None = None) -> Drawn:
    """Features and predictability that are noise where a world does not say otherwise."""
    columns = np.column_stack([stage.noise() if f is None else f, stage.noise()])
    return Drawn(score, columns, stage.noise() if x is None else x)


def _nothing(stage: Stage) -> Drawn:
    return _plain(stage, stage.noise())


def _nuisance(stage: Stage) -> Drawn:
    f = stage.tied()
    return _plain(stage, f + stage.noise(), f)


def _learnt(stage: Stage) -> Drawn:
    x = stage.tied()
    return _plain(stage, x + stage.noise(), x=x)


def _independent(stage: Stage) -> Drawn:
    f = stage.tied()
    return _plain(stage, stage.with_effect(f + stage.noise()), f)


def _consequence(stage: Stage) -> Drawn:
    grammar = stage.tied(1.0)
    learnt = stage.loci.standardise(grammar + 0.5 * stage.noise())[0]
    return _plain(stage, 0.8 * grammar + stage.noise(), x=learnt)


def _mixed(stage: Stage) -> Drawn:
    f, x = stage.tied(), stage.tied()
    return _plain(stage, stage.with_effect(0.7 * f + 0.5 * x + stage.noise(), 1.6 * stage.effect), f, x)


def _masked(stage: Stage) -> Drawn:
    f = stage.tied(1.0)
    return _plain(stage, stage.with_effect(-1.5 * f + stage.noise(), 1.2 * stage.effect), f)


def _collider(stage: Stage) -> Drawn:
    regulation = stage.tied(1.5)
    f = stage.loci.standardise(0.5 * regulation + stage.noise())[0]
    return _plain(stage, 0.8 * regulation + stage.noise(), f)


def _noisier_near(stage: Stage) -> Drawn:
    return _plain(stage, stage.noise() * (1.0 + 2.0 * stage.near))


def _varying(stage: Stage) -> Drawn:
    by_locus = 0.5 * stage.rng.standard_normal(stage.loci.count)
    return _plain(stage, by_locus[stage.loci.codes] * stage.tested + stage.noise())


def _measured(reliability: float) -> Callable[[Stage], Drawn]:
    def draw(stage: Stage) -> Drawn:
        x = stage.tied()
        # Two halves, each with twice the error variance of their mean.
        error = np.sqrt(2.0 * (1.0 / reliability - 1.0))
        halves = x[:, None] + error * stage.rng.standard_normal((len(x), 2))
        return replace(_plain(stage, x + stage.noise(), x=halves.mean(axis=1)), halves=halves)

    return draw


def _curved(stage: Stage) -> Drawn:
    hidden = stage.tied() + 1.0
    f = np.where(stage.rng.random(len(hidden)) < 0.5, -1.0, 1.0) * np.abs(hidden)
    return _plain(stage, stage.loci.standardise(f**2)[0] + stage.noise(), f)


def _interacting(stage: Stage) -> Drawn:
    hidden = np.abs(stage.tied() + 1.0)
    signs = np.where(stage.rng.random(len(hidden)) < 0.5, -1.0, 1.0)
    columns = np.column_stack([signs * hidden, signs * np.abs(stage.noise() + 1.0)])
    product = columns[:, 0] * columns[:, 1]
    return Drawn(stage.loci.standardise(product)[0] + stage.noise(), columns, stage.noise())


def _hill(stage: Stage) -> Drawn:
    height = np.exp(-stage.distance / 50_000)
    return _plain(stage, stage.loci.standardise(height)[0] + stage.noise())


def _heavy(stage: Stage) -> Drawn:
    ranks = ndtr(stage.noise())
    return _plain(stage, np.sign(ranks - 0.5) * ((1.0 - np.abs(2 * ranks - 1)) ** -0.5 - 1.0))


def _transposable(stage: Stage) -> Drawn:
    """Copies by sequence tell transposable elements from others, but not all of them."""
    copies = stage.loci.standardise(2.0 * stage.transposable + stage.noise())[0]
    return _plain(stage, stage.with_effect(stage.noise(), 2.0 * stage.effect, stage.transposable), copies)


def _shared(stage: Stage) -> Drawn:
    return _plain(stage, stage.with_effect(stage.noise(), 4.0 * stage.effect))


def _along_bases(stage: Stage) -> Drawn:
    """Noise alike over 5 kb, whatever lies in between: an autoregression in bases."""
    value, values = 0.0, np.empty(stage.loci.n)
    draws = stage.rng.standard_normal(stage.loci.n)
    for part in stage.loci.slices():
        gaps = np.r_[np.inf, np.diff(stage.positions[part])]
        for row, gap in zip(range(part.start, part.stop), gaps, strict=True):
            keep = float(np.exp(-abs(gap) / 5_000))
            value = keep * value + np.sqrt(1.0 - keep**2) * draws[row]
            values[row] = value
    return _plain(stage, values)


_NONE: frozenset[Verdict] = frozenset({"absent", "undecided"})
_EXPLAINED: frozenset[Verdict] = frozenset({"collapses", "absent", "undecided"})
_LEARNT: frozenset[Verdict] = frozenset({"hinges", "undecided"})
_THERE: frozenset[Verdict] = frozenset({"survives", "undecided"})
_EITHER: frozenset[Verdict] = frozenset({"survives", "hinges", "undecided"})
_TURNED: frozenset[Verdict] = frozenset({"reverses", "survives", "undecided"})


def _every_world() -> list[World]:
    nothing = World("nothing", "nothing", _nothing, _NONE, False, 0.0)
    independent = World("independent", "regulation, apart from predictability", _independent, _THERE, True, 1.0)
    learnt = World("learnt_nuisance", "what a model memorised moves the score", _learnt, _LEARNT, False)
    along_bases = replace(
        nothing,
        name="along_bases",
        says="nothing, alike over 5 kb however many elements lie between",
        draw=_along_bases,
    )
    transposable = World(
        "te_effect",
        "an effect of transposable elements, twice the planted one, and nothing else",
        _transposable,
        _EXPLAINED,
        False,
        claims=("horizon", "te_discrimination"),
        right_of={"te_discrimination": _EITHER},
    )
    shared = World(
        "shared_errors",
        "two models share an error that no feature tells, four times the planted effect: they do share their lists",
        _shared,
        _THERE,
        True,
        claims=("list_overlap",),
    )
    return [
        nothing,
        World("nuisance", "a trivial feature moves the score", _nuisance, _EXPLAINED, False, 0.0),
        learnt,
        independent,
        World("consequence", "regulation is conserved, hence predictable", _consequence, _EITHER, True),
        World("mixed", "regulation, trivial and learnt nuisance", _mixed, _THERE, True),
        World("masked", "a trivial feature hides and turns over regulation", _masked, _TURNED, True, 1.2),
        World("collider", "regulation moves a trivial feature", _collider, _EITHER, True),
        transposable,
        shared,
        World("noisier_near", "noise three times as large near the TSS", _noisier_near, _NONE, False, 0.0),
        World("varying", "effects of mean zero that differ between loci", _varying, _NONE, False, 0.0),
        *_noisily_measured(learnt),
        World("curved", "a bent trivial feature", _curved, _EXPLAINED, False, decidable=False),
        World("interacting", "two trivial features interact", _interacting, _EXPLAINED, False, decidable=False),
        World("hill", "a smooth hill of 50 kb about the TSS", _hill, _THERE, True, claims=("horizon",)),
        World("heavy_tails", "nothing, with heavy tails", _heavy, _NONE, False, 0.0),
        along_bases,
        replace(along_bases, name="bunched", says=f"{along_bases.says}, elements in bunches", bunched=True),
        *_repeated_loci(nothing, independent),
        *_few_loci(nothing, independent),
    ]


def _noisily_measured(learnt: World) -> list[World]:
    return [
        replace(
            learnt,
            name=f"reliability_{reliability:g}",
            says=f"learnt nuisance; predictability is measured with a reliability of {reliability:g}",
            draw=_measured(reliability),
        )
        for reliability in RELIABILITIES
    ]


def _repeated_loci(*worlds: World) -> list[World]:
    return [
        replace(world, name=f"{world.name}_repeated", says=f"{world.says}; loci twice, and overlapping", repeated=True)
        for world in worlds
    ]


def _few_loci(*worlds: World) -> list[World]:
    return [
        replace(world, name=f"{world.name}_{loci}_loci", says=f"{world.says}, {loci} loci", loci=loci, decidable=False)
        for loci in (3, 5, 8)
        for world in worlds
    ]


def all_worlds() -> dict[str, World]:
    """Every world by its name."""
    return {world.name: world for world in _every_world()}


@dataclass(frozen=True)
class Design:
    """The elements that worlds are drawn on, and the autocorrelation of the noise along them."""

    scores: ModelScores
    autocorrelation: tuple[float, ...]
    locus_sd: float = 0.5
    label: str = ""


def elements_in(world: World, scores: ModelScores) -> ModelScores:
    """The elements that there are in a world: those of so many loci, or in bunches."""
    if world.loci is not None:
        scores = scores.take(np.flatnonzero(scores.loci.codes < world.loci))
    return replace(scores, table=_bunched(scores)) if world.bunched else scores


def draw_world(
    design: Design, world: World, tested: Callable[[ModelScores], Floats], effect: float, rng: np.random.Generator
) -> ModelScores:
    """One table of a world: the design's elements, scored.

    Parameters
    ----------
    tested : the claim's variable on the elements, shape (n,). effect : planted, in SD of the score within loci.
    """
    scores = elements_in(world, design.scores)
    table, loci = scores.table, scores.loci
    stage = Stage(
        tested=loci.center(tested(scores)),
        effect=effect,
        near=(scores.distance <= 10_000).astype(float),
        transposable=(scores.classes == "TE").astype(float),
        distance=scores.distance,
        positions=table["start"].to_numpy(dtype=float),
        loci=loci,
        autocorrelation=design.autocorrelation,
        rng=rng,
    )
    drawn = world.draw(stage)
    level = design.locus_sd * rng.standard_normal(loci.count)[loci.codes]
    columns = dict(zip(PLANTED_FEATURES, drawn.features.T, strict=True))
    halves = np.column_stack([drawn.learnt, drawn.learnt]) if drawn.halves is None else drawn.halves
    columns |= {"predictability": drawn.learnt, **dict(zip(HALVES, halves.T, strict=True))}
    drawn_scores = scores.with_table(table.assign(ris=drawn.score + level, **columns))
    return _read_again(_repeated(drawn_scores.table), scores) if world.repeated else drawn_scores


def _bunched(scores: ModelScores) -> pd.DataFrame:
    """The elements drawn together in bunches, about the middle of each; distances go with them."""
    table, loci = scores.table, scores.loci
    bunch = loci.codes * loci.n + (np.arange(loci.n) - loci.starts[loci.codes]) // BUNCH
    moved = {}
    for name in ("start", "distance"):
        own = table[name].astype(float)
        moved[name] = (own + (SQUEEZED - 1.0) * (own - own.groupby(bunch).transform("mean"))).round().astype("int64")
    return table.assign(**moved, end=moved["start"] + table["end"] - table["start"])


def _repeated(table: pd.DataFrame) -> pd.DataFrame:
    """Half of the loci given again under other names, and the second half of each again as a locus of its own."""
    place = table.groupby("cluster").cumcount() / table.groupby("cluster")["cluster"].transform("size")
    code = pd.factorize(table["cluster"])[0]
    parts = [("", slice(None)), (" again", code % 2 == 0), (" second half", place >= 0.5)]
    return pd.concat(
        [
            table[rows].assign(locus=table["locus"][rows] + name, element=table["element"][rows] + name)
            for name, rows in parts
        ],
        ignore_index=True,
    )


def _read_again(table: pd.DataFrame, scores: ModelScores) -> ModelScores:
    """Scores by the way that a user's tables go."""
    columns = ["ris", "predictability", *HALVES]
    elements = table.drop(columns=[*columns, "cluster"])
    ris = table[["element", *columns]].assign(model=scores.name, kind=scores.kind)
    return join_scores(elements, ris)[0]
