"""The networks of "Deep Learning from Scratch" (K. Saitoh) in numpy, and nothing but numpy."""

from scratch.gradient import numerical_gradient
from scratch.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss, Tanh
from scratch.layers_extend import BatchNormalization, Dropout
from scratch.mnist import load_mnist
from scratch.multi_layer_net import MultiLayerNet
from scratch.multi_layer_net_extend import MultiLayerNetExtend
from scratch.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, Optimizer, RMSProp
from scratch.util import smooth_curve

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "Affine",
    "BatchNormalization",
    "Dropout",
    "Momentum",
    "MultiLayerNet",
    "MultiLayerNetExtend",
    "Nesterov",
    "Optimizer",
    "RMSProp",
    "Relu",
    "Sigmoid",
    "SoftmaxWithLoss",
    "Tanh",
    "load_mnist",
    "numerical_gradient",
    "smooth_curve",
]
