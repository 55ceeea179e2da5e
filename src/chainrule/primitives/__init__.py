"""The vocabulary: one file per family; each primitive says everything about itself in one place."""
