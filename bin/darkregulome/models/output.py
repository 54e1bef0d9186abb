"""Output models so small that nothing is worth keeping between the edits of a window: each is a full forward."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from darkregulome.errors import InputError
from darkregulome.models.architecture import Checkpoint, ModelSize
from darkregulome.models.letters import one_hot
from darkregulome.models.numerics import numerics


class DirectOutputModel:
    """A network from one-hot bases to logarithms of activity, behind `protocol.OutputModel`.

    Parameters
    ----------
    network : from (batch, 4, context) to (batch, outputs).
    tss_offset : position of the TSS's base in the window; by default its centre.
    stranded : True where the window is read on the gene's strand.
    outputs : names of all that the network predicts; the tracks are those that the registry or the user chose.
    log_base : of the predictions. The tracks are logarithms to base 10, whatever it is.
    """

    kind = "output"
    log_outputs = True

    def __init__(
        self,
        checkpoint: Checkpoint,
        network: nn.Module,
        *,
        context: int,
        outputs: Sequence[str],
        log_base: float,
        tss_offset: int | None = None,
        stranded: bool = False,
    ):
        self.name, self.device = checkpoint.name, checkpoint.device
        self.precision, self.revision = checkpoint.precision, checkpoint.revision
        self.context, self.stranded = context, stranded
        self.tss_offset = context // 2 if tss_offset is None else tss_offset
        tracks = checkpoint.tracks or checkpoint.entry.tracks or {name: index for index, name in enumerate(outputs)}
        check_tracks(f"model {self.name}", tracks, len(outputs))
        self.tracks = tuple(tracks)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self._chosen = torch.tensor(list(tracks.values()), device=self.device)
        self._to_decimal = math.log10(log_base)

    def reference_state(self, sequence: str) -> str:
        """The reference itself."""
        return sequence

    def tss_tracks(self, sequence: str, state: object | None = None) -> Tensor:
        """Predicted tracks, logarithms to base 10, shape (tracks,)."""
        return self._predict([sequence])[0]

    def edited_tss_tracks(self, state: object, sequences: Sequence[str], spans: Sequence[tuple[int, int]]) -> Tensor:
        """Predicted tracks of edited windows, shape (edits, tracks)."""
        return self._predict(sequences)

    def _predict(self, sequences: Sequence[str]) -> Tensor:
        for sequence in sequences:
            if len(sequence) != self.context:
                raise ValueError(f"{self.name} reads {self.context} bases, not {len(sequence)}")
        with numerics(self.device, self.precision):
            found = self.network(one_hot(sequences).to(self.device).transpose(1, 2)).float()
        return found[:, self._chosen] * self._to_decimal


def check_tracks(where: str, tracks: Mapping[str, int], size: int, head: str = "") -> None:
    """Raise an `InputError` where there is no track, or one with an index outside of a model's `size` outputs."""
    outside = [f"{track} ({index})" for track, index in tracks.items() if not 0 <= index < size]
    if outside or not tracks:
        complaint = f"has {size} tracks{head}, and no {', '.join(outside[:5])}" if tracks else "has no track"
        raise InputError.at(where, complaint, "correct `tracks` in the registry")


def flops_per_forward(flops: float) -> Callable[[ModelSize, int, int, int], float]:
    """Operations of a model of which every reference and every edit takes one forward."""
    return lambda size, window, references, edits: flops * (references + edits)


def weights_file(checkpoint: Checkpoint) -> Path:
    """The file of weights: the folder's one that the registry names, or the file that was given."""
    path, name = checkpoint.folder, checkpoint.entry.file
    if not path.is_dir():
        return path
    if name is None:
        raise InputError.at(path, "is a folder, and nothing says which file is meant", "give the file of weights")
    return path / name
