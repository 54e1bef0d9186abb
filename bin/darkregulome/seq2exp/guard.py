"""A guard of the prediction: the weight of the KL falls while the prediction suffers.

The paper's weight of the KL is fixed. Where trainings are short, a mask can then close before the generator knows what
to keep open, and a closed mask gives the predictor nothing to learn from. The guard treats the prediction as a
constraint and the KL as what is lowered under it, with a multiplier that moves by factors: constrained optimisation as
in GECO (Rezende & Viola 2018, arXiv:1810.00597), the multiplier on the other term.
"""

from dataclasses import dataclass

MEMORY = 0.9
"""Weight of the past in the running prediction loss: about ten steps, so that one batch moves nothing."""
FALL, RISE = 0.9, 1.05
"""Factor of the KL's share at a step with too large a loss, and at any other. With faster ones (0.7, 1.1) masks
swung between open and closed, and learnt nothing in either state."""
FIRST, LEAST = 0.02, 1e-6
"""Shares at the start and at the least. From the first one the KL needs some 80 steps to its full weight."""


@dataclass
class KlGuard:
    """The share of its weight that the KL has.

    Attributes
    ----------
    tolerance : the running loss is too large when it is above (1 + tolerance) times the least so far.
    share : from `LEAST` to 1.
    running, least : the running prediction loss, and the least that it has been; None before the first step.
    genes, total : genes of the step so far, and the sum of their prediction losses.
    """

    tolerance: float
    share: float = FIRST
    running: float | None = None
    least: float | None = None
    genes: int = 0
    total: float = 0.0

    def see(self, loss: float, genes: int) -> None:
        """Note the mean prediction loss of some genes of a step."""
        self.genes += genes
        self.total += genes * loss

    def end_step(self, weighed: bool) -> None:
        """Take what was seen in a step into account; `weighed`: did the recipe give the KL any weight?"""
        if not self.genes:
            return
        loss = self.total / self.genes
        self.genes, self.total = 0, 0.0
        self.running = loss if self.running is None else MEMORY * self.running + (1 - MEMORY) * loss
        self.least = self.running if self.least is None else min(self.least, self.running)
        if weighed:
            self.share = min(1.0, max(LEAST, self.share * (FALL if self.suffers else RISE)))

    @property
    def suffers(self) -> bool:
        """Whether the running loss is too large."""
        return self.running is not None and self.least is not None and self.running > (1 + self.tolerance) * self.least

    @property
    def factor(self) -> float:
        """What the KL's weight is multiplied by: the share, or nothing while the prediction suffers."""
        return 0.0 if self.suffers else self.share
