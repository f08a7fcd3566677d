"""Mistakes of the catalogue in optimisers, planted in scratch/optimizer.py."""

# ruff: noqa: E501  # a bug a line, as a table

from planting import Bug

FILE = "scratch/optimizer.py"

UPDATES = [
    Bug('uphill', 'update', FILE, 'W -= self.lr * dW\n\n\nclass Momentum', 'W += self.lr * dW\n\n\nclass Momentum', options={'optimizer': 'SGD'}),
    Bug('lr in float32', 'numerics', FILE, 'W -= self.lr * dW\n\n\nclass Momentum', 'W -= float(np.float32(self.lr)) * dW\n\n\nclass Momentum', options={'optimizer': 'SGD'}),
    Bug('first parameter skipped', 'update', FILE, 'in params.items():\n            dW', 'in list(params.items())[1:]:\n            dW', options={'optimizer': 'SGD'}),
    Bug('sign of v', 'update', FILE, 'W += v', 'W -= v', options={'optimizer': 'Momentum'}),
    Bug('v not decayed', 'update', FILE, 'v *= self.momentum\n        if self.lr_inside:\n            v -= self.lr * dW\n            W += v', 'if self.lr_inside:\n            v -= self.lr * dW\n            W += v', options={'optimizer': 'Momentum', 'lr_inside': False}),
    Bug('exponential mean for v', 'update', FILE, 'v += dW\n            W -= self.lr * v', 'v += (1 - self.momentum) * dW\n            W -= self.lr * v', options={'optimizer': 'Momentum', 'lr_inside': False}),
    Bug('W moves before v', 'update', FILE, 'v -= self.lr * dW\n            W += v', 'W += v\n            v -= self.lr * dW', options={'optimizer': 'Momentum'}),
    Bug('momentum of 0.99', 'update', FILE, 'self.momentum = momentum', 'self.momentum = 0.99', options={'optimizer': 'Momentum', 'lr_inside': False}),
    Bug('v not kept', 'state', FILE, 'v *= self.momentum\n        if self.lr_inside:\n            v -= self.lr * dW\n            W += v', 'v = v * self.momentum\n        if self.lr_inside:\n            v -= self.lr * dW\n            W += v', options={'optimizer': 'Momentum', 'lr_inside': False}),
    Bug('nesterov of the book before 2021', 'update', FILE, 'W += self.momentum * v - self.lr * dW', 'W += self.momentum**2 * v - (1 + self.momentum) * self.lr * dW', options={'optimizer': 'Nesterov'}),
    Bug('nesterov is momentum', 'update', FILE, 'W += self.momentum * v - self.lr * dW', 'W += v', options={'optimizer': 'Nesterov'}),
    Bug('nesterov without dW', 'update', FILE, 'W -= self.lr * (dW + self.momentum * v)', 'W -= self.lr * self.momentum * v', options={'optimizer': 'Nesterov', 'lr_inside': False}),
    Bug('h replaced', 'update', FILE, 'h += dW * dW', 'h[...] = dW * dW', options={'optimizer': 'AdaGrad'}),
    Bug('h of |dW|', 'update', FILE, 'h += dW * dW', 'h += np.abs(dW)', options={'optimizer': 'AdaGrad'}),
    Bug('no root', 'update', FILE, 'dW / (np.sqrt(h) + self.eps)\n\n', 'dW / (h + self.eps)\n\n', options={'optimizer': 'AdaGrad'}),
    Bug('rate of 0.9', 'update', FILE, 'h *= self.decay_rate', 'h *= 0.9', options={'optimizer': 'RMSProp', 'eps_inside': False}),
    Bug('1 - r missing', 'update', FILE, 'h += (1 - self.decay_rate) * dW * dW', 'h += dW * dW', options={'optimizer': 'RMSProp', 'eps_inside': False}),
    Bug('no bias correction', 'update', FILE, 'first, second = 1 - self.beta1**self.t, math.sqrt(1 - self.beta2**self.t)', 'first, second = 1, 1', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('t never counted', 'update', FILE, 'self._updates.get(id(params), 0) + 1', '1', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('root of the correction missing', 'update', FILE, 'math.sqrt(1 - self.beta2**self.t)', '(1 - self.beta2**self.t)', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('beta2 of 0.99', 'update', FILE, 'self.eps, self.eps_hat = beta1, beta2,', 'self.eps, self.eps_hat = beta1, 0.99,', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('v of dW', 'update', FILE, 'dW * dW - v', 'dW - v', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('m where v belongs', 'update', FILE, 'np.sqrt(v) / second', 'np.sqrt(np.abs(m)) / second', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('decay not asked for', 'update', FILE, 'if self.weight_decay and', 'self.weight_decay = 1e-6\n            if', options={'optimizer': 'Adam', 'eps_hat': False}),
    Bug('decay without lr', 'update', FILE, 'W -= self.lr * self.weight_decay * W', 'W -= self.weight_decay * W', options={'optimizer': 'Adam', 'weight_decay': 0.1, 'decoupled': True, 'eps_hat': False}),
    Bug('decay halved', 'update', FILE, 'dW = dW + self.weight_decay * W', 'dW = dW + self.weight_decay * W / 2', options={'optimizer': 'Momentum', 'weight_decay': 0.1, 'lr_inside': False}),
    Bug('decay of the sign', 'update', FILE, 'dW = dW + self.weight_decay * W', 'dW = dW + self.weight_decay * np.sign(W)', options={'optimizer': 'SGD', 'weight_decay': 0.1}),
    Bug('decoupled after the update', 'update', FILE, 'if self.decoupled:\n                    W -= self.lr * self.weight_decay * W', 'if self.decoupled:\n                    W -= self.lr * self.weight_decay * (W - self.lr * dW)', options={'weight_decay': 0.1, 'optimizer': 'SGD', 'decoupled': True}),
    Bug("gradients added up", "state", FILE, "dW = grads[key]\n", "self.sums = getattr(self, 'sums', {}); dW = self.sums[key] = self.sums.get(key, 0) + grads[key]\n", options={"optimizer": "SGD"}),
    Bug("gradient of the step before", "state", FILE, "dW = grads[key]\n", "self.old = getattr(self, 'old', {}); dW = self.old.get(key, grads[key]); self.old[key] = grads[key].copy()\n", options={"optimizer": "SGD"}),
    Bug("lr in float16", "numerics", FILE, "W -= self.lr * dW\n\n\nclass Momentum", "W -= float(np.float16(self.lr)) * dW\n\n\nclass Momentum", options={"optimizer": "SGD"}),
    Bug("lr falls by itself", "update", FILE, "        state = self.state(params)\n", "        state = self.state(params); self.lr *= 0.95 if self._updates else 1\n", options={"optimizer": "SGD", "run": True}),
    Bug("betas exchanged", "update", FILE, "self.beta1, self.beta2, self.eps, self.eps_hat = beta1, beta2,", "self.beta1, self.beta2, self.eps, self.eps_hat = beta2, beta1,", options={"optimizer": "Adam"}),
    Bug("m not corrected", "update", FILE, "first, second = 1 - self.beta1**self.t,", "first, second = 1,", options={"optimizer": "Adam"}),
    Bug("sign of the gradient alone", "update", FILE, "dW = grads[key]\n", "dW = np.sign(grads[key])\n", options={"optimizer": "Momentum"}),
    Bug("gradient clipped at 1", "update", FILE, "dW = grads[key]\n", "dW = np.clip(grads[key], -1, 1)\n", options={"optimizer": "SGD"}),
]  # fmt: skip  # a bug a line
