// Skip-gram with negative sampling (Mikolov et al., Distributed representations of words and phrases and their
// compositionality, 2013), deterministic at any number of threads.
//
// Within a lane the steps follow each other as in word2vec: one context after another sees what the last one changed.
// (All contexts of a centre at once make a small matrix product, as in Ji et al., Parallelizing word2vec in shared and
// distributed memory, 2016. It is faster, but pulls the vectors of common words to other places.) Lanes run beside each
// other: rows that one lane alone touches in a round are its own, of others each has a copy, and what was added to the
// copies is added up. So the outcome depends on the number of lanes, which is fixed, and not on the number of threads.
#include "philox.h"
#include "tile.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int32_t kMostNegative = 255, kMostWindow = 1 << 12, kMostLanes = 64;
constexpr int32_t kMostWords = 1 << 20, kMostRows = 1 << 30;
constexpr int32_t kLine = 16;  // words of a cache line, to which all parts of `work` are rounded up

// A row within a round. Of its own: the key, 2 × row, + 1 in the output table. A copy: ~ its number.
using Place = int32_t;
constexpr Place kNowhere = INT32_MIN;  // a negative that is the centre itself

// The kept words of all rounds, in their order.
struct Kept {
  int32_t* word;    // of each: its row,
  int32_t* at;      // where it stands,
  int32_t* begin;   // and the range of its contexts among the kept words
  int32_t* end;
  int32_t* starts;  // [rounds + 1] where those of each round begin
};

// Everything that a round decides before it begins. Its centres are the kept words from `first` on.
struct Plan {
  int32_t first, last;
  int32_t* shared;  // [1] how many rows have copies
  Place* outputs;   // [centres, targets] the centre and its negatives
  Place* inputs;    // [lanes, reach] the words within reach of each lane's centres
  int32_t* copies;  // [lanes + 1] where each lane's copies begin
  int32_t* copied;  // of each copy: the key of its row,
  int32_t* next;    // and the next copy of the same row, -1 after the last
  int32_t* heads;   // [shared] the first copy of each row
  // Used while it is made: the rows by their keys (open addressing, -1 where there is none), and of each row the key, the
  // lane that touches it (-1: several), and the newest copy.
  int32_t *table, *keys, *owner, *newest;
};

// Sizes in 32-bit words; src/plan/sizes.ts has the same.
struct Layout {
  int32_t words;           // of all rounds
  int32_t targets;         // of a centre
  int32_t centres, reach;  // of a lane, at most
  int32_t places;          // of a round, at most, counting a row for each lane that touches it
  int32_t tableSize, tableShift;

  explicit Layout(const op::skipGram& o) {
    words = o.rounds * o.roundWords;
    targets = o.negative + 1;
    centres = (o.roundWords + o.lanes - 1) / o.lanes;
    reach = centres + 2 * o.window < words ? centres + 2 * o.window : words;
    places = o.lanes * (reach + centres * targets);
    tableSize = 2;
    tableShift = 31;
    for (; tableSize < 2 * places; tableSize *= 2) --tableShift;
  }
};

// Deals out `work`.
struct Work {
  int32_t* next;

  int32_t* take(int32_t words) {
    int32_t* part = next;
    next += (words + kLine - 1) / kLine * kLine;
    return part;
  }

  Kept kept(const op::skipGram& o, const Layout& layout) {
    Kept kept;
    kept.word = take(layout.words);
    kept.at = take(layout.words);
    kept.begin = take(layout.words);
    kept.end = take(layout.words);
    kept.starts = take(o.rounds + 1);
    return kept;
  }

  // Of a round whose centres are not yet known.
  Plan plan(const op::skipGram& o, const Layout& layout) {
    Plan plan = {};
    plan.shared = take(1);
    plan.outputs = take(o.roundWords * layout.targets);
    plan.inputs = take(o.lanes * layout.reach);
    plan.copies = take(o.lanes + 1);
    plan.copied = take(layout.places);
    plan.next = take(layout.places);
    plan.heads = take(layout.places);
    plan.table = take(layout.tableSize);
    plan.keys = take(layout.places);
    plan.owner = take(layout.places);
    plan.newest = take(layout.places);
    return plan;
  }
};

