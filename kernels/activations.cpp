// Keras's activations, as the recurrent kernels look them up.
#include "rnn.h"

namespace RONDO_NAMESPACE {
namespace {
constexpr float kSeluScale = 1.0507009873554805f, kSeluAlpha = 1.6732632423543772f;  // Klambauer et al. 2017
}

vf activate(Activation kind, vf x) {
  const vf zero = broadcast(0.f);
  switch (kind) {
    case Activation::linear: return x;
    case Activation::tanh: return tanh(x);
    case Activation::sigmoid: return sigmoid(x);
    case Activation::relu: return select(x < zero, zero, x);
    case Activation::hardSigmoid: return atMost(atLeast(x + 3.f, 0.f), 6.f) / 6.f;
    case Activation::softsign: return x / (abs(x) + 1.f);
    case Activation::elu: return select(x < zero, expm1(x), x);
    case Activation::selu: return kSeluScale * select(x < zero, kSeluAlpha * expm1(x), x);
    case Activation::softplus: return softplus(x);
    case Activation::exponential: return exp(x);
    case Activation::hardTanh: return atMost(atLeast(x, -1.f), 1.f);
    case Activation::relu6: return atMost(atLeast(x, 0.f), 6.f);
    case Activation::leakyRelu: return select(x < zero, 0.2f * x, x);
    case Activation::hardSigmoidKeras2: return atMost(atLeast(0.2f * x + 0.5f, 0.f), 1.f);
  }
  return x;
}

vf slope(Activation kind, vf y) {
  const vf zero = broadcast(0.f), one = broadcast(1.f);
  switch (kind) {
    case Activation::linear: return one;
    case Activation::tanh: return 1.f - y * y;
    case Activation::sigmoid: return y * (1.f - y);
    case Activation::relu: return select(y > zero, one, zero);
    case Activation::hardSigmoid: return select((y > zero) & (y < one), broadcast(1.f / 6.f), zero);
    case Activation::softsign: return (1.f - abs(y)) * (1.f - abs(y));
    case Activation::elu: return select(y < zero, y + 1.f, one);
    case Activation::selu: return select(y < zero, y + kSeluScale * kSeluAlpha, broadcast(kSeluScale));
    case Activation::softplus: return -expm1(-y);
    case Activation::exponential: return y;
    case Activation::hardTanh: return select((y > -1.f) & (y < one), one, zero);
    case Activation::relu6: return select((y > zero) & (y < 6.f), one, zero);
    case Activation::leakyRelu: return select(y > zero, one, broadcast(0.2f));
    case Activation::hardSigmoidKeras2: return select((y > zero) & (y < one), broadcast(0.2f), zero);
  }
  return one;
}

}  // namespace RONDO_NAMESPACE
