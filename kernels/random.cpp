// Counter-based random numbers: Philox4x32-10.
//
// Every element depends on its counter alone: how the work is cut never shows.
#include "philox.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int32_t kBlock = kCounters;
constexpr int64_t kParallelElements = 1 << 14;

typedef uint32_t unsignedInts __attribute__((vector_size(VL * 4)));

RONDO_INLINE unsignedInts wrapping(vi x) { return reinterpret_cast<unsignedInts>(x); }
RONDO_INLINE vi wrapped(unsignedInts x) { return reinterpret_cast<vi>(x); }

struct Values {
  alignas(64) float value[4][kBlock];
};

// 24 random bits: 0, 2^-24 … 1 − 2^-24.
RONDO_INLINE vf fraction(const uint32_t* word) {
  const vi bits24 = (load(reinterpret_cast<const int32_t*>(word)) >> 8) & 0xffffff;
  return __builtin_convertvector(bits24, vf) * 0x1p-24f;
}

void uniform(const Words& words, Values& out, float a, float b) {
  const vf least = broadcast(a), width = broadcast(b - a);
  const vf last = fromBits(bits(broadcast(b)) + (b > 0.f ? -1 : 1));  // the float before b, which rounding may reach
  for (int32_t j = 0; j < 4; ++j) {
    for (int32_t i = 0; i < kBlock; i += VL) {
      const vf x = fma_(width, fraction(words.word[j] + i), least);
      store(out.value[j] + i, select((x >= b) & (width > 0.f), last, x));
    }
  }
}

// Sine and cosine of a full turn × word / 2^32: exact reduction to an eighth of a turn around a quarter, Taylor series.
RONDO_INLINE void turn(vi word, vf& sine, vf& cosine) {
  static constexpr float s[] = {1.f, -1.f / 6, 1.f / 120, -1.f / 5040, 1.f / 362880};
  static constexpr float c[] = {1.f, -1.f / 2, 1.f / 24, -1.f / 720, 1.f / 40320, -1.f / 3628800};
  const vi quarter = ((word >> 29) + 1) >> 1;  // −2 … 2
  const vi rest = wrapped(wrapping(word) - wrapping(quarter << 30));
  const vf x = __builtin_convertvector(rest, vf) * (1.57079632679f * 0x1p-30f);
  const vf square = x * x, sn = x * polynomial(square, s), cs = polynomial(square, c);
  const vi odd = (quarter & 1) != 0;
  const vf sinSign = fromBits((quarter & 2) << 30), cosSign = fromBits(((quarter + 1) & 2) << 30);
  sine = fromBits(bits(select(odd, cs, sn)) ^ bits(sinSign));
  cosine = fromBits(bits(select(odd, sn, cs)) ^ bits(cosSign));
}

// Standard normals (Box and Muller 1958): words 0, 1 give elements 0, 1; words 2, 3 give elements 2, 3.
void normal(const Words& words, Values& out) {
  for (int32_t j = 0; j < 4; j += 2) {
    for (int32_t i = 0; i < kBlock; i += VL) {
      const vi first = load(reinterpret_cast<const int32_t*>(words.word[j] + i));
      const vi second = load(reinterpret_cast<const int32_t*>(words.word[j + 1] + i));
      const vf upper = __builtin_convertvector((first >> 1) & INT32_MAX, vf);
      const vf u = fma_(upper, broadcast(0x1p-31f), broadcast(0x1p-32f));
      const vf radius = sqrt(log(u) * -2.f);
      vf sine, cosine;
      turn(second, sine, cosine);
      store(out.value[j] + i, radius * cosine);
      store(out.value[j + 1] + i, radius * sine);
    }
  }
}

// Redraws what lies beyond two standard deviations: each draw's words are the counter of the next.
void truncatedNormal(Words& words, Values& out, uint32_t key0, uint32_t key1) {
  normal(words, out);
  for (bool again = true; again;) {
    again = false;
    Values next;
    bool drawn = false;
    for (int32_t i = 0; i < 4 * kBlock; ++i) {
      float& value = out.value[i / kBlock][i % kBlock];
      if (value >= -2.f && value <= 2.f) continue;
      if (!drawn) {
        philox(words, key0, key1);
        normal(words, next);
        drawn = true;
      }
      value = next.value[i / kBlock][i % kBlock];
      again = true;
    }
  }
}

