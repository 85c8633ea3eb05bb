// Linear-chain conditional random fields: the sum over all paths and its gradient, the best path; and spans of tags.
//
// Lafferty, McCallum and Pereira, "Conditional random fields", 2001; the sums by the forward-backward algorithm in scaled form
// (Rabiner, "A tutorial on hidden Markov models", 1989): what lies before a step is a vector that adds up to 1, times a number
// whose logarithm is kept. A row is one task. Sums go through tags in their order, so that no cut changes a bit.
#include "logarithm.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int32_t kMostTags = 1024;
constexpr Index kPad = 8;           // doubles: whole vectors of every instruction set
constexpr Index kGroups = 16;       // rows whose gradients of transitions are summed together; so many sums at most
constexpr double kLeast = -300;     // below the greatest score, of transitions in sums over paths
constexpr double kEndless = 1e60;   // stands for ∞ (and its negative for -∞ and NaN) among scores in decoding

constexpr Index VD = VL / 2;
typedef double vd __attribute__((vector_size(VL * 4)));
typedef int64_t vl __attribute__((vector_size(VL * 4)));
typedef double unalignedDoubles __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef double anyDouble __attribute__((aligned(4), may_alias));

RONDO_INLINE vd loadDoubles(const anyDouble* p) { return *reinterpret_cast<const unalignedDoubles*>(p); }
RONDO_INLINE void storeDoubles(anyDouble* p, vd v) { *reinterpret_cast<unalignedDoubles*>(p) = v; }
RONDO_INLINE vd every(double s) {
  vd v;
  RONDO_UNROLL
  for (Index i = 0; i < VD; ++i) v[i] = s;
  return v;
}

Index padded(Index K) { return (K + kPad - 1) / kPad * kPad; }

