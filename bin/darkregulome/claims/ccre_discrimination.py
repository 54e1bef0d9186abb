"""Scores tell cCREs from other elements."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.discrimination import say_class, signal_of, superiority, test_class
from darkregulome.diagnosis.decision import FLOOR

CLAIM = Claim(
    name="ccre_discrimination",
    title="cCRE discrimination",
    question="do scores tell cCREs from other elements?",
    statistic="difference of normal scores of ranks, both sides partialled out",
    unit="SD of normal scores; sentences give the probability of superiority",
    floor=FLOOR,
    subject="cCRE discrimination",
    order=4,
    test=test_class("cCRE"),
    say=say_class("cCREs"),
    show=superiority,
    in_readout_units=False,
    signal=signal_of("cCRE"),
    simulated={"demo-enformer": ("survives",)},
)
