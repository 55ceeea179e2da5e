"""Ready-made networks: the two-layer network of textbooks, and multi-layer perceptrons."""

from chainrule.networks.activations import ACTIVATIONS, OUTPUTS, Activation, ActivationLike
from chainrule.networks.architecture import Architecture, Normalization
from chainrule.networks.decay import MatrixDecay
from chainrule.networks.derivation import network_derivation
from chainrule.networks.errors import NetworkError
from chainrule.networks.evaluation import Evaluator
from chainrule.networks.forward import loss_function, prediction_function
from chainrule.networks.gradient_flow import Factor, GradientReport, ParameterGradient, gradient_report
from chainrule.networks.jobs import shares, side_by_side
from chainrule.networks.losses import (
    LOSS_TYPES,
    Absolute,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    FormulaLoss,
    FunctionLoss,
    Gamma,
    Huber,
    LogCosh,
    Loss,
    LossLike,
    Poisson,
    Quantile,
    Squared,
    Tweedie,
    read_loss,
)
from chainrule.networks.members import one_member
from chainrule.networks.mlp import LOSSES, MLP
from chainrule.networks.orders import ShuffledOrder
from chainrule.networks.prediction import BLOCK, predict_in_blocks, predict_rows
from chainrule.networks.restarts import best_restart, train_restarts
from chainrule.networks.scores import r2_score
from chainrule.networks.settings import TrainingSettings, Validation
from chainrule.networks.state import TrainingState
from chainrule.networks.trainer import train
from chainrule.networks.two_layers import NeuralNetwork, two_layer_loss, two_layer_program
from chainrule.networks.weighting import ClassWeight, row_weights
from chainrule.training import MomentumSGD, UncorrectedAdam

__all__ = [
    "ACTIVATIONS",
    "BLOCK",
    "LOSSES",
    "LOSS_TYPES",
    "MLP",
    "OUTPUTS",
    "Absolute",
    "Activation",
    "ActivationLike",
    "Architecture",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "ClassWeight",
    "CrossEntropy",
    "Evaluator",
    "Factor",
    "Focal",
    "FormulaLoss",
    "FunctionLoss",
    "Gamma",
    "GradientReport",
    "Huber",
    "LogCosh",
    "Loss",
    "LossLike",
    "MatrixDecay",
    "MomentumSGD",
    "NetworkError",
    "NeuralNetwork",
    "Normalization",
    "ParameterGradient",
    "Poisson",
    "Quantile",
    "ShuffledOrder",
    "Squared",
    "TrainingSettings",
    "TrainingState",
    "Tweedie",
    "UncorrectedAdam",
    "Validation",
    "best_restart",
    "gradient_report",
    "loss_function",
    "network_derivation",
    "one_member",
    "predict_in_blocks",
    "predict_rows",
    "prediction_function",
    "r2_score",
    "read_loss",
    "row_weights",
    "shares",
    "side_by_side",
    "train",
    "train_restarts",
    "two_layer_loss",
    "two_layer_program",
]