// e^x to 2 ulp for x ≤ 0; 0 below -700, NaN stays.
RONDO_INLINE vd expOf(vd x) {
  const vd shift = every(6755399441055744.0);  // 1.5 · 2^52: adding it rounds to a whole number
  const vd held = x < -700.0 ? every(-700.0) : x;
  const vd sum = held * 1.4426950408889634 + shift, n = sum - shift;
  const vd r = (held - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  vd y = every(1.0);
  RONDO_UNROLL
  for (int32_t k = 13; k >= 1; --k) y = y * r * (1.0 / k) + 1.0;
  const vl power = (reinterpret_cast<vl>(sum) - reinterpret_cast<vl>(shift) + 1023) << 52;
  const vd whole = y * reinterpret_cast<vd>(power);
  return x != x ? x : x < -700.0 ? every(0.0) : whole;
}

// ln x for an x ≥ 0 that is not denormal; NaN and ∞ stay, 0 gives -∞.
double logOf(double x) {
  if (x > 0 && x < __builtin_inf()) return lnOf(x);
  return x == 0 ? -__builtin_inf() : x;
}

// out [Kp] = exp(x - its greatest) of K floats, zeros behind; returns the greatest. least: what x counts as below it at least.
double exponentials(const float* x, Index K, Index Kp, double least, anyDouble* out) {
  double most = x[0];
  bool known = true;
  for (Index k = 0; k < K; ++k) {
    const double v = x[k];
    most = v > most ? v : most;
    known = known && v == v;
  }
  if (!known || most - most != 0) most = known && most < 0 ? -__builtin_inf() : __builtin_nan("");
  for (Index k = 0; k < Kp; ++k) {
    const double below = k < K ? x[k] - most : -1e3;
    out[k] = below < least && k < K ? least : below;
  }
  for (Index k = 0; k < Kp; k += VD) storeDoubles(out + k, expOf(loadDoubles(out + k)));
  return most;
}

template <int N>
RONDO_INLINE void productBlock(const anyDouble* a, const anyDouble* matrix, Index K, Index Kp, anyDouble* out) {
  vd sums[N] = {};
  for (Index i = 0; i < K; ++i) {
    const vd factor = every(a[i]);
    RONDO_UNROLL
    for (int n = 0; n < N; ++n) sums[n] += factor * loadDoubles(matrix + i * Kp + n * VD);
  }
  RONDO_UNROLL
  for (int n = 0; n < N; ++n) storeDoubles(out + n * VD, sums[n]);
}

// out [Kp] = a [K] · matrix [K, Kp]
void product(const anyDouble* a, const anyDouble* matrix, Index K, Index Kp, anyDouble* out) {
  Index at = 0;
  for (; at + 6 * VD <= Kp; at += 6 * VD) productBlock<6>(a, matrix + at, K, Kp, out + at);
  for (; at + 2 * VD <= Kp; at += 2 * VD) productBlock<2>(a, matrix + at, K, Kp, out + at);
  for (; at < Kp; at += VD) productBlock<1>(a, matrix + at, K, Kp, out + at);
}

double total(vd sums) {
  double result = 0;
  for (Index i = 0; i < VD; ++i) result += sums[i];
  return result;
}
// Σ a·b over [Kp]
double dot(const anyDouble* a, const anyDouble* b, Index Kp) {
  vd sums = {};
  for (Index k = 0; k < Kp; k += VD) sums += loadDoubles(a + k) * loadDoubles(b + k);
  return total(sums);
}
// Divides by the sum, which it returns.
double normalize(anyDouble* a, Index Kp) {
  vd sums = {};
  for (Index k = 0; k < Kp; k += VD) sums += loadDoubles(a + k);
  const double sum = total(sums);
  const vd factor = every(1 / sum);
  for (Index k = 0; k < Kp; k += VD) storeDoubles(a + k, loadDoubles(a + k) * factor);
  return sum;
}

// Scores of transitions, start and end as exponentials.
struct Weights {
  anyDouble* transitions;  // [K, Kp]
  anyDouble* start;
  anyDouble* end;  // [Kp]
  double mostTransition, mostStart, mostEnd;
};

Weights weigh(const Context& context, Ptr transitions, Ptr start, Ptr end, Index K, Index Kp, anyDouble* work) {
  Weights w{work, work + K * Kp, work + (K + 1) * Kp, 0, 0, 0};
  const float* t = context.at<float>(transitions);
  double most = t[0];
  bool known = true;
  for (Index i = 0; i < K * K; ++i) {
    const double v = t[i];
    most = v > most ? v : most;
    known = known && v == v;
  }
  if (!known) most = __builtin_nan("");
  for (Index i = 0; i < K; ++i) {
    anyDouble* row = w.transitions + i * Kp;
    for (Index k = 0; k < Kp; ++k) {
      const double below = k < K ? t[i * K + k] - most : -1e3;
      row[k] = below < kLeast && k < K ? kLeast : below;
    }
    for (Index k = 0; k < Kp; k += VD) storeDoubles(row + k, expOf(loadDoubles(row + k)));
  }
  w.mostTransition = most;
  w.mostStart = exponentials(context.at<float>(start), K, Kp, kLeast, w.start);
  w.mostEnd = exponentials(context.at<float>(end), K, Kp, kLeast, w.end);
  return w;
}

template <class Op>
Status checked(const Context& context, const Op& o) {
  if (o.B < 0 || o.T < 0) return context.fail(Status::wrongField, o.B < 0 ? o.B : o.T, 0, INT32_MAX);
  if (o.K < 1 || o.K > kMostTags) return context.fail(Status::wrongField, o.K, 1, kMostTags);
  return Status::ok;
}

RONDO_INLINE bool within(int32_t tag, Index K) { return static_cast<uint32_t>(tag) < static_cast<uint32_t>(K); }

}  // namespace

