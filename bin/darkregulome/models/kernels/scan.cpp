// What a Mamba computes besides matrix products, in float32 on a CPU, without gradient: the selective scan with its step
// sizes, skip and gate; the causal convolution before it; the norm of a sum. `compiled.py` builds and calls this file.
//
// `Floats` is one vector register (an extension of GCC and Clang: arithmetic acts on every lane). Its lanes are
// neighbouring channels. Work is cut into items that do not depend on each other, so that results do not depend on the
// number of threads. Tables of weights are (rows, width): `width` is the number of channels, padded with zeros.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
constexpr int GROUP = 8;       // states of a channel that one pass works on: their vectors stay in registers
constexpr int TILE = 32;       // positions whose step sizes are made before the recurrence runs over them
constexpr int ROWS = 64;       // positions per item of the convolution and of the norm
constexpr float LOG2_E = 1.44269504f;

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef Floats Unaligned __attribute__((aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

// Rows of a tensor (batch, length, channels) in the order in which they are read: from the end, `row` is negative.
struct Rows {
    float *start;
    int64_t batch, row;
    float *at(int64_t sequence, int64_t t) const { return start + sequence * batch + t * row; }
};

struct Scan {
    int64_t threads, batch, length, channels, width, states, rank, softplus;
    Rows u, delta, B, C, z, onto, y;  // `z` and `onto` may be absent; `delta` has `rank` columns if that is not 0
    const float *A, *bias, *skip, *delta_weight;  // A (states padded to whole groups, width) times log2(e)
    float *last;                                  // (batch, states padded to whole groups, width)
};

struct Convolution {
    int64_t threads, batch, length, channels, width, taps;
    Rows x, y;
    const float *weight, *bias;  // weight (taps, width)
};

struct Norm {
    int64_t threads, rows, channels;
    const float *x, *residual, *weight, *eps;
    float *total, *normed;
};

static inline Floats load(const float *from, int64_t count = LANES) {
    if (count >= LANES) return *(const Unaligned *)from;
    Floats x = {};
    for (int64_t i = 0; i < count; i++) x[i] = from[i];
    return x;
}

static inline void store(float *to, Floats x, int64_t count = LANES) {
    if (count >= LANES) *(Unaligned *)to = x;
    else for (int64_t i = 0; i < count; i++) to[i] = x[i];
}

// 2^x to 2e-7, for x within [-126, 126] and at the nearer of these otherwise. NaN stays NaN.
static inline Floats exp2(Floats x) {
    const float rounding = 12583039.0f;  // 1.5 * 2^23 + 127: x added, the low bits are the exponent of 2^round(x)
    const Ints zero = (Ints)(Floats{} + rounding) - 127, low = zero + 1, high = zero + 253;
    Floats shifted = x + rounding, r = x - (shifted - rounding);
    Ints exponent = (Ints)shifted;
    exponent = exponent > low ? exponent : low;
    exponent = exponent < high ? exponent : high;
    // (2^r - 1) / r for r in [-1/2, 1/2], to 4e-7: the error of 2^r vanishes with r, where decays of long memory are.
    Floats p = 0.0013381302537f * r + 0.0096663685154f;
    p = p * r + 0.0555038101380f;
    p = p * r + 0.2402234903802f;
    p = p * r + 0.6931471805599f;
    return (p * r + 1.0f) * (Floats)(exponent << 23);
}

static inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exp2(x * -LOG2_E)); }

// log(1 + exp(x)), to 1e-7 of itself: with e = exp(-|x|) and s = e / (2 + e), log(1 + e) = 2 atanh(s).
static inline Floats softplus(Floats x) {
    const Floats positive = x < 0.0f ? Floats{} : x;
    Floats e = exp2((x - 2.0f * positive) * LOG2_E), s = e / (e + 2.0f), q = s * s;
    Floats p = 0.2439390734394f * q + 0.2139856063050f;
    p = p * q + 0.2862020740649f;
    p = p * q + 0.3999871124636f;
    p = p * q + 0.6666667902646f;
    p = p * q + 1.9999999998090f;
    return p * s + positive;
}

