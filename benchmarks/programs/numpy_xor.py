"""Trains XOR and saves the weights."""

import sys

import numpy as np

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])
random = np.random.RandomState(0)
W1, W2 = random.randn(2, 4), random.randn(4, 1)
b1, b2 = np.zeros((1, 4)), np.zeros((1, 1))
for _ in range(10_000):
    a1 = 1 / (1 + np.exp(-(X @ W1 + b1)))
    a2 = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
    d2 = (a2 - y) * a2 * (1 - a2)
    d1 = d2 @ W2.T * a1 * (1 - a1)
    W2 -= 0.1 * a1.T @ d2
    b2 -= 0.1 * d2.sum(axis=0, keepdims=True)
    W1 -= 0.1 * X.T @ d1
    b1 -= 0.1 * d1.sum(axis=0, keepdims=True)
np.savez(sys.argv[1], W1=W1, b1=b1, W2=W2, b2=b2)