Status execute(const Context& context, const op::crf& o, Tail) {
  if (absent(o.x, o.transitions, o.start, o.end, o.out, o.forward, o.work)) return context.fail(Status::missingOperand);
  if (const Status status = checked(context, o); status != Status::ok) return status;
  const Index T = o.T, K = o.K, Kp = padded(K);
  const Weights w =
      weigh(context, o.transitions, o.start, o.end, K, Kp, reinterpret_cast<anyDouble*>(context.at<float>(o.work)));
  const float* transitions = context.at<float>(o.transitions);
  const float* start = context.at<float>(o.start);
  const float* end = context.at<float>(o.end);
  parallelFor(context.parallel, o.B, [&](int32_t row) {
    const float* x = context.at<float>(o.x) + row * T * K;
    const int32_t* tags = context.at<int32_t>(o.tags);
    const uint8_t* mask = context.at<uint8_t>(o.mask);
    anyDouble* forward = reinterpret_cast<anyDouble*>(context.at<float>(o.forward)) + row * T * Kp;
    if (tags != nullptr) tags += row * T;
    if (mask != nullptr) mask += row * T;
    alignas(64) double scores[kMostTags];
    const anyDouble* before = nullptr;
    int32_t last = -1;
    double shift = 0, factor = 1, score = 0;
    for (Index t = 0; t < T; ++t) {
      if (mask != nullptr && mask[t] == 0) continue;
      anyDouble* a = forward + t * Kp;
      shift += exponentials(x + t * K, K, Kp, -1e9, scores);
      if (before == nullptr) {
        shift += w.mostStart;
        for (Index k = 0; k < Kp; ++k) a[k] = w.start[k];
      } else {
        shift += w.mostTransition;
        product(before, w.transitions, K, Kp, a);
      }
      for (Index k = 0; k < Kp; k += VD) storeDoubles(a + k, loadDoubles(a + k) * loadDoubles(scores + k));
      factor *= normalize(a, Kp);
      if (!(factor > 1e-100 && factor < 1e100)) {
        shift += logOf(factor);
        factor = 1;
      }
      if (tags != nullptr && within(tags[t], K)) {
        score += double{x[t * K + tags[t]]};
        if (before == nullptr) score += double{start[tags[t]]};
        if (within(last, K)) score += double{transitions[last * K + tags[t]]};
      }
      if (tags != nullptr) last = tags[t];
      before = a;
    }
    double result = 0;
    if (before != nullptr) {
      result = shift + w.mostEnd + logOf(factor * dot(before, w.end, Kp));
      if (within(last, K)) score += double{end[last]};
    }
    context.at<float>(o.out)[row] = static_cast<float>(result - score);
  });
  return Status::ok;
}