// Run `work(item)` for all items on some threads: by OpenMP on those that PyTorch has, which go on waiting, without
// sleeping, after each of its operations, and would hold the cores that other threads are to run on.
template <class Work> static void parallel(int64_t items, int64_t threads, const Work &work) {
    threads = std::min(threads, items);
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t item = 0; item < items; item++) work(item);
#else
    std::atomic<int64_t> next{0};
    auto run = [&] {
        for (int64_t item; (item = next++) < items;) work(item);
    };
    std::vector<std::thread> others;
    for (int64_t i = 1; i < threads; i++) others.emplace_back(run);
    run();
    for (auto &thread : others) thread.join();
#endif
}

// A vector of channels while a sequence is read: its weights and its states, each in one piece.
struct Channels {
    int64_t column, count;
    Floats bias, skip;
    std::vector<Floats> A, weight, state;
    Channels(const Scan &s, int64_t column)
        : column(column), count(s.channels - column), bias(load(s.bias + column)), skip(load(s.skip + column)),
          A((s.states + GROUP - 1) / GROUP * GROUP), weight(s.rank), state(A.size()) {
        for (size_t n = 0; n < A.size(); n++) A[n] = load(s.A + n * s.width + column);
        for (int64_t r = 0; r < s.rank; r++) weight[r] = load(s.delta_weight + r * s.width + column);
    }
};

// The recurrence over a tile for the states from `n0` on. Adds to `y`.
static void run_states(const Scan &s, Channels &c, int64_t sequence, int64_t t0, int rows, int64_t n0,
                       const Floats *__restrict delta, const Floats *__restrict gain, Floats *__restrict y) {
    Floats state[GROUP], A[GROUP];
    for (int n = 0; n < GROUP; n++) state[n] = c.state[n0 + n], A[n] = c.A[n0 + n];
    const int64_t present = std::min<int64_t>(GROUP, s.states - n0);
    float b_padded[GROUP] = {}, c_padded[GROUP] = {};
    for (int t = 0; t < rows; t++) {
        const float *B = s.B.at(sequence, t0 + t) + n0, *C = s.C.at(sequence, t0 + t) + n0;
        if (present < GROUP) {
            B = std::copy_n(B, present, b_padded) - present;
            C = std::copy_n(C, present, c_padded) - present;
        }
        Floats even = y[t], odd = {};  // two sums: an addition need not wait for the one before it
#pragma GCC unroll 8
        for (int n = 0; n < GROUP; n++) {
            state[n] = exp2(delta[t] * A[n]) * state[n] + gain[t] * B[n];
            (n % 2 ? odd : even) += state[n] * C[n];
        }
        y[t] = even + odd;
    }
    for (int n = 0; n < GROUP; n++) c.state[n0 + n] = state[n];
}

static void run_tile(const Scan &s, Channels &c, int64_t sequence, int64_t t0) {
    const int rows = std::min<int64_t>(TILE, s.length - t0);
    Floats delta[TILE], gain[TILE], y[TILE];
    for (int t = 0; t < rows; t++) {
        // What the next tile reads and writes: a row of a block is a cache line by itself.
        for (const Rows *x : {&s.u, &s.z, &s.onto, &s.y})
            if (x->start) __builtin_prefetch(x->at(sequence, t0 + t + TILE) + c.column);
        const float *from = s.delta.at(sequence, t0 + t);
        Floats size = s.rank ? c.bias : c.bias + load(from + c.column, c.count);
#pragma GCC unroll 4
        for (int64_t r = 0; r < s.rank; r++) size += from[r] * c.weight[r];
        delta[t] = size;
    }
    for (int t = 0; t < rows; t++) {
        const Floats u = load(s.u.at(sequence, t0 + t) + c.column, c.count);
        if (s.softplus) delta[t] = softplus(delta[t]);
        gain[t] = delta[t] * u;
        y[t] = c.skip * u;
    }
    for (int64_t n = 0; n < (int64_t)c.A.size(); n += GROUP) run_states(s, c, sequence, t0, rows, n, delta, gain, y);
    for (int t = 0; t < rows; t++) {
        Floats total = y[t];
        if (s.onto.start) total += load(s.onto.at(sequence, t0 + t) + c.column, c.count);
        if (s.z.start) {
            const Floats z = load(s.z.at(sequence, t0 + t) + c.column, c.count);
            total *= z * sigmoid(z);
        }
        store(s.y.at(sequence, t0 + t) + c.column, total, c.count);
    }
}

