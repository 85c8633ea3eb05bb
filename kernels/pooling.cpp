// pool and poolGradient: maxima and means over windows of pixels.
//
// A task takes some channels of some images, so that what overlapping windows add to a pixel is added in one order. No
// places of maxima are kept: the gradient looks for the first one again.
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kChannels = 64;  // of a task, where there are few images

struct Axis {
  Index size, out, window, stride, before;
  // The window of pixel p: [begin, end) of the input.
  Index begin(Index p) const { return p * stride > before ? p * stride - before : 0; }
  bool covered() const { return stride == window && begin(out) >= size; }
  Index end(Index p) const { return p * stride - before + window < size ? p * stride - before + window : size; }
};

struct Pool {
  bool average;
  Index N, C;
  Axis d, h, w;
  const float* x;

  template <class Op>
  Pool(const Context& context, const Op& o)
      : average(o.average != 0), N(o.N), C(o.C), d{o.D, o.OD, o.KD, o.sD, o.front}, h{o.H, o.OH, o.KH, o.sH, o.top},
        w{o.W, o.OW, o.KW, o.sW, o.left}, x(context.at<float>(o.x)) {}

  Index inputs() const { return d.size * h.size * w.size * C; }
  Index outputs() const { return d.out * h.out * w.out * C; }
  bool disjoint() const { return d.stride >= d.window && h.stride >= h.window && w.stride >= w.window; }
  // Whether every pixel is in exactly one window.
  bool covers() const { return d.covered() && h.covered() && w.covered(); }
};

struct Window {
  Index d0, d1, h0, h1, w0, w1;
  float count() const { return static_cast<float>((d1 - d0) * (h1 - h0) * (w1 - w0)); }
};

// body(window, where its pixel lies) for the windows of an image.
template <class Body>
RONDO_INLINE void forWindows(const Pool& p, const Body& body) {
  Index at = 0;
  for (Index a = 0; a < p.d.out; ++a) {
    for (Index b = 0; b < p.h.out; ++b) {
      for (Index c = 0; c < p.w.out; ++c, at += p.C) {
        body(Window{p.d.begin(a), p.d.end(a), p.h.begin(b), p.h.end(b), p.w.begin(c), p.w.end(c)}, at);
      }
    }
  }
}

// body(where an input pixel lies) for the pixels of a window, in their order.
template <class Body>
RONDO_INLINE void forPixels(const Pool& p, const Window& window, const Body& body) {
  for (Index a = window.d0; a < window.d1; ++a) {
    for (Index b = window.h0; b < window.h1; ++b) {
      const Index row = (a * p.h.size + b) * p.w.size;
      for (Index c = window.w0; c < window.w1; ++c) body((row + c) * p.C);
    }
  }
}

// Like `larger`, but a NaN on either side wins.
RONDO_INLINE vf largest(vf a, vf b) { return select(a != a, a, larger(a, b)); }

// The lanes of a vector of channels: all of them, or the first `count`.
struct Whole {
  vf from(const float* p) const { return load(p); }
  void to(float* p, vf v) const { store(p, v); }
};
struct Partial {
  Index count;
  vf from(const float* p) const { return loadPart(p, count); }
  void to(float* p, vf v) const { storePart(p, v, count); }
};

// body(lanes, first channel) for the vectors of the channels [first, end).
template <class Body>
RONDO_INLINE void forChannels(Index first, Index end, const Body& body) {
  Index c = first;
  for (; c + VL <= end; c += VL) body(Whole{}, c);
  if (c < end) body(Partial{end - c}, c);
}

template <class Lanes>
RONDO_INLINE vf maximumOf(const Pool& p, const Window& window, const float* x, const Lanes& lanes) {
  vf most = broadcast(-__builtin_inff());
  forPixels(p, window, [&](Index at) { most = largest(lanes.from(x + at), most); });
  return most;
}

