"""Optimisers as readers of the book write them: the base of tests/test_optimizer_check.py."""

import numpy as np


class Remembering:
    """What is remembered starts as None, and as zeros at the first update."""

    slots = ()

    def __init__(self, lr=0.01, **numbers):
        self.lr, self.iter = lr, 0
        for name, value in numbers.items():
            setattr(self, name, value)
        for slot in self.slots:
            setattr(self, slot, None)

    def update(self, params, grads):
        for slot in self.slots:
            if getattr(self, slot) is None:
                setattr(self, slot, {key: np.zeros_like(W) for key, W in params.items()})
        self.iter += 1
        for key in params:
            self.move(params, key, grads[key])


class SGD(Remembering):
    def move(self, params, key, g):
        params[key] -= self.lr * g


class Momentum(Remembering):
    slots = ("v",)

    def move(self, params, key, g):
        self.v[key] = self.momentum * self.v[key] - self.lr * g
        params[key] += self.v[key]


class Downhill(Remembering):
    slots = ("velocity",)

    def move(self, params, key, g):
        self.velocity[key] = self.momentum * self.velocity[key] + self.lr * g
        params[key] -= self.velocity[key]


class TorchMomentum(Remembering):
    slots = ("buf",)

    def move(self, params, key, g):
        self.buf[key] = self.momentum * self.buf[key] + g
        params[key] -= self.lr * self.buf[key]


class Nesterov(Remembering):
    slots = ("v",)

    def move(self, params, key, g):
        params[key] += self.momentum * self.momentum * self.v[key]
        params[key] -= (1 + self.momentum) * self.lr * g
        self.v[key] *= self.momentum
        self.v[key] -= self.lr * g


class LookingBack(Remembering):
    """Nesterov as in the notes of CS231n."""

    slots = ("v",)

    def move(self, params, key, g):
        before = self.v[key].copy()
        self.v[key] = self.momentum * self.v[key] - self.lr * g
        params[key] += -self.momentum * before + (1 + self.momentum) * self.v[key]


class AdaGrad(Remembering):
    slots = ("h",)

    def move(self, params, key, g):
        self.h[key] += g * g
        params[key] -= self.lr * g / (np.sqrt(self.h[key]) + 1e-7)


class RMSprop(Remembering):
    slots = ("h",)

    def move(self, params, key, g):
        self.h[key] *= self.decay_rate
        self.h[key] += (1 - self.decay_rate) * g * g
        params[key] -= self.lr * g / (np.sqrt(self.h[key]) + 1e-7)


class TensorFlow(Remembering):
    slots = ("h",)

    def move(self, params, key, g):
        self.h[key] = self.decay_rate * self.h[key] + (1 - self.decay_rate) * g**2
        params[key] -= self.lr * g / np.sqrt(self.h[key] + 1e-7)


class Adam(Remembering):
    slots = ("m", "v")

    def move(self, params, key, g):
        correction = np.sqrt(1.0 - self.beta2**self.iter) / (1.0 - self.beta1**self.iter)
        self.m[key] += (1 - self.beta1) * (g - self.m[key])
        self.v[key] += (1 - self.beta2) * (g**2 - self.v[key])
        params[key] -= self.lr * correction * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)


class Paper(Remembering):
    """Adam as algorithm 1 of the paper."""

    slots = ("first", "second")

    def move(self, params, key, g):
        self.first[key] = self.beta1 * self.first[key] + (1 - self.beta1) * g
        self.second[key] = self.beta2 * self.second[key] + (1 - self.beta2) * g * g
        m = self.first[key] / (1 - self.beta1**self.iter)
        v = self.second[key] / (1 - self.beta2**self.iter)
        params[key] -= self.lr * m / (np.sqrt(v) + 1e-8)
