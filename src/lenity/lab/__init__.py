"""The theory lab: worlds with exact gradients, where each claim about a rule can be seen to hold or fail in minutes.

Nothing is sampled and no model is loaded. The rules are those of :mod:`lenity.rules`, as the trainer uses them.
"""