// The operands of an instruction.
struct Run {
  const op::skipGram& o;
  const Layout layout;
  const int32_t* words;
  uint64_t position;
  uint32_t epoch, key0, key1;
  const float *rates, *keep, *probability;
  const int32_t* alias;
  float* tables[2];  // input, output
  Kept kept;
  float* copies;     // [places, cols]

  float* row(int32_t key) const { return tables[key & 1] + Index{key >> 1} * o.cols; }
  float* copy(int32_t number) const { return copies + Index{number} * o.cols; }
  float* at(Place place) const { return place < 0 ? copy(~place) : row(place); }
};

RONDO_INLINE float fraction(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

RONDO_INLINE void count(const Run& run, Words& words, int32_t i, uint64_t position, int32_t block) {
  words.word[0][i] = static_cast<uint32_t>(position);
  words.word[1][i] = static_cast<uint32_t>(position >> 32);
  words.word[2][i] = run.epoch;
  words.word[3][i] = static_cast<uint32_t>(block);
}

// How far the contexts of each of the words in [from, to) go, 0 where it is not kept: to kept.end, for choose().
void drawWindows(const Run& run, Index from, Index to) {
  for (Index block = from; block < to; block += kCounters) {
    Words random;
    for (int32_t i = 0; i < kCounters; ++i) count(run, random, i, run.position + uint64_t(block + i), 0);
    philox(random, run.key0, run.key1);
    const Index left = to - block < kCounters ? to - block : kCounters;
    for (Index i = 0; i < left; ++i) {
      const int32_t word = run.words[block + i];
      const bool isKept = word >= 0 && fraction(random.word[0][i]) < run.keep[word];
      const auto window = static_cast<int32_t>(uint64_t{random.word[1][i]} * uint64_t(run.o.window) >> 32);
      run.kept.end[block + i] = isKept ? 1 + window : 0;
    }
  }
}

// Lists the kept words. Their list is written over what drawWindows() has left, but not beyond what is read already.
void choose(const Run& run) {
  const Kept& kept = run.kept;
  int32_t count = 0, sentence = 0, open = 0;  // the first word of the sentence; the first whose range is not yet known
  const auto endSentence = [&] {
    for (; open < count; ++open) kept.end[open] = kept.end[open] < count ? kept.end[open] : count;
    sentence = count;
  };
  for (int32_t round = 0, at = 0; round < run.o.rounds; ++round) {
    kept.starts[round] = count;
    for (const int32_t end = at + run.o.roundWords; at < end; ++at) {
      const int32_t word = run.words[at], window = kept.end[at];
      if (word < 0) {
        endSentence();
      } else if (window > 0) {
        kept.word[count] = word;
        kept.at[count] = at;
        kept.begin[count] = count - window > sentence ? count - window : sentence;
        kept.end[count] = count + window + 1;
        ++count;
      }
    }
  }
  endSentence();
  kept.starts[run.o.rounds] = count;
}

// Writes the centres and their negatives to plan.outputs, as words: -1 where a negative is the centre.
void drawNegatives(const Run& run, const Plan& plan) {
  const op::skipGram& o = run.o;
  for (int32_t begin = plan.first; begin < plan.last; begin += kCounters) {
    const int32_t left = plan.last - begin < kCounters ? plan.last - begin : kCounters;
    const int32_t* centres = run.kept.word + begin;
    int32_t* outputs = plan.outputs + (begin - plan.first) * run.layout.targets;
    for (int32_t i = 0; i < left; ++i) outputs[i * run.layout.targets] = centres[i];
    for (int32_t drawn = 0; drawn < o.negative; drawn += 4) {
      Words random;
      for (int32_t i = 0; i < kCounters; ++i) {
        count(run, random, i, run.position + uint64_t(run.kept.at[begin + (i < left ? i : 0)]), 1 + drawn / 4);
      }
      philox(random, run.key0, run.key1);
      const int32_t some = o.negative - drawn < 4 ? o.negative - drawn : 4;
      for (int32_t i = 0; i < left; ++i) {
        for (int32_t j = 0; j < some; ++j) {
          const uint64_t point = uint64_t{random.word[j][i]} * uint64_t(o.rows);
          const auto cell = static_cast<int32_t>(point >> 32);
          const int32_t word = fraction(static_cast<uint32_t>(point)) < run.probability[cell] ? cell : run.alias[cell];
          outputs[i * run.layout.targets + 1 + drawn + j] = word == centres[i] ? -1 : word;
        }
      }
    }
  }
}

// A lane's centres and the words within reach of them.
struct Lane {
  int32_t first, last, reachBegin, reachEnd;
};

Lane laneOf(const Run& run, const Plan& plan, int32_t number) {
  const Index centres = plan.last - plan.first;
  const auto first = static_cast<int32_t>(plan.first + share(centres, number, run.o.lanes));
  const auto last = static_cast<int32_t>(plan.first + share(centres, number + 1, run.o.lanes));
  Lane lane = {first, last, first, last};
  for (int32_t k = first; k < last; ++k) {
    if (run.kept.begin[k] < lane.reachBegin) lane.reachBegin = run.kept.begin[k];
    if (run.kept.end[k] > lane.reachEnd) lane.reachEnd = run.kept.end[k];
  }
  return lane;
}

// place = body(place, table) for every place of a lane.
template <class Body>
RONDO_INLINE void eachPlace(const Run& run, const Plan& plan, int32_t number, const Lane& lane, const Body& body) {
  const int32_t targets = run.layout.targets;
  const int32_t first = (lane.first - plan.first) * targets, last = (lane.last - plan.first) * targets;
  for (int32_t i = first; i < last; ++i) plan.outputs[i] = body(plan.outputs[i], 1);
  Place* inputs = plan.inputs + number * run.layout.reach;
  for (int32_t i = 0; i < lane.reachEnd - lane.reachBegin; ++i) inputs[i] = body(inputs[i], 0);
}

// Turns the words of plan.outputs and plan.inputs into places: finds the rows and who touches them, then gives every lane
// copies of those that another touches too.
void settle(const Run& run, const Plan& plan) {
  const int32_t tableSize = run.layout.tableSize;
  const uint32_t mask = static_cast<uint32_t>(tableSize) - 1;
  for (int32_t i = 0; i < tableSize; ++i) plan.table[i] = -1;
  int32_t rows = 0;
  for (int32_t number = 0; number < run.o.lanes; ++number) {
    const Lane lane = laneOf(run, plan, number);
    Place* inputs = plan.inputs + number * run.layout.reach;
    for (int32_t i = lane.reachBegin; i < lane.reachEnd; ++i) inputs[i - lane.reachBegin] = run.kept.word[i];
    eachPlace(run, plan, number, lane, [&](int32_t word, int32_t table) {
      if (word < 0) return -1;
      const int32_t key = 2 * word + table;
      uint32_t at = static_cast<uint32_t>(key) * 0x9e3779b1u >> run.layout.tableShift;
      for (; plan.table[at] >= 0; at = (at + 1) & mask) {
        const int32_t row = plan.table[at];
        if (plan.keys[row] != key) continue;
        if (plan.owner[row] != number) plan.owner[row] = -1;
        return row;
      }
      plan.keys[rows] = key;
      plan.owner[rows] = number;
      plan.newest[rows] = -1;
      return plan.table[at] = rows++;
    });
  }
  int32_t copies = 0, shared = 0;
  for (int32_t number = 0; number < run.o.lanes; ++number) {
    const int32_t before = plan.copies[number] = copies;
    eachPlace(run, plan, number, laneOf(run, plan, number), [&](int32_t row, int32_t) -> Place {
      if (row < 0) return kNowhere;
      if (plan.owner[row] >= 0) return plan.keys[row];
      int32_t& newest = plan.newest[row];
      if (newest < before) {
        (newest < 0 ? plan.heads[shared++] : plan.next[newest]) = copies;
        plan.copied[copies] = plan.keys[row];
        plan.next[copies] = -1;
        newest = copies++;
      }
      return ~newest;
    });
  }
  plan.copies[run.o.lanes] = copies;
  *plan.shared = shared;
}

// The sum of a vector's lanes: halves are added until one is left.
RONDO_INLINE float total(vf v) {
  typedef float four __attribute__((vector_size(16)));
#if RONDO_LANES == 4
  const four sum = v;
#else
  four part[VL / 4];
  __builtin_memcpy(part, &v, sizeof v);
#if RONDO_LANES == 8
  const four sum = part[0] + part[1];
#else
  const four sum = (part[0] + part[2]) + (part[1] + part[3]);
#endif
#endif
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// A context's products with R of the centre's rows.
template <int R>
RONDO_INLINE void products(Index cols, const float* x, float* const* rows, float* out) {
  const float* y[R];
  vf sums[R];
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    y[i] = rows[i];
    sums[i] = broadcast(0.f);
  }
  for (Index column = 0; column < cols; column += VL) {
    const vf line = load(x + column);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) sums[i] = fma_(line, load(y[i] + column), sums[i]);
  }
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) out[i] = total(sums[i]);
}

