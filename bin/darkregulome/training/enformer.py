"""Train a small Enformer (enformer-pytorch) on a FASTA, tracks and a set of TSSs, in two parts.

1. The whole network on short windows, drawn anywhere near the TSSs: the convolution tower learns what a bin's own
   sequence says.
2. The tower is frozen and its output cached; the transformer and the head learn, on whole windows, what the bins
   say to each other. A step costs a hundredth of a full one, which is what makes a CPU enough.

Windows are read on either strand; the loss is the Poisson negative log-likelihood of the summed track in each bin
(Avsec et al. 2021).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.bigwig import BigWig
from darkregulome.training.loop import Losses, Plan, Report, Task, train
from darkregulome.training.schedule import Budget, cosine_rate
from darkregulome.training.settings import EnformerTraining
from darkregulome.training.state import StateFile, fingerprint, start_of
from darkregulome.training.windows import N_CODE, Codes, Place, one_hot, reverse_complement_codes

Site = tuple[str, int]
"""Contig and position of a TSS."""

Part = tuple[dict[str, Any], list[dict[str, Any]]]
"""What the card says of one part of the training, and its curve."""

PARTS = ("tower", "transformer")


class Windows(Protocol):
    """What is trained on: cuts of sequence with the tracks in their bins.

    Attributes
    ----------
    sites : places about which whole windows lie.
    centred : a TSS lies at each of them, so that the bins at the centre matter most.
    """

    sites: list[Site]
    centred: bool

    def cut(self, contig: str, start: int, length: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        """Base codes, (length,), and tracks, (bins, tracks)."""
        ...

    def around(self, site: Site, length: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        """The cut of `length` bases in whose middle the site lies."""
        ...

    def near(self, length: int, rng: np.random.Generator) -> Place:
        """Where a random short cut begins."""
        ...

    def places(self, length: int, count: int) -> list[Place]:
        """Where the cuts begin on which a model is measured, of up to `count` sites."""
        ...


@dataclass(frozen=True)
class WindowSets:
    """Windows to train on, held-out ones to report on, and perhaps some by which the best weights are found."""

    training: Windows
    held_out: Windows
    validation: Windows | None = None


def read_tracks(paths: Sequence[Path], contigs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Per-base track values by contig, float32, shape (tracks, length); absent values are 0."""
    values = {name: np.zeros((len(paths), len(codes)), dtype=np.float32) for name, codes in contigs.items()}
    for row, path in enumerate(paths):
        with BigWig(path) as bigwig:
            bigwig.require_contigs(contigs, "the FASTA")
            for name, codes in contigs.items():
                values[name][row] = np.nan_to_num(bigwig.values(name, 0, len(codes)))
    return values


