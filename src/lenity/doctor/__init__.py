"""Problems of a run found before it starts, from measurements of the reference policy, the rewards and the prompts."""
