"""The selective scan, what it reads, and the norm before them, on a CPU, for inference: one pass over the rows each.

The states of a block of channels stay in registers while a kernel walks along the sequence, in either direction; the
step size's bias and softplus, the skip and the gate are taken along. Blocks and sequences are independent of each
other, so that the answer does not depend on the number of threads.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from darkregulome.models.numerics import kept
from darkregulome.models.reading_llvm import convolve_rows, dense_rows, read_rows, threads_for
from darkregulome.models.vector_code import I64, LOG2_E, LOWEST_EXPONENT, Code, Kernel, Vector, lanes

__all__ = ["ADDS_ONTO", "add_and_norm", "convolve_rows", "read_rows", "scan_rows"]

ADDS_ONTO = MULTIPLIES = True
"""`scan_rows` takes `onto` and `delta_weight`."""
EVERY_CHANNEL = {"B", "C", "low"}
"""Inputs whose rows are the same for all channels."""
ROWS_AHEAD = 8
"""Rows from the one at work to the one that is fetched into the cache: one row of a block is a line by itself."""


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
    delta_weight: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`scan.selective_scan_rows` of float32 tensors on a CPU, without gradient."""
    batch, length, channels = u.shape
    states, width = A.shape[1], math.gcd(channels, lanes())
    blocks = channels // width
    y, last = torch.empty(batch, length, channels), torch.empty(batch, blocks, states, width)
    rank = 0 if delta_weight is None else delta_weight.shape[1]
    given = {"u": u, "low" if rank else "delta": delta, "B": B, "C": C, "z": z, "onto": onto}
    rows = {name: dense_rows(tensor) for name, tensor in given.items() if tensor is not None}
    bias, skip = (torch.zeros(channels) if x is None else x.contiguous() for x in (delta_bias, D))
    decay = kept(f"log2 by {width}", lambda: _by_block(A * LOG2_E, width), A)
    tables = {"A": decay, "bias": bias, "skip": skip, "last": last}
    if delta_weight is not None:
        tables["low_weight"] = kept(f"by {width}", lambda: _by_block(delta_weight, width), delta_weight)
    fields = {name: tensor.data_ptr() for name, tensor in tables.items()} | _row_fields("y", y, reverse)
    for name, tensor in rows.items():
        fields |= _row_fields(name, tensor, reverse)
    kernel = _scan_kernel(width, states, rank, delta_softplus, z is not None, onto is not None)
    kernel(batch * blocks, threads_for(u), length=length, channels=channels, blocks=blocks, **fields)
    return y, last.transpose(2, 3).reshape(batch, channels, states)


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
    _norm_kernel(width)(rows, threads_for(x), channels=channels, **addresses)
    return normed, total


def _by_block(table: Tensor, width: int) -> Tensor:
    """(channels, k) as (blocks, k, width): what a block needs lies together."""
    return table.unflatten(0, (-1, width)).transpose(1, 2).contiguous()


def _row_fields(name: str, x: Tensor, reverse: bool) -> dict[str, int]:
    step = x.stride(1)
    start = x.data_ptr() + (4 * step * (x.shape[1] - 1) if reverse else 0)
    return {name: start, f"{name}_batch": x.stride(0), f"{name}_row": -step if reverse else step}


@cache
def _scan_kernel(width: int, states: int, rank: int, softplus: bool, gated: bool, onto: bool) -> Kernel:
    size = "low" if rank else "delta"
    names = ("u", size, "B", "C", "y", *(("z",) if gated else ()), *(("onto",) if onto else ()))
    tables = ("A", "bias", "skip", "last", *(("low_weight",) if rank else ()))
    code = Code("selective_scan", width, _fields(names, tables))

    def item(rows: dict[str, _Rows], column: Any, number: Any) -> None:
        b = code.builder
        decay = code.move(code.address("A"), b.mul(column, I64(states)))
        bias, skip = _load_table(code, "bias", 0, column), _load_table(code, "skip", 0, column)
        final = b.sub(code.field("length"), I64(1))

        def raw_size(at: Any) -> Vector:
            """The step size of the row at that address, before softplus."""
            if not rank:
                return code.load(at) + bias
            weights = code.move(code.address("low_weight"), b.mul(column, I64(rank)))
            # Two sums, so that an addition need not wait for the one before it.
            sums = [bias, code.lift(0.0)]
            for r in range(rank):
                factor = code.load_scalar(code.move(at, r))
                sums[r % 2] = code.fma(factor, code.load(code.move(weights, r * width)), sums[r % 2])
            return sums[0] + sums[1]

        def made_size(raw: Vector) -> Vector:
            return code.softplus(raw) if softplus else raw

        def ahead(address: Any, t: Any, name: str) -> Any:
            """The address of the row after that of step `t`, or of the last one again."""
            return code.move(address, b.select(b.icmp_signed("<", t, final), rows[name].step, I64(0)))

        def step(t: Any, carried: list[Any]) -> list[Any]:
            h, (u, delta, raw), addresses = carried[:states], carried[states : states + 3], carried[states + 3 :]
            at = dict(zip(names, addresses, strict=True))
            for name in sorted(at.keys() - EVERY_CHANNEL):
                code.prefetch(code.move(at[name], b.mul(rows[name].step, I64(ROWS_AHEAD))))
            after = {name: code.move(at[name], rows[name].step) for name in names}
            # The step size takes longer to make than a step: in two parts, one and two steps before it is used, which
            # run beside the work on the states of this one.
            after |= {"u": ahead(at["u"], t, "u"), size: ahead(at[size], b.add(t, I64(1)), size)}
            u_next = code.load(after["u"])
            raw_next = code.now(raw_size(after[size]))
            delta_next = code.now(made_size(raw))
            gain = delta * u
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
            return [*h, u_next, delta_next, raw_next, *after.values()]

        starts = {name: rows[name].start for name in names}
        first, starts[size] = made_size(raw_size(starts[size])), ahead(starts[size], I64(0), size)
        start = [*[code.lift(0.0)] * states, code.load(starts["u"]), first, raw_size(starts[size]), *starts.values()]
        h = code.repeat(I64(0), code.field("length"), start, step)[:states]
        last = code.move(code.address("last"), b.mul(number, I64(states * width)))
        for n in range(states):
            code.store(h[n], code.move(last, n * width))

    _for_items(code, names, item)
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
