"""The toy world: short dialogues, three conflicting preferences with exact scores, tiny models, and the exact Pareto front.

``language`` has the words and the prompts, ``scores`` the exact scores, ``front`` the exact optimum, ``prompts`` and
``rewards`` the members for the configuration, ``examples`` the training data and ``world`` the cached tiny models.
"""
