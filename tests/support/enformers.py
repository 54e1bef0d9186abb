"""Enformer as enformer-pytorch runs it, without our shortcuts."""

import torch

from darkregulome.models.checkpoint import load_weights
from darkregulome.models.enformer import ALIASES, build_enformer
from darkregulome.models.letters import one_hot


def load_enformer(config, weights, use_tf_gamma=None):
    """A network with its weights."""
    network = build_enformer(config, use_tf_gamma)
    load_weights(network, weights, ignore=ALIASES)
    return network


def full_tracks(network, sequences, head):
    """All tracks in all bins by enformer-pytorch's own forward: (batch, bins, tracks)."""
    with torch.inference_mode():
        return network(one_hot(sequences), head=head)
