"""Scores tell transposable elements from other elements, asked by copies in the sequence and not by annotation."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.discrimination import say_class, signal_of, superiority, test_class
from darkregulome.diagnosis.decision import FLOOR

CLAIM = Claim(
    name="te_discrimination",
    title="Transposable elements",
    question="do transposable elements score otherwise than other elements?",
    statistic="difference of normal scores of ranks, both sides partialled out",
    unit="SD of normal scores; sentences give the probability of superiority",
    floor=FLOOR,
    subject="the mark of transposable elements",
    order=3,
    test=test_class("TE"),
    say=say_class("Transposable elements"),
    show=superiority,
    in_readout_units=False,
    signal=signal_of("TE"),
)
