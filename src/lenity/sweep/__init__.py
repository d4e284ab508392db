"""A sweep: several runs that differ in method, weights and seed.

The module can be called, as :func:`lenity.library.sweeps.sweep`::

    front = lenity.sweep(trainer, points=11, methods=["plc", "linear"], seeds=None, jobs=1, tokens=None, output=None)
"""