static void scan_block(const Scan &s, int64_t sequence, int64_t column) {
    Channels c(s, column);
    for (int64_t t = 0; t < s.length; t += TILE) run_tile(s, c, sequence, t);
    float *last = s.last + sequence * c.state.size() * s.width + column;
    for (const Floats &state : c.state) store(last, state), last += s.width;
}

static void convolve_row(const Convolution &s, int64_t sequence, int64_t t) {
    const int64_t missing = std::max<int64_t>(0, s.taps - 1 - t);  // positions before the first
    const float *first = s.x.at(sequence, t - s.taps + 1 + missing), *weight = s.weight + missing * s.width;
    float *y = s.y.at(sequence, t);
    auto convolve = [&](int64_t column, int64_t count) {
        Floats sum = load(s.bias + column);
        const float *x = first + column, *w = weight + column;
        __builtin_prefetch(s.x.at(sequence, t + 2) + column);
        __builtin_prefetch(y + 2 * s.y.row + column, 1);
        for (int64_t k = missing; k < s.taps; k++, x += s.x.row, w += s.width) sum += load(w) * load(x, count);
        store(y + column, sum * sigmoid(sum), count);
    };
    int64_t column = 0;
    for (; column + LANES <= s.channels; column += LANES) convolve(column, LANES);
    if (column < s.channels) convolve(column, s.channels - column);
}

static void norm_row(const Norm &s, int64_t row) {
    const int64_t start = row * s.channels;
    Floats squares = {};
    for (int64_t column = 0; column < s.channels; column += LANES) {
        const int64_t count = s.channels - column, at = start + column;
        const Floats total = load(s.x + at, count) + load(s.residual + at, count);
        store(s.total + at, total, count);
        squares += total * total;
    }
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += squares[lane];
    const float scale = 1.0f / __builtin_sqrtf(sum / s.channels + *s.eps);
    for (int64_t c = 0; c < s.channels; c++) s.normed[start + c] = s.total[start + c] * scale * s.weight[c];
}

// Run `work(sequence, t)` for all positions of all sequences.
template <class Work> static void for_rows(int64_t batch, int64_t length, int64_t threads, const Work &work) {
    const int64_t parts = (length + ROWS - 1) / ROWS;
    parallel(batch * parts, threads, [&](int64_t item) {
        const int64_t first = item % parts * ROWS;
        for (int64_t t = first; t < std::min(first + ROWS, length); t++) work(item / parts, t);
    });
}

extern "C" {
void selective_scan(const Scan *s) {
    const int64_t blocks = (s->channels + LANES - 1) / LANES;
    parallel(s->batch * blocks, s->threads, [=](int64_t i) { scan_block(*s, i / blocks, i % blocks * LANES); });
}

void convolve(const Convolution *s) {
    for_rows(s->batch, s->length, s->threads, [=](int64_t sequence, int64_t t) { convolve_row(*s, sequence, t); });
}

void add_and_norm(const Norm *s) {
    for_rows(1, s->rows, s->threads, [=](int64_t, int64_t row) { norm_row(*s, row); });
}
}
