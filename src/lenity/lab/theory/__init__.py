"""The paper's theorems, measured."""