// R of the centre's rows move along the context, whose error they add to; the last of them move the context along it.
template <int R>
RONDO_INLINE void move(Index cols, float* x, float* const* rows, const float* slopes, float* error, bool first, bool last) {
  float* y[R];
  vf g[R];
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    y[i] = rows[i];
    g[i] = broadcast(slopes[i]);
  }
  for (Index column = 0; column < cols; column += VL) {
    const vf line = load(x + column);
    vf sum = first ? broadcast(0.f) : load(error + column);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      const vf row = load(y[i] + column);
      sum = fma_(g[i], row, sum);
      store(y[i] + column, fma_(g[i], line, row));
    }
    if (last) {
      store(x + column, line + sum);
    } else {
      store(error + column, sum);
    }
  }
}

RONDO_INLINE void fetch(const float* row, Index cols) {
  for (Index column = 0; column < cols; column += kLine) __builtin_prefetch(row + column);
}

// The steps of one lane.
void train(const Run& run, const Plan& plan, int32_t number, float rate, float* error) {
  const Index cols = run.o.cols;
  const int32_t targets = run.layout.targets;
  for (int32_t i = plan.copies[number]; i < plan.copies[number + 1]; ++i) {
    const float* from = run.row(plan.copied[i]);
    float* to = run.copy(i);
    for (Index column = 0; column < cols; column += VL) store(to + column, load(from + column));
  }
  const Lane lane = laneOf(run, plan, number);
  const Place* inputs = plan.inputs + number * run.layout.reach - lane.reachBegin;
  constexpr int32_t most = kMostNegative + 1 + VL;
  float* rows[most];
  alignas(64) float slopes[most] = {}, scales[most] = {}, labels[most] = {1.f};
  for (int32_t k = lane.first; k < lane.last; ++k) {
    const Place* outputs = plan.outputs + (k - plan.first) * targets;
    for (int32_t j = 0; j < targets; ++j) {
      const bool somewhere = outputs[j] != kNowhere;
      scales[j] = somewhere ? rate : 0.f;
      rows[j] = run.at(somewhere ? outputs[j] : outputs[0]);
    }
    if (k + 1 < lane.last) {  // rows on their way from memory
      for (int32_t j = 0; j < targets; ++j) {
        if (outputs[targets + j] >= 0) fetch(run.row(outputs[targets + j]), cols);
      }
    }
    for (int32_t c = run.kept.begin[k]; c < run.kept.end[k]; ++c) {
      if (c == k) continue;
      float* x = run.at(inputs[c]);
      forTiles<1>(targets, [&](auto tile, Index at) {
        products<decltype(tile)::count>(cols, x, rows + at, slopes + at);
      });
      for (int32_t j = 0; j < targets; j += VL) {
        store(slopes + j, load(scales + j) * (load(labels + j) - sigmoid(load(slopes + j))));
      }
      forTiles<1>(targets, [&](auto tile, Index at) {
        constexpr int32_t count = decltype(tile)::count;
        move<count>(cols, x, rows + at, slopes + at, error, at == 0, at + count == targets);
      });
    }
  }
}

