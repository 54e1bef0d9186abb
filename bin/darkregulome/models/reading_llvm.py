"""What a Mamba reads before its scan, on a CPU, for inference: the convolution and its projection in one pass.

A few rows at a time are convolved, and projected while they are in the nearest cache. Rows do not depend on each
other's results, so that the answer does not depend on the number of threads.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from darkregulome.models.numerics import kept
from darkregulome.models.scan import Way
from darkregulome.models.vector_code import I64, Code, Kernel, lanes

TILE = 60
"""Rows of a sequence that one thread works on at a time."""
GROUP, MOST_VECTORS = 6, 3
"""Rows that are projected at a time, and vectors that they are projected to at most: their sums fill the registers."""
MOST_CHANNELS = 2**12
"""Channels of which a thread's stack is to hold the rows of a group."""
CHANNELS_AHEAD = 4
"""Channels from the one that is projected to the one whose weights are fetched into the nearest cache."""
LINE = 16
"""Float32 in a line of the cache."""
PAST_CACHE = 2**24
"""Bytes of output above which the cache would not hold them for whoever reads them next."""
SIZES = ("length", "tiles", "x_batch", "x_row")
"""Numbers that a kernel takes; all else are addresses."""
WORTH_THREADS = 2**16
"""Numbers in a kernel's input below which a second thread costs more than it wins."""


class _Shape(NamedTuple):
    """What a kernel is compiled for. Without `vectors` it convolves only."""

    width: int
    channels: int
    taps: int
    reverse: tuple[bool, ...]
    vectors: int = 0
    """Vectors that rows are projected to."""
    past_cache: bool = False


def convolve_rows(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool) -> Tensor:
    """`scan.convolve_rows` of float32 tensors on a CPU, without gradient."""
    batch, length, channels = x.shape
    shape = _Shape(math.gcd(channels, lanes()), channels, weight.shape[-1], (reverse,))
    y = torch.empty(batch, length, channels)
    _run(shape, x, {"y0": y, "taps0": _taps(weight, bias)})
    return y


