"""Networks ready for use: the two-layer network that a learner starts from, and multi-layer perceptrons."""

from chainrule.networks.gradient_flow import Factor, GradientReport, ParameterGradient, gradient_report
from chainrule.networks.mlp import ACTIVATIONS, LOSSES, MLP, NetworkError
from chainrule.networks.two_layers import NeuralNetwork, two_layer_loss, two_layer_program

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MLP",
    "Factor",
    "GradientReport",
    "NetworkError",
    "NeuralNetwork",
    "ParameterGradient",
    "gradient_report",
    "two_layer_loss",
    "two_layer_program",
]
