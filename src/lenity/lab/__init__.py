"""The theory lab: worlds with exact gradients, in which claims about rules are checked within minutes.

Nothing is sampled and no model is loaded. The rules are those of :mod:`lenity.rules`, as the trainer uses them.
"""
