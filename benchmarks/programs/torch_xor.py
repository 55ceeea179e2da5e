"""Trains XOR and saves the weights."""

import sys

import numpy as np
import torch

torch.set_num_threads(1)  # the fastest for so small a network
X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
y = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
random = np.random.RandomState(0)
W1 = torch.tensor(random.randn(2, 4), requires_grad=True)
W2 = torch.tensor(random.randn(4, 1), requires_grad=True)
b1 = torch.zeros((1, 4), dtype=torch.float64, requires_grad=True)
b2 = torch.zeros((1, 1), dtype=torch.float64, requires_grad=True)
parameters = [W1, b1, W2, b2]
for _ in range(10_000):
    loss = 0.5 * ((torch.sigmoid(torch.sigmoid(X @ W1 + b1) @ W2 + b2) - y) ** 2).sum()
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(gradient, alpha=0.1)
trained = [parameter.detach().numpy() for parameter in parameters]
np.savez(sys.argv[1], W1=trained[0], b1=trained[1], W2=trained[2], b2=trained[3])
