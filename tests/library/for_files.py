"""A reward function that a file can name."""


def polite(prompts, responses):
    return [float(len(text.split())) for text in responses]