void dropout(const Words& words, Values& out, float rate) {
  const vf kept = broadcast(1.f / (1.f - rate));
  for (int32_t j = 0; j < 4; ++j) {
    for (int32_t i = 0; i < kBlock; i += VL) {
      store(out.value[j] + i, select(fraction(words.word[j] + i) >= rate, kept, broadcast(0.f)));
    }
  }
}

void scale(Values& values, float mean, float deviation) {
  for (int32_t j = 0; j < 4; ++j) {
    for (int32_t i = 0; i < kBlock; i += VL) {
      store(values.value[j] + i, fma_(load(values.value[j] + i), broadcast(deviation), broadcast(mean)));
    }
  }
}

// count elements from their multipliers (dropout: dropped elements are 0 whatever x is) or as they are.
RONDO_INLINE void put(const float* values, const float* x, float* out, Index count) {
  for (Index i = 0; i < count; ++i) out[i] = x == nullptr ? values[i] : values[i] == 0.f ? 0.f : x[i] * values[i];
}

}  // namespace

Status execute(const Context& context, const op::random& o, Tail) {
  if (absent(o.out, o.seed)) return context.fail(Status::missingOperand);
  if (o.kind < 0 || o.kind > 3) return context.fail(Status::wrongField, o.kind, 0, 3);
  const int32_t least = o.rows < o.rowElements ? o.rows : o.rowElements;
  if (least < 0) return context.fail(Status::wrongField, least, 0, INT32_MAX);
  const auto kind = static_cast<Distribution>(o.kind);
  const auto word = [&](Ptr p, int32_t i) { return static_cast<uint32_t>(context.at<int32_t>(p)[i]); };
  const uint32_t key0 = word(o.seed, 0), key1 = word(o.seed, 1);
  const uint32_t step = absent(o.step) ? 0 : word(o.step, 0);
  const uint32_t row0 = absent(o.rowBase) ? 0 : word(o.rowBase, 0);
  const float* x = kind == Distribution::dropout ? context.at<float>(o.x) : nullptr;
  float* out = context.at<float>(o.out);
  const Index width = o.rowElements;
  const Index perRow = (width + 3) / 4, counters = o.rows * perRow;
  const Index blocks = (counters + kBlock - 1) / kBlock;
  const Index most = int64_t{counters} * 4 < kParallelElements ? 1 : 8 * context.parallel->threads;
  const int32_t tasks = static_cast<int32_t>(blocks < most ? blocks : most);

  parallelFor(context.parallel, tasks, [&](int32_t task) {
    for (Index block = share(blocks, task, tasks); block < share(blocks, task + 1, tasks); ++block) {
      Words words;
      Values values;
      const Index row = block * kBlock / perRow, start = block * kBlock - row * perRow;
      Index r = row, column = start;
      for (int32_t i = 0; i < kBlock; ++i) {
        words.word[0][i] = static_cast<uint32_t>(column);
        words.word[1][i] = row0 + static_cast<uint32_t>(r);
        words.word[2][i] = step;
        words.word[3][i] = static_cast<uint32_t>(o.opId);
        if (++column == perRow) {
          column = 0;
          ++r;
        }
      }
      philox(words, key0, key1);
      switch (kind) {
        case Distribution::uniform:
          uniform(words, values, o.a, o.b);
          break;
        case Distribution::normal:
          normal(words, values);
          scale(values, o.a, o.b);
          break;
        case Distribution::truncatedNormal:
          truncatedNormal(words, values, key0, key1);
          scale(values, o.a, o.b);
          break;
        case Distribution::dropout:
          dropout(words, values, o.a);
      }
      alignas(64) float element[4 * kBlock];
      for (int32_t i = 0; i < kBlock; ++i) {
        for (int32_t j = 0; j < 4; ++j) element[4 * i + j] = values.value[j][i];
      }
      const Index counts = counters - block * kBlock < kBlock ? counters - block * kBlock : kBlock;
      column = start;
      r = row;
      for (Index i = 0; i < counts;) {  // the block's part of each row
        const Index run = perRow - column < counts - i ? perRow - column : counts - i;
        const Index at = r * width + 4 * column, left = width - 4 * column;
        put(element + 4 * i, x == nullptr ? nullptr : x + at, out + at, 4 * run < left ? 4 * run : left);
        i += run;
        column = 0;
        ++r;
      }
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
