"""Kernels over float32 vectors, compiled by LLVM in this process: no compiler and no cache of files is needed.

A kernel is written in Python as arithmetic on `Vector` and compiled for the CPU at hand in some hundredths of a second.
It runs without the interpreter's lock. llvmlite is needed when a kernel is made.

Several threads are those of PyTorch's OpenMP where that is found: after each of PyTorch's own operations they wait for
the next one without sleeping, and would hold the cores that other threads are to run on.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import exprel

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
POINTER = ir.PointerType()
LOG2_E = 1 / np.log(2)
ROUNDING = 1.5 * 2.0**23
"""Added to a small float32 it leaves the nearest integer in the low bits."""
LOWEST_EXPONENT = -126.0


def _fitted(function: Callable[[np.ndarray], np.ndarray], degree: int, low: float, high: float) -> list[float]:
    """Coefficients, lowest first, of the polynomial through Chebyshev's points of ``[low, high]``."""
    return Chebyshev.interpolate(function, degree, domain=[low, high]).convert(kind=Polynomial).coef.tolist()


EXP2 = _fitted(lambda r: np.log(2) * exprel(r * np.log(2)), 4, -0.5, 0.5)
"""(2^r - 1) / r for r in [-1/2, 1/2], to 4e-7: the error of 2^r vanishes with r, where decays of long memory are."""
LOG1P = _fitted(lambda q: 2 * np.arctanh(np.sqrt(q)) / np.sqrt(q), 5, 0.0, 1 / 9)
"""log(1 + e) / s with s = e / (2 + e), in s^2, for e in [0, 1], to 1e-9."""


class Vector:
    """Lanes of float32 in a kernel that is being written: arithmetic on it appends instructions."""

    def __init__(self, code: "Code", value: Any):
        self.code, self.value = code, value

    def _with(self, operation: Callable[..., Any], other: "Vector | float") -> "Vector":
        return Vector(self.code, operation(self.value, self.code.lift(other).value))

    def __add__(self, other: "Vector | float") -> "Vector":
        return self._with(self.code.builder.fadd, other)

    def __sub__(self, other: "Vector | float") -> "Vector":
        return self._with(self.code.builder.fsub, other)

    def __mul__(self, other: "Vector | float") -> "Vector":
        return self._with(self.code.builder.fmul, other)

    def __truediv__(self, other: "Vector | float") -> "Vector":
        return self._with(self.code.builder.fdiv, other)

    def __neg__(self) -> "Vector":
        return Vector(self.code, self.code.builder.fneg(self.value))


