"""Before a run: what will go wrong, from figures of the reference policy, the rewards and the prompts."""
