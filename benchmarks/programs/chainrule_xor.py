"""Trains XOR and saves the weights."""

import sys

import numpy as np

import chainrule as cr

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])
network = cr.NeuralNetwork(2, 4, 1, seed=0)
network.train(X, y, 10_000, 0.1, report_every=0)
np.savez(
    sys.argv[1],
    W1=network.weights_input_hidden,
    b1=network.bias_hidden,
    W2=network.weights_hidden_output,
    b2=network.bias_output,
)