def read_sites(path: Path) -> list[Site]:
    """TSSs of a BED file: its first column and the middle of its interval."""
    return [(row.chrom, (row.start + row.end - 1) // 2) for row in bed_intervals(path)]


class TrackWindows:
    """Cuts of the genome around TSSs, with their binned tracks."""

    centred = True

    def __init__(
        self, codes: Codes, tracks: Mapping[str, np.ndarray], sites: Sequence[Site], settings: EnformerTraining
    ):
        # A window may reach past its contig: what lies there is N without signal, as in scoring.
        spare = settings.window // 2 + settings.shift
        self._codes = {name: np.pad(array, spare, constant_values=N_CODE) for name, array in codes.items()}
        self._tracks = {name: np.pad(tracks[name], ((0, 0), (spare, spare))) for name in codes}
        self._spare, self._bin, self._window = spare, settings.bin, settings.window
        self.sites = [(contig, tss) for contig, tss in sites if contig in codes and 0 <= tss < len(codes[contig])]

    def cut(self, contig: str, start: int, length: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        """Base codes, shape (length,), and summed tracks, shape (bins, tracks)."""
        where = slice(start + self._spare, start + self._spare + length)
        codes, tracks = self._codes[contig][where], self._tracks[contig][:, where]
        bins = tracks.reshape(len(tracks), -1, self._bin).sum(axis=2).T
        return (reverse_complement_codes(codes), bins[::-1]) if flip else (codes, bins)

    def around(self, site: Site, length: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        """The cut of `length` bases in whose middle the TSS lies."""
        return self.cut(site[0], site[1] - length // 2, length, flip)

    def near(self, length: int, rng: np.random.Generator) -> Place:
        """A random short cut at a TSS or, mostly, elsewhere in its window."""
        contig, tss = self.sites[rng.integers(len(self.sites))]
        reach = (self._window - length) // 2
        return contig, tss - length // 2 + int(rng.integers(-reach, reach + 1)) * int(rng.random() < TOWER_AWAY)

    def places(self, length: int, count: int) -> list[Place]:
        """The cuts in whose middle a TSS lies."""
        return [(contig, tss - length // 2) for contig, tss in self.sites[:count]]


def poisson_loss(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean Poisson negative log-likelihood, less its minimum, of shape (batch, bins, tracks) arrays."""
    excess = predicted - target * torch.log(predicted + 1e-6) - target + torch.xlogy(target, target)
    return (excess * weights).sum() / weights.expand_as(excess).sum()


def train_enformer(
    model: torch.nn.Module,
    windows: WindowSets,
    budget: Callable[[float], Budget],
    settings: EnformerTraining,
    report: Report = lambda _row: None,
    state: StateFile | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train `model` (its head named ``human``) in place; return its card, with held-out correlations, and its curve.

    ``budget(share)`` gives the budget of a part of the training, by its share of the whole. With a `state` each part
    has a file of its own next to it. With validation windows each part keeps the weights of the least loss on them;
    the held-out ones then decide nothing.
    """
    for name, some in (("training", windows.training), ("held-out", windows.held_out)):
        if not some.sites:
            raise InputError.at("--tss", f"has no TSS on the {name} contigs", "give TSSs on both kinds of contigs")
    _check_shapes(model, windows.training, settings)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    if not windows.training.centred:
        start_at_means(model, windows.training, settings.window)
    share = settings.tower_share
    first, curve = train_tower(model, windows, budget(share), settings, rng, report, state)
    second, rest = train_transformer(model, windows, budget(1 - share), settings, rng, report, state)
    measured = evaluate(model, windows.held_out, settings, len(windows.held_out.sites))
    return {"tower": first, "transformer": second, **measured}, curve + rest


def _check_shapes(model: Any, training: Windows, settings: EnformerTraining) -> None:
    """The config's head and crop must be those of the data."""
    name, start = training.places(settings.window, 1)[0]
    bins, tracks = training.cut(name, start, settings.window, False)[1].shape
    heads, length = model._heads["human"][0].out_features, model.crop_final.target_length
    problems = [
        Problem("--config", f"output_heads.human is {heads}, and there are {tracks} tracks", f"make it {tracks}"),
        Problem("--config", f"target_length is {length}, and a window has {bins} bins", f"make it {bins}"),
    ]
    raise_all([problem for problem, wrong in zip(problems, (heads != tracks, length != bins), strict=True) if wrong])


def start_at_means(model: Any, training: Windows, length: int) -> None:
    """Let the head begin at each track's mean: most bins hold nearly nothing, and softplus(0) is 0.69."""
    targets = [
        training.cut(name, start, length, False)[1] for name, start in training.places(length, len(training.sites))
    ]
    mean = torch.from_numpy(np.concatenate(targets).mean(axis=0)).clamp(min=1e-4)
    with torch.no_grad():
        model._heads["human"][0].bias.copy_(mean + torch.log(-torch.expm1(-mean)))


def train_tower(
    model: Any,
    windows: WindowSets,
    budget: Budget,
    settings: EnformerTraining,
    rng: np.random.Generator,
    report: Report = lambda _row: None,
    state: StateFile | None = None,
) -> Part:
    """Part 1: the whole network, on short windows."""
    whole_length = model.crop_final.target_length
    model.crop_final.target_length = settings.tower_window // settings.bin
    result = _descend(TowerTask(model, windows, settings, rng), budget, PARTS[0], report, state)
    model.crop_final.target_length = whole_length
    return result


def train_transformer(
    model: Any,
    windows: WindowSets,
    budget: Budget,
    settings: EnformerTraining,
    rng: np.random.Generator,
    report: Report = lambda _row: None,
    state: StateFile | None = None,
) -> Part:
    """Part 2: transformer and head on whole windows, over the frozen tower's cached output."""
    return _descend(TransformerTask(model, windows, settings, rng), budget, PARTS[1], report, state)


TOWER_AWAY = 0.8
"""Share of the short windows that lie away from the TSS; the others are centred on it."""


class _EnformerTask(Task):
    """An Enformer and its windows, of which either part of the training learns something."""

    model: Any

    def __init__(self, model: Any, windows: WindowSets, settings: EnformerTraining, rng: np.random.Generator):
        self.model, self.windows, self.settings, self._rng = model, windows, settings, rng
        self.generators = {"windows": rng}
        self.optimizer = torch.optim.AdamW(self.learned, lr=settings.learning_rate, weight_decay=settings.weight_decay)

    def split(self, batch: tuple[torch.Tensor, ...], parts: int) -> list[tuple[Any, float]]:
        """Some windows each."""
        return split_rows(batch, parts)

    def validate(self, length: int | None = None) -> dict[str, Any]:
        """Loss and correlations on cuts of the validation's windows, if there are any."""
        if self.windows.validation is None:
            return {}
        measured = evaluate(self.model, self.windows.validation, self.settings, 32, length)
        return {name.replace("heldout", "validation"): value for name, value in measured.items()}


class TowerTask(_EnformerTask):
    """The whole network, and short windows at or near TSSs with their tracks."""

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """One-hot bases (windows, bases, 4) and summed tracks (windows, bins, tracks)."""
        settings, rng, training = self.settings, self._rng, self.windows.training
        codes, targets = [], []
        for _ in range(settings.tower_batch):
            contig, start = training.near(settings.tower_window, rng)
            cut = training.cut(contig, start, settings.tower_window, bool(rng.random() < 0.5))
            codes.append(cut[0])
            targets.append(cut[1])
        return one_hot(np.stack(codes)), torch.from_numpy(np.stack(targets))

    def losses(self, batch: tuple[torch.Tensor, ...], step: int, device: torch.device) -> Losses:
        """Poisson loss over all bins."""
        bases, target = (tensor.to(device) for tensor in batch)
        loss = poisson_loss(self.model(bases, head="human"), target, torch.ones(1, device=device))
        return loss, {"loss": float(loss.detach())}

    def evaluate(self) -> dict[str, Any]:
        """Loss and correlations on short windows of the validation's."""
        return self.validate(self.settings.tower_window)


class TransformerTask(_EnformerTask):
    """Transformer and head, and cuts of the tower's output, which has been computed once and for all."""

    def __init__(self, model: Any, windows: WindowSets, settings: EnformerTraining, rng: np.random.Generator):
        super().__init__(model, windows, settings, rng)
        self._cache: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def learned(self) -> list[torch.nn.Parameter]:
        """All but the tower."""
        model = self.model
        return [*model.transformer.parameters(), *model.final_pointwise.parameters(), *model._heads.parameters()]

    def train_mode(self) -> None:
        """Training mode for what learns; the frozen tower keeps its normalisation."""
        self.model.train()
        self.model.stem.eval()
        self.model.conv_tower.eval()

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tower output (windows, bins, dim), tracks (windows, bins, tracks) and weights (windows, bins, 1)."""
        settings, rng, cache = self.settings, self._rng, self._tower_outputs()
        slack, bins = settings.shift // settings.bin, settings.window // settings.bin
        hidden, targets, weights = [], [], torch.ones(settings.batch, bins, 1)
        for row in range(settings.batch):
            tower, target = cache[rng.integers(len(cache))]
            begin = int(rng.integers(0, 2 * slack + 1))
            hidden.append(tower[begin : begin + bins])
            targets.append(target[begin : begin + bins])
            centre = slack + bins // 2 - begin
            if self.windows.training.centred:
                weights[row, max(centre - 1, 0) : centre + 1] = settings.centre_weight
        return torch.stack(hidden), torch.stack(targets), weights

    def losses(self, batch: tuple[torch.Tensor, ...], step: int, device: torch.device) -> Losses:
        """Poisson loss with the weights of the bins."""
        hidden, target, weights = (tensor.to(device) for tensor in batch)
        model = self.model
        predicted = model._heads["human"](model.final_pointwise(model.crop_final(model.transformer(hidden))))
        loss = poisson_loss(predicted, target, weights)
        return loss, {"loss": float(loss.detach())}

    def evaluate(self) -> dict[str, Any]:
        """Loss and correlations on the validation's windows, or on held-out ones where they decide nothing."""
        return self.validate() or evaluate(self.model, self.windows.held_out, self.settings, 32)

    def _tower_outputs(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of every TSS, on both strands; computed when first asked for, once the weights stand."""
        if not self._cache:
            self.model.eval()
            training = self.windows.training
            both = [(site, flip) for site in training.sites for flip in (False, True)]
            self._cache = [_tower_output(self.model, training, *one, self.settings) for one in both]
            self.train_mode()
        return self._cache


def split_rows(batch: tuple[torch.Tensor, ...], parts: int) -> list[tuple[Any, float]]:
    """Tensors of equally many rows, cut into parts of about equally many, each with its share of the rows."""
    if parts == 1:
        return [(batch, 1.0)]
    count = len(batch[0])
    cut = zip(*(tensor.tensor_split(parts) for tensor in batch), strict=True)
    return [(part, len(part[0]) / count) for part in cut if len(part[0])]


def _tower_output(model: Any, windows: Windows, site: Site, flip: bool, settings: EnformerTraining):
    """Tower output (bins, dim) and tracks (bins, tracks) of the window with `shift` to spare at both ends."""
    codes, target = windows.around(site, settings.window + 2 * settings.shift, flip)
    device = next(model.parameters()).device
    with torch.no_grad():
        tower = model.conv_tower(model.stem(one_hot(codes[None]).transpose(1, 2).to(device)))
    return tower[0].T.contiguous().cpu(), torch.from_numpy(np.ascontiguousarray(target))


def _descend(task: _EnformerTask, budget: Budget, part: str, report: Report, state: StateFile | None) -> Part:
    settings, watch = task.settings, task.windows.validation is not None
    plan = Plan(
        budget,
        rate=lambda _step, progress: cosine_rate(settings.learning_rate, progress),
        smoothing=0.95,
        evaluate_every=settings.evaluate_every,
        evaluate_last=watch,
        watch="validation_loss" if watch else None,
        patience=settings.patience if watch else None,
        parts=settings.parts,
        device=torch.device(settings.device),
        precision=settings.precision,
    )
    done = train(task, plan, lambda row: report({"part": part, **row}), None if state is None else state.of_part(part))
    card = done.card() | ({"best_step": done.best_step} if watch else {})
    return card, [{"part": part, **row} for row in done.curve]


def identity(
    model: torch.nn.Module,
    codes: Codes,
    tracks: Mapping[str, np.ndarray],
    sites: Sequence[Site],
    budget: Budget,
    settings: EnformerTraining,
) -> dict[str, Any]:
    """What a training is made of, for its `StateFile`; `model` is the one that it starts from."""
    return {
        "sequence": fingerprint(codes),
        "tracks": fingerprint(tracks),
        "sites": list(map(list, sites)),
        **start_of(model, budget, settings),
    }


def evaluate(
    model: Any, windows: Windows, settings: EnformerTraining, count: int, length: int | None = None
) -> dict[str, Any]:
    """Loss, and Pearson correlation of each track over all bins, as they are and of log1p.

    With a TSS in the middle of each window, also over genes at the TSS (log1p). `length` is that of the windows, where
    it is not `settings.window`.
    """
    length = length or settings.window
    predicted, target = predict_bins(model, windows, length, count)
    logs = np.log1p(np.stack([predicted, target]))
    loss = poisson_loss(torch.from_numpy(predicted), torch.from_numpy(target), torch.ones(1))
    measured: dict[str, Any] = {"heldout_loss": float(loss)}
    if windows.centred:
        middle = length // settings.bin // 2
        measured["heldout_pearson_tss"] = correlations(logs[:, :, middle - 1 : middle + 1].mean(axis=2))
    flat = (-1, target.shape[2])
    measured["heldout_pearson_bins"] = correlations(logs.reshape(2, *flat))
    measured["heldout_pearson_bins_natural"] = correlations(np.stack([predicted.reshape(flat), target.reshape(flat)]))
    return measured


BINS_AT_ONCE = 2_048
"""Bins that are predicted at once: few enough for any memory."""


def predict_bins(model: Any, windows: Windows, length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and measured tracks of up to `count` sites: float32, (cuts, bins, tracks)."""
    model.eval()
    device = next(model.parameters()).device
    cuts = [windows.cut(name, start, length, False) for name, start in windows.places(length, count)]
    at_once = max(1, BINS_AT_ONCE // len(cuts[0][1]))
    with torch.inference_mode():
        predicted = [
            model(one_hot(np.stack([codes for codes, _ in cuts[first : first + at_once]])).to(device), head="human")
            for first in range(0, len(cuts), at_once)
        ]
    return torch.cat(predicted).cpu().numpy(), np.stack([target for _, target in cuts]).astype(np.float32)


def correlations(pair: np.ndarray) -> list[float]:
    """Pearson correlation of predicted and measured, by track; `pair` has the shape (2, observations, tracks)."""
    varies = pair.std(axis=1).min(axis=0) > 0
    return [
        float(np.corrcoef(pair[0, :, track], pair[1, :, track])[0, 1]) if varies[track] else 0.0
        for track in range(pair.shape[2])
    ]
