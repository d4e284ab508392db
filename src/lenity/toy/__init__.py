"""A toy world: short dialogues, three conflicting preferences with exact scores, tiny models, an exact best front.

``language`` has the words and the generator, ``scores`` the exact rules, ``front`` the exact optimum, ``prompts`` and
``rewards`` the members for the configuration, ``examples`` the training data and ``world`` the cached tiny models.
"""
