"""The study of leniency: many settings on many worlds with exact gradients, and sweeps of the toy world, on one page.

``python -m lenity.lab.study worlds`` measures the first, ``python -m lenity.lab.study page`` writes docs/results/leniency.md from
all that has been measured; `make study` runs everything.
"""