// Adds up what the lanes have added to their copies of a row.
void addUp(const Run& run, const Plan& plan, int32_t head) {
  const float* copies[kMostLanes];
  int32_t count = 0;
  for (int32_t copy = head; copy >= 0; copy = plan.next[copy]) copies[count++] = run.copy(copy);
  float* row = run.row(plan.copied[head]);
  for (Index column = 0; column < run.o.cols; column += VL) {
    const vf before = load(row + column);
    vf sum = before;
    for (int32_t i = 0; i < count; ++i) sum += load(copies[i] + column) - before;
    store(row + column, sum);
  }
}

Status check(const Context& context, const op::skipGram& o) {
  if (absent(o.words, o.place, o.seed, o.rates, o.keep, o.probability, o.alias, o.input, o.output, o.work)) {
    return context.fail(Status::missingOperand);
  }
  const struct {
    int32_t value, least, most;
  } fields[] = {{o.rounds, 0, kMostWords},
                {o.roundWords, 1, kMostWords},
                {o.lanes, 1, kMostLanes},
                {o.window, 1, kMostWindow},
                {o.negative, 1, kMostNegative},
                {o.rows, 1, kMostRows},
                {o.cols, kLine, INT32_MAX},
                {o.cols % kLine, 0, 0}};
  for (const auto& [value, least, most] : fields) {
    if (value < least || value > most) return context.fail(Status::wrongField, value, least, most);
  }
  if (o.rounds > kMostWords / o.roundWords) {
    return context.fail(Status::wrongField, o.rounds, 0, kMostWords / o.roundWords);
  }
  const int32_t* words = context.at<int32_t>(o.words);
  const Index count = Index{o.rounds} * o.roundWords;
  for (Index i = 0; i < count; ++i) {
    if (words[i] < -1 || words[i] >= o.rows) {
      return context.fail(Status::indexOutOfRange, static_cast<int32_t>(i), words[i], o.rows);
    }
  }
  return Status::ok;
}

}  // namespace