Status execute(const Context& context, const op::crfGradient& o, Tail) {
  if (absent(o.x, o.transitions, o.start, o.end, o.forward, o.g, o.dx, o.dTransitions, o.dStart, o.dEnd, o.work))
    return context.fail(Status::missingOperand);
  if (const Status status = checked(context, o); status != Status::ok) return status;
  const Index T = o.T, K = o.K, Kp = padded(K);
  anyDouble* work = reinterpret_cast<anyDouble*>(context.at<float>(o.work));
  const Weights w = weigh(context, o.transitions, o.start, o.end, K, Kp, work);
  anyDouble* transposed = work + (K + 2) * Kp;
  for (Index i = 0; i < K; ++i) {
    for (Index k = 0; k < Kp; ++k) transposed[i * Kp + k] = k < K ? w.transitions[k * Kp + i] : 0;
  }
  const Index groups = o.B < kGroups ? o.B : kGroups, size = (K + 2) * Kp;
  anyDouble* sums = transposed + K * Kp;
  parallelFor(context.parallel, static_cast<int32_t>(groups), [&](int32_t group) {
    anyDouble* sum = sums + group * size;  // of transitions [K, Kp], start, end [Kp]
    for (Index i = 0; i < size; ++i) sum[i] = 0;
    const Index rows = share(o.B, group + 1, static_cast<int32_t>(groups));
    for (Index row = share(o.B, group, static_cast<int32_t>(groups)); row < rows; ++row) {
      const float* x = context.at<float>(o.x) + row * T * K;
      const int32_t* tags = context.at<int32_t>(o.tags);
      const uint8_t* mask = context.at<uint8_t>(o.mask);
      const anyDouble* forward = reinterpret_cast<const anyDouble*>(context.at<float>(o.forward)) + row * T * Kp;
      const double g = context.at<float>(o.g)[row];
      float* dx = context.at<float>(o.dx) + row * T * K;
      if (tags != nullptr) tags += row * T;
      if (mask != nullptr) mask += row * T;
      alignas(64) double b[kMostTags], next[kMostTags], q[kMostTags];
      Index after = -1;  // the step after this one that counts
      for (Index t = T - 1; t >= 0; --t) {
        if (mask != nullptr && mask[t] == 0) {
          for (Index k = 0; k < K; ++k) dx[t * K + k] = 0;
          continue;
        }
        const anyDouble* a = forward + t * Kp;
        double norm;
        if (after < 0) {
          for (Index k = 0; k < Kp; ++k) b[k] = w.end[k];
          norm = dot(a, b, Kp);
        } else {
          product(q, transposed, K, Kp, next);
          norm = dot(a, next, Kp);
          const double scale = g / norm;
          for (Index i = 0; i < K; ++i) {
            const vd factor = every(scale * a[i]);
            anyDouble* into = sum + i * Kp;
            const anyDouble* weight = w.transitions + i * Kp;
            for (Index k = 0; k < Kp; k += VD)
              storeDoubles(into + k, loadDoubles(into + k) + factor * loadDoubles(weight + k) * loadDoubles(q + k));
          }
          if (tags != nullptr && within(tags[t], K) && within(tags[after], K)) sum[tags[t] * Kp + tags[after]] -= g;
          for (Index k = 0; k < Kp; ++k) b[k] = next[k];
        }
        // The tag's probability, times g.
        const double scale = g / norm;
        for (Index k = 0; k < Kp; k += VD)
          storeDoubles(next + k, loadDoubles(a + k) * loadDoubles(b + k) * every(scale));
        if (tags != nullptr && within(tags[t], K)) next[tags[t]] -= g;
        for (Index k = 0; k < K; ++k) dx[t * K + k] = static_cast<float>(next[k]);
        if (after < 0) {
          for (Index k = 0; k < K; ++k) sum[(K + 1) * Kp + k] += next[k];
        }
        exponentials(x + t * K, K, Kp, -1e9, q);
        normalize(b, Kp);
        for (Index k = 0; k < Kp; k += VD) storeDoubles(q + k, loadDoubles(q + k) * loadDoubles(b + k));
        after = t;
      }
      if (after >= 0) {  // now the first step that counts, whose gradient is in `next`
        for (Index k = 0; k < K; ++k) sum[K * Kp + k] += next[k];
      }
    }
  });
  float* dTransitions = context.at<float>(o.dTransitions);
  float* dStart = context.at<float>(o.dStart);
  float* dEnd = context.at<float>(o.dEnd);
  const auto added = [&](Index at) {
    double result = 0;
    for (Index group = 0; group < groups; ++group) result += sums[group * size + at];
    return static_cast<float>(result);
  };
  for (Index i = 0; i < K; ++i) {
    for (Index k = 0; k < K; ++k) dTransitions[i * K + k] = added(i * Kp + k);
    dStart[i] = added(K * Kp + i);
    dEnd[i] = added((K + 1) * Kp + i);
  }
  return Status::ok;
}

namespace {

RONDO_INLINE double finite(float x) {
  return x > -__builtin_inff() ? (x < __builtin_inff() ? double{x} : kEndless) : -kEndless;
}

}  // namespace

