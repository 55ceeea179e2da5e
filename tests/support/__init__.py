"""Code shared by tests: sample programs, hostile inputs, subprocesses, and checks of generated files."""