def read_rows(x: Tensor, ways: Sequence[Way]) -> list[tuple[Tensor, Tensor]] | None:
    """`scan.read_rows` of float32 tensors on a CPU, without gradient; None where the sizes do not suit."""
    batch, length, channels = x.shape
    width, first = math.gcd(channels, lanes()), ways[0]
    outputs = len(first.projection)
    vectors = -(-outputs // width)
    if width < LINE or vectors > MOST_VECTORS or channels > MOST_CHANNELS:
        return None
    if any(way.weight.shape != first.weight.shape or len(way.projection) != outputs for way in ways):
        return None
    places = {f"y{i}": torch.empty(batch, length, channels) for i in range(len(ways))}
    for i, way in enumerate(ways):
        places[f"taps{i}"] = _taps(way.weight, way.bias)
        places[f"projection{i}"] = _by_channel(way.projection, vectors * width)
        places[f"low{i}"] = torch.empty(batch, length, vectors * width)
    _run(_Shape(width, channels, first.weight.shape[-1], tuple(way.reverse for way in ways), vectors), x, places)
    return [(places[f"y{i}"], places[f"low{i}"][..., :outputs]) for i in range(len(ways))]


def _by_channel(weight: Tensor, size: int) -> Tensor:
    """Of a weight (outputs, channels) a row for each channel, filled up with zeros to a size."""
    return kept(f"by channel {size}", lambda: F.pad(weight.t(), (0, size - len(weight))).contiguous(), weight)


def _taps(weight: Tensor, bias: Tensor | None) -> Tensor:
    """Of a weight (channels, 1, taps) a row for each tap, then the bias."""

    def make() -> Tensor:
        last = torch.zeros(len(weight)) if bias is None else bias
        return torch.cat((weight[:, 0].t(), last[None]))

    return kept("taps", make, weight, bias)


def dense_rows(x: Tensor) -> Tensor:
    """`x`, each of whose rows lies in one piece."""
    return x if x.stride(-1) == 1 else x.contiguous()


def threads_for(x: Tensor) -> int:
    """How many threads are worth starting."""
    return torch.get_num_threads() if x.numel() >= WORTH_THREADS else 1


def _run(shape: _Shape, x: Tensor, places: dict[str, Tensor]) -> None:
    """Fill the outputs among `places`, all of them tensors by the names that the kernel has for them."""
    batch, length, channels = x.shape
    x = dense_rows(x)
    written = sum(tensor.nbytes for name, tensor in places.items() if name.startswith("y"))
    shape = shape._replace(past_cache=shape.width == LINE and written > PAST_CACHE)
    places = places | {"x": x, "zeros": torch.zeros(channels)}
    sizes = {"length": length, "tiles": -(-length // TILE), "x_batch": x.stride(0), "x_row": x.stride(1)}
    addresses = {name: tensor.data_ptr() for name, tensor in places.items()}
    _kernel(shape)(batch * sizes["tiles"], threads_for(x), **sizes, **addresses)


@cache
def _kernel(shape: _Shape) -> Kernel:
    """Row by row, so that lines are read in their order, in groups where something is projected."""
    names = ("y", "taps", *(("low", "projection") if shape.vectors else ()))
    outputs = [f"{name}{i}" for i in range(len(shape.reverse)) for name in names]
    code = Code("reading", shape.width, [*SIZES, "x", "zeros", *outputs])
    b, writer = code.builder, _Writer(code, shape)

    def tile(number: Any, _: list[Any]) -> list[Any]:
        tiles, length = writer.fields["tiles"], writer.fields["length"]
        sequence, first = b.sdiv(number, tiles), b.mul(b.srem(number, tiles), I64(TILE))
        end = b.add(first, I64(TILE))
        end = b.select(b.icmp_signed("<", end, length), end, length)
        writer.begin(sequence)
        if shape.vectors:
            rest = b.srem(b.sub(end, first), I64(GROUP))
            edge = b.sub(end, rest)
            for size, start, stop in ((GROUP, first, edge), (1, edge, end)):
                count = b.sdiv(b.sub(stop, start), I64(size))
                with b.if_then(b.icmp_signed(">", count, I64(0))):
                    code.repeat(I64(0), count, [], writer.group(size, start))
        else:
            code.repeat(first, end, [], writer.row)
        return []

    code.repeat(code.first, code.last, [], tile)
    return code.compile()


class _Writer:
    """Writes the code for rows of a sequence, which `begin` names."""

    def __init__(self, code: Code, shape: _Shape):
        self.code, self.shape = code, shape
        ways = len(shape.reverse) if shape.vectors else 0
        self.at_hand = [code.scratch(GROUP * shape.channels // shape.width) for _ in range(ways)]
        # Read here once: LLVM cannot know that no row is written over them.
        self.fields = {name: code.field(name) for name in SIZES}
        self.addresses = {name: code.address(name) for name in code.fields if name not in SIZES}

    def begin(self, sequence: Any) -> None:
        """Rows are those of sequence `sequence` from here on."""
        b = self.code.builder
        self.x = self.code.move(self.addresses["x"], b.mul(sequence, self.fields["x_batch"]))
        self.before = b.mul(sequence, self.fields["length"])

    def place(self, name: str, t: Any, size: int) -> Any:
        """The address of row `t` of an output, whose rows have `size` numbers."""
        b = self.code.builder
        return self.code.move(self.addresses[name], b.mul(b.add(self.before, t), I64(size)))

    def row(self, t: Any, _: list[Any]) -> list[Any]:
        """Convolve row `t`."""
        self.convolve(t, [])
        return []

    def group(self, rows: int, start: Any) -> Any:
        """The body of a loop over groups of `rows`, the first of which begins at row `start`."""
        b, code = self.code.builder, self.code

        def body(number: Any, _: list[Any]) -> list[Any]:
            t = b.add(start, b.mul(number, I64(rows)))

            def one(r: Any, _: list[Any]) -> list[Any]:
                copies = [code.move(y, b.mul(r, I64(self.shape.channels))) for y in self.at_hand]
                self.convolve(b.add(t, r), copies)
                return []

            code.repeat(I64(0), I64(rows), [], one)
            for i in range(len(self.shape.reverse)):
                self.project(i, t, rows)
            return []

        return body

    def convolve(self, t: Any, copies: list[Any]) -> None:
        """Row `t` of y in all directions, and copies of it."""
        b, code, shape = self.code.builder, self.code, self.shape

        def seen(offset: int) -> Any:
            """The row that far from this one; zeros beyond the ends."""
            at = b.add(t, I64(offset))
            inside = b.icmp_unsigned("<", at, self.fields["length"])
            return b.select(inside, code.move(self.x, b.mul(at, self.fields["x_row"])), self.addresses["zeros"])

        rows = [[seen(k if back else -k) for k in reversed(range(shape.taps))] for back in shape.reverse]
        found = [self.place(f"y{i}", t, shape.channels) for i in range(len(rows))]

        def block(number: Any, _: list[Any]) -> list[Any]:
            column = b.mul(number, I64(shape.width))
            for i, addresses in enumerate(rows):
                taps = code.move(self.addresses[f"taps{i}"], column)
                y = code.load(code.move(taps, shape.channels * shape.taps))
                for k, at in enumerate(addresses):
                    y = code.fma(code.load(code.move(taps, shape.channels * k)), code.load(code.move(at, column)), y)
                y = y * code.sigmoid(y)
                code.store(y, code.move(found[i], column), shape.past_cache)
                if copies:
                    code.store(y, code.move(copies[i], column))
            return []

        code.repeat(I64(0), I64(shape.channels // shape.width), [], block)

    def project(self, i: int, t: Any, rows: int) -> None:
        """The projections of direction `i`'s rows at hand, the first of which is row `t`."""
        b, code, shape = self.code.builder, self.code, self.shape
        size = shape.vectors * shape.width

        def channel(k: Any, sums: list[Any]) -> list[Any]:
            weights = code.move(self.addresses[f"projection{i}"], b.mul(k, I64(size)))
            columns = [code.load(code.move(weights, v * shape.width)) for v in range(shape.vectors)]
            for v in range(shape.vectors):
                code.prefetch(code.move(weights, (CHANNELS_AHEAD * shape.vectors + v) * shape.width))
            y = code.move(self.at_hand[i], k)
            factors = [code.load_scalar(code.move(y, r * shape.channels)) for r in range(rows)]
            products = [(factor, column) for factor in factors for column in columns]
            return [code.fma(*pair, total) for pair, total in zip(products, sums, strict=True)]

        zeros = [code.lift(0.0)] * (rows * shape.vectors)
        low = self.place(f"low{i}", t, size)
        for n, total in enumerate(code.repeat(I64(0), I64(shape.channels), zeros, channel)):
            code.store(total, code.move(low, n * shape.width))
