"""The study of leniency: many settings on many worlds with exact gradients, and sweeps of the toy world, on one page.

``python -m studies.leniency worlds`` measures the first, ``python -m studies.leniency page`` writes docs/results/leniency.md from
all that has been measured; `make study` runs everything.
"""
