"""The selective scan with its tensors by name, and as the papers write it, with the length last."""

from darkregulome.models import kernels


def split(**given):
    """Rows and weights of a scan."""
    rows = {name: given.pop(name) for name in kernels.ScanRows._fields if name in given}
    return kernels.ScanRows(**rows), kernels.ScanWeights(**given)


def scanned(reverse=False, onto=None, **given):
    """y (batch, length, channels) and the last state; tensors are (batch, length, ...)."""
    return kernels.selective_scan(*split(**given), reverse, onto)


def selective_scan(u, delta, A, B, C, z=None, **given):
    """y (batch, channels, length) and the last state; tensors are (batch, ..., length)."""
    rows = {"u": u, "delta": delta, "B": B, "C": C, "z": z}
    rows = {name: None if x is None else x.transpose(1, 2) for name, x in rows.items()}
    y, last = scanned(A=A, **rows, **given)
    return y.transpose(1, 2), last
