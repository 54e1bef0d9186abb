"""The selective scan and the convolution before it on a CPU, for inference: one pass over the rows each.

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

from darkregulome.models.vector_code import I64, LOG2_E, LOWEST_EXPONENT, Code, Kernel, Vector, lanes

ADDS_ONTO = True
"""`scan_rows` takes `onto`."""
EVERY_CHANNEL = {"B", "C"}
"""Inputs whose rows are the same for all channels."""
ROWS_AHEAD = 8
"""Rows from the one at work to the one that is fetched into the cache: one row of a block is a line by itself."""
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
    batch, length, channels = x.shape
    width, taps = math.gcd(channels, lanes()), weight.shape[-1]
    blocks = channels // width
    x, y = _dense_rows(x), torch.empty(batch, length, channels)
    weight = weight[:, 0].t().contiguous()
    bias = torch.zeros(channels) if bias is None else bias.contiguous()
    fields = _row_fields("x", x, reverse) | _row_fields("y", y, reverse)
    fields |= {"weight": weight.data_ptr(), "bias": bias.data_ptr()}
    kernel = _convolution_kernel(width, taps)
    kernel(batch * blocks, _threads(x), length=length, channels=channels, blocks=blocks, **fields)
    return y


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
def _convolution_kernel(width: int, taps: int) -> Kernel:
    code = Code("convolution", width, _fields(("x", "y"), ("weight", "bias")))

    def item(rows: dict[str, _Rows], column: Any, _: Any) -> None:
        weights = [_load_table(code, "weight", k, column) for k in range(taps)]
        bias = _load_table(code, "bias", 0, column)

        def step(_: Any, carried: list[Any]) -> list[Any]:
            *past, x_at, y_at = carried
            seen = [*past, code.load(x_at)]
            y = bias
            for weight, x in zip(weights, seen, strict=True):
                y = code.fma(weight, x, y)
            code.store(y * code.sigmoid(y), y_at)
            return [*seen[1:], code.move(x_at, rows["x"].step), code.move(y_at, rows["y"].step)]

        start = [code.lift(0.0)] * (taps - 1) + [rows["x"].start, rows["y"].start]
        code.repeat(I64(0), code.field("length"), start, step)

    _for_items(code, ("x", "y"), item)
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