class Code:
    """A kernel that is being written: ``kernel(table, first, last)``, `table` an array of int64 named by `fields`.

    A field is a number or an address. The kernel works on the items from `first` up to `last`.
    """

    def __init__(self, name: str, width: int, fields: Sequence[str]):
        self.width, self.fields = width, list(fields)
        self.vector = ir.VectorType(F32, width)
        self.module = ir.Module(name)
        kind = ir.FunctionType(ir.VoidType(), (POINTER, I64, I64))
        self.function = ir.Function(self.module, kind, name)
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.table, self.first, self.last = self.function.args

    def field(self, name: str) -> Any:
        """The number called `name`, int64."""
        return self._slot(name, I64)

    def address(self, name: str) -> Any:
        """The address called `name`."""
        return self._slot(name, POINTER)

    def _slot(self, name: str, kind: Any) -> Any:
        at = self.builder.gep(self.table, [I64(self.fields.index(name))], source_etype=I64)
        return self.builder.load(at, typ=kind)

    def lift(self, value: Vector | float) -> Vector:
        """A constant in every lane."""
        return value if isinstance(value, Vector) else Vector(self, ir.Constant(self.vector, [value] * self.width))

    def scratch(self, vectors: int) -> Any:
        """The address of room for some vectors, each thread's own."""
        room = self.builder.alloca(self.vector, vectors)
        room.align = 4 * self.width
        return room

    def move(self, address: Any, floats: Any) -> Any:
        """`address` moved on by a number of float32, int or int64."""
        return self.builder.gep(address, [I64(floats) if isinstance(floats, int) else floats], source_etype=F32)

    def load(self, address: Any) -> Vector:
        """The lanes that begin at `address`."""
        return Vector(self, self.builder.load(address, typ=self.vector, align=4))

    def load_scalar(self, address: Any) -> Vector:
        """The one number at `address` in every lane."""
        return self._spread(self.builder.load(address, typ=F32, align=4))

    def _spread(self, number: Any) -> Vector:
        """A float in every lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, number, I32(0))
        zeros = ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        return Vector(self, self.builder.shuffle_vector(first, undefined, zeros))

    def store(self, value: Vector, address: Any, past_cache: bool = False) -> None:
        """Write the lanes from `address` on.

        With `past_cache` the line that they fill is not fetched first, nor kept: `address` must be a multiple of it.
        """
        stored = self.builder.store(value.value, address, align=4 * self.width if past_cache else 4)
        if past_cache:
            stored.set_metadata("nontemporal", self.module.add_metadata([I32(1)]))

    def prefetch(self, address: Any) -> None:
        """Have the line at `address` brought into the cache; nothing happens where that is no memory."""
        function = self._declared("llvm.prefetch.p0", ir.VoidType(), [POINTER, I32, I32, I32])
        for_reading, all_levels, data = I32(0), I32(3), I32(1)
        self.builder.call(function, (address, for_reading, all_levels, data))

    def now(self, x: Vector) -> Vector:
        """`x`, worked out before whatever is loaded from here on: LLVM would move it to where it is first used."""
        if self.width not in _named_registers():
            return x
        kind = ir.FunctionType(self.vector, [self.vector])
        return Vector(self, self.builder.asm(kind, "", "=v,0", [x.value], side_effect=True))

    def fma(self, a: Vector, b: Vector | float, c: Vector | float) -> Vector:
        """``a * b + c``, in one rounding where the CPU can."""
        return self._intrinsic("fmuladd", a, b, c)

    def _declared(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """The function of LLVM called `name`, declared once."""
        return self.module.globals.get(name) or ir.Function(self.module, ir.FunctionType(result, arguments), name)

    def _intrinsic(self, name: str, *arguments: Vector | float) -> Vector:
        """LLVM's own operation on vectors."""
        kinds = [self.vector] * len(arguments)
        function = self._declared(f"llvm.{name}.v{self.width}f32", self.vector, kinds)
        return Vector(self, self.builder.call(function, [self.lift(x).value for x in arguments]))

    def _avx512(self, name: str, x: Vector, argument: Any) -> Vector:
        """An operation of AVX-512 on all lanes, in the CPU's own rounding."""
        mask = ir.IntType(16)
        kinds = [self.vector, argument.type, self.vector, mask, I32]
        function = self._declared(f"llvm.x86.avx512.mask.{name}.ps.512", self.vector, kinds)
        return Vector(self, self.builder.call(function, [x.value, argument, x.value, mask(0xFFFF), I32(4)]))

    def total(self, x: Vector) -> Vector:
        """The sum of the lanes, in every lane."""
        function = self._declared(f"llvm.vector.reduce.fadd.v{self.width}f32", F32, [F32, self.vector])
        # In pairs, not lane after lane.
        return self._spread(self.builder.call(function, [F32(0.0), x.value], fastmath=("reassoc",)))

    def square_root(self, x: Vector) -> Vector:
        """The square root."""
        return self._intrinsic("sqrt", x)

    def larger(self, least: float, x: Vector) -> Vector:
        """max(least, x), NaN where x is NaN."""
        low = self.lift(least).value
        return Vector(self, self.builder.select(self.builder.fcmp_ordered(">", low, x.value), low, x.value))

    def smaller(self, most: float, x: Vector) -> Vector:
        """min(most, x), NaN where x is NaN."""
        high = self.lift(most).value
        return Vector(self, self.builder.select(self.builder.fcmp_ordered("<", high, x.value), high, x.value))

    def polynomial(self, coefficients: Sequence[float], x: Vector) -> Vector:
        """The polynomial at `x`; coefficients lowest first."""
        *rest, top = coefficients
        value = self.lift(top)
        for coefficient in reversed(rest):
            value = self.fma(value, x, coefficient)
        return value

    def exp2(self, x: Vector) -> Vector:
        """2^x to 2e-7 for x below 127; 2^-126 or less for whatever is below -126."""
        if self.width == lanes() == 16 and _splits_exponents():
            rest = self._avx512("reduce", x, I32(0))  # x less its nearest integer
            value = self.fma(self.polynomial(EXP2, rest), rest, 1.0)
            return self._avx512("scalef", value, (x - rest).value)
        x = self.larger(LOWEST_EXPONENT, x)
        shifted = x + ROUNDING
        rest = x - (shifted - ROUNDING)
        value = self.fma(self.polynomial(EXP2, rest), rest, 1.0)
        bits = ir.VectorType(I32, self.width)
        power = self.builder.shl(self.builder.bitcast(shifted.value, bits), ir.Constant(bits, [23] * self.width))
        scaled = self.builder.add(self.builder.bitcast(value.value, bits), power)
        return Vector(self, self.builder.bitcast(scaled, self.vector))

    def sigmoid(self, x: Vector) -> Vector:
        """1 / (1 + exp(-x))."""
        return self.lift(1.0) / (self.exp2(-self.larger(LOWEST_EXPONENT, x * LOG2_E)) + 1.0)

    def softplus(self, x: Vector) -> Vector:
        """log(1 + exp(x)), to 1e-7 of itself."""
        e = self.exp2(self._intrinsic("fabs", x) * -LOG2_E)
        s = e / (e + 2.0)
        return self.fma(self.polynomial(LOG1P, s * s), s, self.larger(0.0, x))

    def repeat(
        self, first: Any, last: Any, carried: Sequence[Any], body: Callable[[Any, list[Any]], Sequence[Any]]
    ) -> list[Any]:
        """``for i in range(first, last): carried = body(i, carried)``, which runs at least once."""
        b, before = self.builder, self.builder.block
        head, after = self.function.append_basic_block(), self.function.append_basic_block()
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(first, before)
        phis = []
        for value in carried:
            raw = value.value if isinstance(value, Vector) else value
            phi = b.phi(raw.type)
            phi.add_incoming(raw, before)
            phis.append(phi)
        results = body(
            index, [Vector(self, p) if isinstance(v, Vector) else p for p, v in zip(phis, carried, strict=True)]
        )
        for phi, value in zip(phis, results, strict=True):
            phi.add_incoming(value.value if isinstance(value, Vector) else value, b.block)
        following = b.add(index, I64(1))
        index.add_incoming(following, b.block)
        b.cbranch(b.icmp_signed("<", following, last), head, after)
        b.position_at_end(after)
        return list(results)

    def compile(self) -> "Kernel":
        """The finished kernel."""
        # What was written past the cache is there for others, too.
        self.builder.fence("seq_cst")
        self.builder.ret_void()
        team = self._write_team() if openmp() else None
        return Kernel(str(self.module), self.function.name, team, self.fields)

    def _write_team(self) -> str:
        """Write ``kernel_team(call)``, a thread's share; `call` is the address of the table and the number of items."""
        kind = ir.FunctionType(ir.VoidType(), (POINTER,))
        team = ir.Function(self.module, kind, f"{self.function.name}_team")
        b, call = ir.IRBuilder(team.append_basic_block()), team.args[0]
        table = b.load(call, typ=POINTER)
        items = b.load(b.gep(call, [I64(1)], source_etype=I64), typ=I64)
        number, threads = (
            b.sext(b.call(ir.Function(self.module, ir.FunctionType(I32, ()), f"omp_get_{name}"), ()), I64)
            for name in ("thread_num", "num_threads")
        )
        first = b.sdiv(b.mul(items, number), threads)
        last = b.sdiv(b.mul(items, b.add(number, I64(1))), threads)
        with b.if_then(b.icmp_signed("<", first, last)):
            b.call(self.function, (table, first, last))
        b.ret_void()
        return team.name