Status execute(const Context& context, const op::skipGram& o, Tail) {
  if (const Status status = check(context, o); status != Status::ok) return status;
  const auto word = [&](Ptr p, int32_t i) { return static_cast<uint32_t>(context.at<int32_t>(p)[i]); };
  const Layout layout(o);
  Work work{context.at<int32_t>(o.work)};
  const Kept kept = work.kept(o, layout);
  int32_t* const plans = work.next;
  work.plan(o, layout);
  const Index planned = work.next - plans;
  float* const errors = reinterpret_cast<float*>(plans + o.rounds * planned);  // [lanes, cols]
  const Run run{o,
                layout,
                context.at<int32_t>(o.words),
                uint64_t{word(o.place, 1)} << 32 | word(o.place, 0),
                word(o.place, 2),
                word(o.seed, 0),
                word(o.seed, 1),
                context.at<float>(o.rates),
                context.at<float>(o.keep),
                context.at<float>(o.probability),
                context.at<int32_t>(o.alias),
                {context.at<float>(o.input), context.at<float>(o.output)},
                kept,
                errors + o.lanes * Index{o.cols}};
  const auto planOf = [&](int32_t round) {
    Plan plan = Work{plans + round * planned}.plan(o, layout);
    plan.first = kept.starts[round];
    plan.last = kept.starts[round + 1];
    return plan;
  };

  parallelFor(context.parallel, o.rounds, [&](int32_t round) {
    const Index from = Index{round} * o.roundWords;
    drawWindows(run, from, from + o.roundWords);
  });
  choose(run);
  parallelFor(context.parallel, o.rounds, [&](int32_t round) {
    const Plan plan = planOf(round);
    drawNegatives(run, plan);
    settle(run, plan);
  });
  for (int32_t round = 0; round < o.rounds; ++round) {
    const Plan plan = planOf(round);
    if (plan.first == plan.last) continue;
    parallelFor(context.parallel, o.lanes,
                [&](int32_t i) { train(run, plan, i, run.rates[round], errors + i * Index{o.cols}); });
    // A twentieth of the work: for few threads, waiting for each other once more costs as much.
    const int32_t parts = context.parallel->threads < 4 ? 1 : 4 * context.parallel->threads;
    parallelFor(context.parallel, parts, [&](int32_t part) {
      const Index end = share(*plan.shared, part + 1, parts);
      for (Index i = share(*plan.shared, part, parts); i < end; ++i) addUp(run, plan, plan.heads[i]);
    });
  }
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
