"""The selective scan and the convolution before it on a CPU, for inference: one pass over the rows each.

The states of a block of channels stay in registers while a kernel walks along the sequence, in either direction; the
step size's bias and softplus, the skip and the gate are taken along. Blocks and sequences are independent of each
other, so that the answer does not depend on the number of threads.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from darkregulome.models.vector_code import I64, LOG2_E, LOWEST_EXPONENT, Code, Kernel, Vector, lanes

if TYPE_CHECKING:
    from darkregulome.models.scan import Convolution

ADDS_ONTO = True
"""`scan_rows` takes `onto`."""
EVERY_CHANNEL = {"B", "C"}
"""Inputs whose rows are the same for all channels."""
ROWS_AHEAD = 8
"""Rows from the one at work to the one that is fetched into the cache: one row of a block is a line by itself."""
TILE = 60
"""Rows of a sequence that one thread convolves at a time."""
GROUP, MOST_VECTORS = 6, 3
"""Rows that are projected at a time, and vectors that they are projected to at most: their sums fill the registers."""
LINE = 16
"""Float32 in a line of the cache."""
PAST_CACHE = 2**24
"""Bytes of output above which the cache would not hold them for whoever reads them next."""
WORTH_THREADS = 2**16
"""Numbers in a kernel's input below which a second thread costs more than it wins."""


class _Rows(NamedTuple):
    """In a kernel: the address of a block's part of the first row, and the distance to the next row."""

    start: Any
    step: Any