// Images, or some channels of them: body(image, [channel, channelEnd)).
template <class Body>
void eachPart(const Context& context, const Pool& p, const Body& body) {
  const Index parts = p.N >= 16 ? 1 : (p.C + kChannels - 1) / kChannels;
  const int64_t pieces = int64_t{p.N} * parts, work = int64_t{p.inputs()} * p.N >> 14;
  const int64_t most = pieces < 256 ? pieces : 256;
  const int32_t tasks = static_cast<int32_t>(work < 1 ? 1 : work < most ? work : most);
  parallelFor(context.parallel, tasks, [&](int32_t task) {
    const Index end = share(pieces, task + 1, tasks);
    for (Index i = share(pieces, task, tasks); i < end; ++i) body(i / parts, share(p.C, i % parts, parts), share(p.C, i % parts + 1, parts));
  });
}

template <class Op>
Status check(const Context& context, const Op& o) {
  const int32_t extents[] = {o.N, o.D, o.H, o.W, o.C, o.OD, o.OH, o.OW};
  for (const int32_t size : extents) {
    if (size < 0) return context.fail(Status::wrongField, size, 0, INT32_MAX);
  }
  const int32_t sizes[] = {o.KD, o.KH, o.KW, o.sD, o.sH, o.sW};
  for (const int32_t size : sizes) {
    if (size < 1) return context.fail(Status::wrongField, size, 1, INT32_MAX);
  }
  return Status::ok;
}

}  // namespace

Status execute(const Context& context, const op::pool& o, Tail) {
  if (absent(o.x, o.out)) return context.fail(Status::missingOperand);
  if (const Status status = check(context, o); status != Status::ok) return status;
  const Pool p(context, o);
  float* out = context.at<float>(o.out);
  if (p.N == 0 || p.outputs() == 0) return Status::ok;
  eachPart(context, p, [&](Index image, Index first, Index end) {
    const float* x = p.x + image * p.inputs();
    float* to = out + image * p.outputs();
    forWindows(p, [&](const Window& window, Index at) {
      forChannels(first, end, [&](auto lanes, Index c) {
        vf y;
        if (p.average) {
          y = broadcast(0.f);
          forPixels(p, window, [&](Index pixel) { y += lanes.from(x + pixel + c); });
          y = y / window.count();
        } else {
          y = maximumOf(p, window, x + c, lanes);
        }
        lanes.to(to + at + c, y);
      });
    });
  });
  return Status::ok;
}

Status execute(const Context& context, const op::poolGradient& o, Tail) {
  if (absent(o.dy, o.dx) || (o.average == 0 && absent(o.x))) return context.fail(Status::missingOperand);
  if (const Status status = check(context, o); status != Status::ok) return status;
  const Pool p(context, o);
  const float* dy = context.at<float>(o.dy);
  float* dx = context.at<float>(o.dx);
  if (p.N == 0 || p.inputs() == 0) return Status::ok;
  const bool disjoint = p.disjoint();
  eachPart(context, p, [&](Index image, Index first, Index end) {
    const float *x = p.x + image * p.inputs(), *from = dy + image * p.outputs();
    float* to = dx + image * p.inputs();
    if (!p.covers()) {
      for (Index pixel = 0; pixel < p.inputs(); pixel += p.C) {
        forChannels(first, end, [&](auto lanes, Index c) { lanes.to(to + pixel + c, vf{}); });
      }
    }
    forWindows(p, [&](const Window& window, Index at) {
      forChannels(first, end, [&](auto lanes, Index c) {
        const vf g = lanes.from(from + at + c);
        const auto give = [&](Index pixel, vf part) {
          float* place = to + pixel + c;
          lanes.to(place, disjoint ? part : lanes.from(place) + part);
        };
        if (p.average) {
          const vf even = g / window.count();
          forPixels(p, window, [&](Index pixel) { give(pixel, even); });
          return;
        }
        const vf most = maximumOf(p, window, x + c, lanes);
        vi open = broadcast(-1);
        forPixels(p, window, [&](Index pixel) {
          const vf value = lanes.from(x + pixel + c);
          const vi found = open & ((value == most) | ((value != value) & (most != most)));
          give(pixel, select(found, g, broadcast(0.f)));
          open &= ~found;
        });
      });
    });
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
