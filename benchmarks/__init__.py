"""Speed in comparison with other libraries, measured in one run: `python -m benchmarks NAME`."""