Status execute(const Context& context, const op::crfDecode& o, Tail) {
  if (absent(o.x, o.transitions, o.start, o.end, o.limits, o.out, o.work)) return context.fail(Status::missingOperand);
  if (const Status status = checked(context, o); status != Status::ok) return status;
  const Index T = o.T, K = o.K, Kp = padded(K);
  anyDouble* scores = reinterpret_cast<anyDouble*>(context.at<float>(o.work));  // [K + 2, Kp]: as limits
  const float* limits = context.at<float>(o.limits);
  const float* sources[] = {context.at<float>(o.transitions), context.at<float>(o.start), context.at<float>(o.end)};
  for (Index i = 0; i < K + 2; ++i) {
    const float* from = i < K ? sources[0] + i * K : sources[i - K + 1];
    for (Index k = 0; k < Kp; ++k)
      scores[i * Kp + k] = k < K ? finite(from[k]) + double{limits[i * K + k]} : -__builtin_inf();
  }
  uint16_t* paths = reinterpret_cast<uint16_t*>(scores + (K + 2) * Kp);  // [B, T, Kp]: the best tag before each
  parallelFor(context.parallel, o.B, [&](int32_t row) {
    const float* x = context.at<float>(o.x) + row * T * K;
    const uint8_t* mask = context.at<uint8_t>(o.mask);
    int32_t* out = context.at<int32_t>(o.out) + row * T;
    uint16_t* path = paths + row * T * Kp;
    if (mask != nullptr) mask += row * T;
    alignas(64) double best[kMostTags], next[kMostTags];
    bool begun = false;
    for (Index t = 0; t < T; ++t) {
      if (mask != nullptr && mask[t] == 0) continue;
      if (!begun) {
        for (Index k = 0; k < Kp; ++k) next[k] = scores[K * Kp + k];
      } else {
        for (Index at = 0; at < Kp; at += VD) {
          vd most = every(best[0]) + loadDoubles(scores + at);
          vl from = {};
          for (Index i = 1; i < K; ++i) {
            const vd candidate = every(best[i]) + loadDoubles(scores + i * Kp + at);
            const vl better = candidate > most;
            most = better ? candidate : most;
            from = better ? vl{} + static_cast<int64_t>(i) : from;
          }
          storeDoubles(next + at, most);
          for (Index n = 0; n < VD; ++n) path[t * Kp + at + n] = static_cast<uint16_t>(from[n]);
        }
      }
      for (Index k = 0; k < K; ++k) best[k] = next[k] + finite(x[t * K + k]);
      begun = true;
    }
    Index tag = 0;
    const anyDouble* end = scores + (K + 1) * Kp;
    for (Index k = 1; begun && k < K; ++k) {
      if (best[k] + end[k] > best[tag] + end[tag]) tag = k;
    }
    for (Index t = T - 1; t >= 0; --t) {
      const bool counts = mask == nullptr || mask[t] != 0;
      out[t] = counts ? static_cast<int32_t>(tag) : 0;
      if (counts) tag = path[t * Kp + tag];
    }
  });
  return Status::ok;
}

Status execute(const Context& context, const op::countSpans& o, Tail) {
  if (absent(o.truth, o.predicted, o.rules, o.out)) return context.fail(Status::missingOperand);
  if (const Status status = checked(context, o); status != Status::ok) return status;
  if (o.L < 0) return context.fail(Status::wrongField, o.L, 0, INT32_MAX);
  const Index T = o.T, K = o.K, L = o.L;
  const int32_t* rules = context.at<int32_t>(o.rules);
  const int32_t* labels = rules + (K + 1) * (K + 1);
  parallelFor(context.parallel, o.B, [&](int32_t row) {
    float* out = context.at<float>(o.out) + row * 3 * L;
    for (Index i = 0; i < 3 * L; ++i) out[i] = 0;
    const uint8_t* mask = context.at<uint8_t>(o.mask);
    if (mask != nullptr) mask += row * T;
    struct Side {
      const int32_t* tags;
      Index last, begin, label;  // begin: the step at which the open span began; -1: none is open
    } sides[] = {{context.at<int32_t>(o.truth) + row * T, K, -1, 0}, {context.at<int32_t>(o.predicted) + row * T, K, -1, 0}};
    for (Index t = 0; t <= T; ++t) {
      if (t < T && mask != nullptr && mask[t] == 0) continue;
      Index ended[2] = {-1, -1}, label[2] = {0, 0};
      for (int32_t side = 0; side < 2; ++side) {
        Side& s = sides[side];
        const Index tag = t < T && within(s.tags[t], K) ? s.tags[t] : K;
        const int32_t rule = rules[s.last * (K + 1) + tag];
        if (s.begin >= 0 && (rule & 1) == 0) {
          if ((rule & 2) != 0) {
            ended[side] = s.begin;
            label[side] = s.label;
            out[side * L + s.label] += 1;
          }
          s.begin = -1;
        }
        if ((rule & 4) != 0 && tag < K && within(labels[tag], L)) {
          s.begin = t;
          s.label = labels[tag];
        }
        s.last = tag;
      }
      if (ended[0] >= 0 && ended[0] == ended[1] && label[0] == label[1]) out[2 * L + label[0]] += 1;
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
