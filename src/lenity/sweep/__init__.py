"""Several runs that differ in method, weights and seed.

Called, it is :func:`lenity.library.sweeps.sweep`::

    front = lenity.sweep(trainer, points=11, methods=["plc", "linear"], seeds=None, jobs=1, tokens=None, output=None)
"""
