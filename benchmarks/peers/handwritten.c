/* XOR by hand: a 2-4-1 network of logistic units, gradient descent on the summed squared error of all four rows.
   Sizes are constants, so that the compiler may unroll and keep everything in registers. */

#include <math.h>

enum { ROWS = 4, INPUTS = 2, HIDDEN = 4 };

static double logistic(double z) { return 1.0 / (1.0 + exp(-z)); }

void train(const double *X, const double *y, double *W1, double *b1, double *W2, double *b2, double rate, long epochs)
{
    double weights[INPUTS][HIDDEN], bias[HIDDEN], out[HIDDEN], out_bias = b2[0];
    for (int j = 0; j < HIDDEN; j++) {
        for (int i = 0; i < INPUTS; i++) weights[i][j] = W1[i * HIDDEN + j];
        bias[j] = b1[j];
        out[j] = W2[j];
    }
    for (long epoch = 0; epoch < epochs; epoch++) {
        double hidden[ROWS][HIDDEN], delta[ROWS];
        for (int n = 0; n < ROWS; n++)
            for (int j = 0; j < HIDDEN; j++)
                hidden[n][j] = logistic(X[n * INPUTS] * weights[0][j] + X[n * INPUTS + 1] * weights[1][j] + bias[j]);
        for (int n = 0; n < ROWS; n++) {
            double z = out_bias;
            for (int j = 0; j < HIDDEN; j++) z += hidden[n][j] * out[j];
            double a = logistic(z);
            delta[n] = (a - y[n]) * a * (1 - a);
        }
        double out_gradient[HIDDEN] = {0}, gradient[INPUTS][HIDDEN] = {{0}}, bias_gradient[HIDDEN] = {0};
        for (int n = 0; n < ROWS; n++)
            for (int j = 0; j < HIDDEN; j++) {
                double d = delta[n] * out[j] * hidden[n][j] * (1 - hidden[n][j]);
                out_gradient[j] += hidden[n][j] * delta[n];
                gradient[0][j] += X[n * INPUTS] * d;
                gradient[1][j] += X[n * INPUTS + 1] * d;
                bias_gradient[j] += d;
            }
        for (int j = 0; j < HIDDEN; j++) {
            out[j] -= rate * out_gradient[j];
            bias[j] -= rate * bias_gradient[j];
            for (int i = 0; i < INPUTS; i++) weights[i][j] -= rate * gradient[i][j];
        }
        out_bias -= rate * (delta[0] + delta[1] + delta[2] + delta[3]);
    }
    for (int j = 0; j < HIDDEN; j++) {
        for (int i = 0; i < INPUTS; i++) W1[i * HIDDEN + j] = weights[i][j];
        b1[j] = bias[j];
        W2[j] = out[j];
    }
    b2[0] = out_bias;
}
