"""The policy, its critic, and the one module that holds both."""
