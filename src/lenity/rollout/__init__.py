"""Generation of responses: the engines, sampling, and the batch that flows through an iteration."""
