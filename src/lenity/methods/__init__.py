"""Methods that are more than a rule: fixed weights, or policies made from other runs."""