def scan_rows(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    reverse: bool,
    onto: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`scan.selective_scan_rows` of float32 tensors on a CPU, without gradient."""
    batch, length, channels = u.shape
    states, width = A.shape[1], math.gcd(channels, lanes())
    blocks = channels // width
    y, last = torch.empty(batch, length, channels), torch.empty(batch, blocks, states, width)
    given = {"u": u, "delta": delta, "B": B, "C": C, "z": z, "onto": onto}
    rows = {name: _dense_rows(tensor) for name, tensor in given.items() if tensor is not None}
    bias, skip = (torch.zeros(channels) if x is None else x.contiguous() for x in (delta_bias, D))
    decay = (A * LOG2_E).unflatten(0, (blocks, width)).transpose(1, 2).contiguous()
    tables = {"A": decay, "bias": bias, "skip": skip, "last": last}
    fields = {name: tensor.data_ptr() for name, tensor in tables.items()} | _row_fields("y", y, reverse)
    for name, tensor in rows.items():
        fields |= _row_fields(name, tensor, reverse)
    kernel = _scan_kernel(width, states, delta_softplus, z is not None, onto is not None)
    kernel(batch * blocks, _threads(u), length=length, channels=channels, blocks=blocks, **fields)
    return y, last.transpose(2, 3).reshape(batch, channels, states)


def convolve_rows(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool) -> Tensor:
    """`scan.convolve_rows` of float32 tensors on a CPU, without gradient."""
    return _convolve(x, [(weight, bias)], (reverse,), [])[0]


def read_both_ways(
    x: Tensor, forth: "Convolution", back: "Convolution", projections: tuple[Tensor, Tensor]
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    """`scan.read_both_ways` of float32 tensors on a CPU, without gradient; None where a projection is too wide."""
    width, outputs = math.gcd(x.shape[-1], lanes()), {len(weight) for weight in projections}
    if width < LINE or len(outputs) > 1 or -(-max(outputs) // width) > MOST_VECTORS:
        return None
    there, here, *low = _convolve(x, [forth, back], (False, True), list(projections))
    return (there, low[0]), (here, low[1])


def _convolve(
    x: Tensor, given: "list[Convolution]", reverse: tuple[bool, ...], projections: list[Tensor]
) -> list[Tensor]:
    """The convolution in each direction, then the projection of each where there are some; `x` is read once."""
    batch, length, channels = x.shape
    width, taps = math.gcd(channels, lanes()), given[0][0].shape[-1]
    x, found = _dense_rows(x), [torch.empty(batch, length, channels) for _ in given]
    zeros, tiles = torch.zeros(channels), -(-length // TILE)
    places = {"x": x, "zeros": zeros}
    for i, (weight, bias) in enumerate(given):
        # A row of weights for each tap, then the bias.
        table = torch.cat((weight[:, 0].t(), (zeros if bias is None else bias)[None]))
        places |= {f"y{i}": found[i], f"table{i}": table}
    vectors, low = 0, []
    for i, weight in enumerate(projections):
        vectors = -(-len(weight) // width)
        # A row for each channel, filled up with zeros.
        table = F.pad(weight.t(), (0, vectors * width - len(weight))).contiguous()
        low.append(torch.empty(batch, length, vectors * width))
        places |= {f"low{i}": low[i], f"projection{i}": table}
    past_cache = width == LINE and sum(y.nbytes for y in found) > PAST_CACHE
    kernel = _convolution_kernel(width, taps, channels, reverse, vectors, past_cache)
    sizes = {"length": length, "tiles": tiles, "x_batch": x.stride(0), "x_row": x.stride(1)}
    kernel(batch * tiles, _threads(x), **sizes, **{name: tensor.data_ptr() for name, tensor in places.items()})
    return [*found, *(y[..., : len(weight)] for y, weight in zip(low, projections, strict=True))]


def add_and_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """`scan.add_and_norm` of float32 tensors on a CPU, without gradient."""
    channels = x.shape[-1]
    width, rows = math.gcd(channels, lanes()), x.numel() // channels
    x, residual = x.contiguous(), residual.contiguous()
    total, normed = torch.empty_like(x), torch.empty_like(x)
    constants = torch.tensor([1 / channels, eps])
    places = {"x": x, "residual": residual, "total": total, "normed": normed, "weight": weight.contiguous()}
    places |= {"constants": constants}
    addresses = {name: tensor.data_ptr() for name, tensor in places.items()}
    _norm_kernel(width)(rows, _threads(x), channels=channels, **addresses)
    return normed, total


def _dense_rows(x: Tensor) -> Tensor:
    """`x`, each of whose rows lies in one piece."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _row_fields(name: str, x: Tensor, reverse: bool) -> dict[str, int]:
    step = x.stride(1)
    start = x.data_ptr() + (4 * step * (x.shape[1] - 1) if reverse else 0)
    return {name: start, f"{name}_batch": x.stride(0), f"{name}_row": -step if reverse else step}


def _threads(x: Tensor) -> int:
    return torch.get_num_threads() if x.numel() >= WORTH_THREADS else 1


@cache
def _scan_kernel(width: int, states: int, softplus: bool, gated: bool, onto: bool) -> Kernel:
    names = ("u", "delta", "B", "C", "y", *(("z",) if gated else ()), *(("onto",) if onto else ()))
    code = Code("selective_scan", width, _fields(names, ("A", "bias", "skip", "last")))

    def item(rows: dict[str, _Rows], column: Any, number: Any) -> None:
        b = code.builder
        decay = code.move(code.address("A"), b.mul(column, I64(states)))
        bias, skip = _load_table(code, "bias", 0, column), _load_table(code, "skip", 0, column)
        final = b.sub(code.field("length"), I64(1))

        def read(at: dict[str, Any]) -> list[Vector]:
            u, delta = code.load(at["u"]), code.load(at["delta"]) + bias
            return [u, code.softplus(delta) if softplus else delta]

        def step(t: Any, carried: list[Any]) -> list[Any]:
            h, (u, delta), addresses = carried[:states], carried[states : states + 2], carried[states + 2 :]
            at = dict(zip(names, addresses, strict=True))
            for name in sorted(at.keys() - EVERY_CHANNEL):
                code.prefetch(code.move(at[name], b.mul(rows[name].step, I64(ROWS_AHEAD))))
            # Softplus is a long chain: that of the next step runs beside the work on the states of this one.
            after = {name: code.move(at[name], rows[name].step) for name in names}
            following = {name: b.select(b.icmp_signed("<", t, final), after[name], at[name]) for name in ("u", "delta")}
            u_next, delta_next = read(following)
            delta_next = code.now(delta_next)
            gain = delta * u
            # Two sums, so that an addition need not wait for the one before it.
            y = [skip * u, code.lift(0.0)]
            for n in range(states):
                B, C = (code.load_scalar(code.move(at[name], n)) for name in ("B", "C"))
                # Read anew in each step: sixteen more registers there are not.
                power = delta * code.load(code.move(decay, n * width))
                # A step size that softplus has not made may be negative.
                power = power if softplus else code.smaller(-LOWEST_EXPONENT, power)
                h[n] = code.fma(code.exp2(power), h[n], gain * B)
                y[n % 2] = code.fma(h[n], C, y[n % 2])
            total = y[0] + y[1]
            if onto:
                total = total + code.load(at["onto"])
            if gated:
                z = code.load(at["z"])
                total = total * z * code.sigmoid(z)
            code.store(total, at["y"])
            return [*h, u_next, delta_next, *(after | following).values()]

        starts = {name: rows[name].start for name in names}
        start = [*[code.lift(0.0)] * states, *read(starts), *starts.values()]
        h = code.repeat(I64(0), code.field("length"), start, step)[:states]
        last = code.move(code.address("last"), b.mul(number, I64(states * width)))
        for n in range(states):
            code.store(h[n], code.move(last, n * width))

    _for_items(code, names, item)
    return code.compile()


@cache
def _convolution_kernel(
    width: int, taps: int, channels: int, reverse: tuple[bool, ...], vectors: int, past_cache: bool
) -> Kernel:
    """The convolutions of the same rows in one or two directions, row by row: lines are read in their order.

    With `vectors` they are multiplied by a projection to so many, a few rows at a time, which are then still at hand.
    """
    names = ("y", "table", *(("low", "projection") if vectors else ()))
    outputs = [f"{name}{i}" for i in range(len(reverse)) for name in names]
    code = Code("convolution", width, ["length", "tiles", "x_batch", "x_row", "x", "zeros", *outputs])
    b, length = code.builder, code.field("length")
    at_hand = [code.scratch(GROUP * channels // width) if vectors else None for _ in reverse]

    def tile(number: Any, _: list[Any]) -> list[Any]:
        tiles = code.field("tiles")
        sequence, first = b.sdiv(number, tiles), b.mul(b.srem(number, tiles), I64(TILE))
        x = code.move(code.address("x"), b.mul(sequence, code.field("x_batch")))
        before = b.mul(sequence, length)

        def place(name: str, t: Any, size: int) -> Any:
            """The address of a row of an output."""
            return code.move(code.address(name), b.mul(b.add(before, t), I64(size)))

        def convolve(t: Any, copies: list[Any]) -> None:
            """Write the rows of all directions, and copies of them."""

            def seen(offset: int) -> Any:
                """The row that far from this one; zeros beyond the ends."""
                at = b.add(t, I64(offset))
                inside = b.icmp_unsigned("<", at, length)
                return b.select(inside, code.move(x, b.mul(at, code.field("x_row"))), code.address("zeros"))

            rows = [[seen(k if back else -k) for k in reversed(range(taps))] for back in reverse]
            found = [place(f"y{i}", t, channels) for i in range(len(reverse))]

            def block(number: Any, _: list[Any]) -> list[Any]:
                column = b.mul(number, I64(width))
                for i, addresses in enumerate(rows):
                    table = code.move(code.address(f"table{i}"), column)
                    y = code.load(code.move(table, channels * taps))
                    for k, at in enumerate(addresses):
                        y = code.fma(code.load(code.move(table, channels * k)), code.load(code.move(at, column)), y)
                    y = y * code.sigmoid(y)
                    code.store(y, code.move(found[i], column), past_cache)
                    if copies:
                        code.store(y, code.move(copies[i], column))
                return []

            code.repeat(I64(0), I64(channels // width), [], block)

        def project(t: Any, rows: int) -> None:
            """Write the projections of the rows at hand, the first of which is row t."""
            for i, y in enumerate(at_hand):

                def channel(k: Any, sums: list[Any], y: Any = y, i: int = i) -> list[Any]:
                    weights = code.move(code.address(f"projection{i}"), b.mul(k, I64(vectors * width)))
                    columns = [code.load(code.move(weights, v * width)) for v in range(vectors)]
                    factors = [code.load_scalar(code.move(code.move(y, k), r * channels)) for r in range(rows)]
                    products = [(factor, column) for factor in factors for column in columns]
                    return [code.fma(*pair, total) for pair, total in zip(products, sums, strict=True)]

                sums = code.repeat(I64(0), I64(channels), [code.lift(0.0)] * (rows * vectors), channel)
                low = place(f"low{i}", t, vectors * width)
                for n, total in enumerate(sums):
                    code.store(total, code.move(low, n * width))

        def group(rows: int, count: Any, start: Any) -> None:
            """Write `count` groups of rows from row `start` on."""

            def one(number: Any, _: list[Any]) -> list[Any]:
                t = b.add(start, b.mul(number, I64(rows)))

                def row(r: Any, _: list[Any]) -> list[Any]:
                    convolve(b.add(t, r), [code.move(y, b.mul(r, I64(channels))) for y in at_hand])
                    return []

                code.repeat(I64(0), I64(rows), [], row)
                project(t, rows)
                return []

            with b.if_then(b.icmp_signed(">", count, I64(0))):
                code.repeat(I64(0), count, [], one)

        end = b.add(first, I64(TILE))
        end = b.select(b.icmp_signed("<", end, length), end, length)
        if vectors:
            rows = b.sub(end, first)
            rest = b.srem(rows, I64(GROUP))
            group(GROUP, b.sdiv(rows, I64(GROUP)), first)
            group(1, rest, b.sub(end, rest))
        else:

            def row(t: Any, _: list[Any]) -> list[Any]:
                convolve(t, [])
                return []

            code.repeat(first, end, [], row)
        return []

    code.repeat(code.first, code.last, [], tile)
    return code.compile()


@cache
def _norm_kernel(width: int) -> Kernel:
    code = Code("add_and_norm", width, ("channels", "x", "residual", "total", "normed", "weight", "constants"))
    b, channels = code.builder, code.field("channels")
    per_channel, eps = (code.load_scalar(code.move(code.address("constants"), i)) for i in range(2))
    blocks = b.sdiv(channels, I64(width))

    def row(number: Any, _: list[Any]) -> list[Any]:
        start = b.mul(number, channels)
        places = ("x", "residual", "total", "normed")
        x, residual, total, normed = (code.move(code.address(name), start) for name in places)

        def add(number: Any, squares: list[Any]) -> list[Any]:
            column = b.mul(number, I64(width))
            value = code.load(code.move(x, column)) + code.load(code.move(residual, column))
            code.store(value, code.move(total, column))
            return [code.fma(value, value, squares[0])]

        def scale(number: Any, carried: list[Any]) -> list[Any]:
            column = b.mul(number, I64(width))
            value = code.load(code.move(total, column)) * carried[0] * _load_table(code, "weight", 0, column)
            code.store(value, code.move(normed, column))
            return carried

        (squares,) = code.repeat(I64(0), blocks, [code.lift(0.0)], add)
        size = code.square_root(code.fma(code.total(squares), per_channel, eps))
        code.repeat(I64(0), blocks, [code.lift(1.0) / size], scale)
        return []

    code.repeat(code.first, code.last, [], row)
    return code.compile()


def _fields(rows: tuple[str, ...], tables: tuple[str, ...]) -> list[str]:
    places = [f"{name}{part}" for name in rows for part in ("", "_batch", "_row")]
    return ["length", "channels", "blocks", *places, *tables]


def _load_table(code: Code, name: str, row: int, column: Any) -> Vector:
    """A block's part of row `row` of a table (rows, channels)."""
    at = code.builder.add(code.builder.mul(code.field("channels"), I64(row)), column)
    return code.load(code.move(code.address(name), at))


def _for_items(code: Code, names: tuple[str, ...], write: Callable[[dict[str, _Rows], Any, Any], None]) -> None:
    """Write a loop over sequences and blocks of channels around the code of one of them."""
    b = code.builder
    blocks = code.field("blocks")

    def one(number: Any, _: list[Any]) -> list[Any]:
        sequence, column = b.sdiv(number, blocks), b.mul(b.srem(number, blocks), I64(code.width))
        rows = {}
        for name in names:
            start = code.move(code.address(name), b.mul(sequence, code.field(f"{name}_batch")))
            start = start if name in EVERY_CHANNEL else code.move(start, column)
            rows[name] = _Rows(start, code.field(f"{name}_row"))
        write(rows, column, number)
        return []

    code.repeat(code.first, code.last, [], one)