class Kernel:
    """Compiled code. ``kernel(items, threads, **fields)`` works on items 0 up to `items`."""

    def __init__(self, text: str, name: str, team: str | None, fields: list[str]):
        machine = _machine()
        module = llvm.parse_assembly(text)
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
        builder.getModulePassManager().run(module, builder)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        self.assembly = machine.emit_assembly(module)
        self._fields = fields
        address = self._engine.get_function_address(name)
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)
        self._team = self._engine.get_function_address(team) if team else None

    def __call__(self, items: int, threads: int, **fields: int) -> None:
        table = np.array([fields[name] for name in self._fields], dtype=np.int64)
        at, threads = table.ctypes.data, min(threads, items)
        if threads <= 1:
            self._call(at, 0, items)
            return
        runtime = openmp()
        # The threads of OpenMP do not live on in a forked process.
        if self._team and runtime and os.getpid() == runtime.process:
            runtime.library.GOMP_parallel(self._team, (ctypes.c_int64 * 2)(at, items), threads, 0)
            return
        edges = [items * part // threads for part in range(threads + 1)]
        list(_pool(threads, os.getpid()).map(lambda part: self._call(at, edges[part], edges[part + 1]), range(threads)))


class OpenMP(NamedTuple):
    """The OpenMP that PyTorch's operations on a CPU run in, and the process that it was found in."""

    library: ctypes.CDLL
    process: int


@cache
def openmp() -> OpenMP | None:
    """GNU's OpenMP in PyTorch's own folder; None where PyTorch brings another, or none."""
    import torch

    for path in sorted(Path(torch.__file__).parent.glob("lib/libgomp*.so*")):
        try:
            library = ctypes.CDLL(str(path))
            library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            library.GOMP_parallel.restype = None
            for name in ("omp_get_thread_num", "omp_get_num_threads"):
                llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        except (OSError, AttributeError):
            continue
        return OpenMP(library, os.getpid())
    return None


def _machine() -> Any:
    """LLVM for the CPU at hand; a compiler takes its own into possession, and ends it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)


@cache
def lanes() -> int:
    """Lanes of float32 in a register of the CPU at hand; 8 where it does not say."""
    return 16 if llvm.get_host_cpu_features().get("avx512f") else 8


@cache
def _named_registers() -> tuple[int, ...]:
    """Widths of the registers that inline assembly calls ``v``, on x86; LLVM ends the process at any other width."""
    features = llvm.get_host_cpu_features()
    return tuple(width for width, name in ((8, "avx"), (16, "avx512f")) if features.get(name))


@cache
def _splits_exponents() -> bool:
    """Whether the CPU has AVX-512's operations that take an exponent off and put one on."""
    features = llvm.get_host_cpu_features()
    return bool(features.get("avx512f") and features.get("avx512dq"))


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that are kept, anew in a forked process."""
    return ThreadPoolExecutor(threads)
