"""Slow, obvious twins of the library's arithmetic: Python floats and loops, nothing imported from lenity."""

from __future__ import annotations

import math


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def gae(rewards, values, lengths, gamma, lam):
    """Advantages and returns as nested lists; row b has ``lengths[b]`` response tokens, first to last."""
    advantages = [[[0.0] * len(token) for token in row] for row in rewards]
    returns = [[[0.0] * len(token) for token in row] for row in rewards]
    for b, length in enumerate(lengths):
        for k in range(len(rewards[b][0])):
            for t in range(length):
                total = 0.0
                for step in range(t, length):
                    after = values[b][step + 1][k] if step + 1 < length else 0.0
                    delta = rewards[b][step][k] + gamma * after - values[b][step][k]
                    total += (gamma * lam) ** (step - t) * delta
                advantages[b][t][k] = total
                returns[b][t][k] = total + values[b][t][k]
    return advantages, returns


def entropic(advantages, weights, temperature, leniency):
    """Rectified advantage of one token; exponents end at 3, from where gains go on in proportion."""
    total = sum(w * a for w, a in zip(weights, advantages, strict=True))
    x = total / temperature
    bent = temperature * (math.exp(x) - 1) if x <= 3 else total * (math.exp(3) - 1) / 3
    return (1 - leniency) * total + leniency * bent


def plc_mask(advantages, weights, gate, temperature, leniency):
    """M for one token's K advantages."""
    mask = []
    for k, own in enumerate(advantages):
        others = sum(w * a for j, (w, a) in enumerate(zip(weights, advantages, strict=True)) if j != k)
        net = sum(w * a for w, a in zip(weights, advantages, strict=True))
        if own >= 0:
            mask.append(1.0)
            continue
        if gate == "sigmoid":
            m = sigmoid(-others / temperature)
        elif gate == "centered":
            m = 2 * sigmoid(-max(others, 0.0) / temperature)
        else:
            m = 2 * sigmoid(-max(net, 0.0) / temperature)
        mask.append(1 - leniency * (1 - m))
    return mask


def plc(advantages, weights, gate, temperature, leniency):
    """The rectified advantage of one token."""
    mask = plc_mask(advantages, weights, gate, temperature, leniency)
    return sum(w * m * a for w, m, a in zip(weights, mask, advantages, strict=True))


def masked_sums(advantages, weights, mask):
    """sum_k w_k M_k A_k, a number a row."""
    sums = []
    for row, shares in zip(advantages, mask, strict=True):
        total = 0.0
        for k, weight in enumerate(weights):
            total += weight * shares[k] * row[k]
        sums.append(total)
    return sums


def policy_loss(logprobs, old, advantages, mask, clip):
    """Minus the clipped surrogate, averaged over response tokens; and the share of tokens where the clip binds."""
    total, clipped, count = 0.0, 0, 0
    for b, row in enumerate(mask):
        for t, real in enumerate(row):
            if not real:
                continue
            ratio = math.exp(logprobs[b][t] - old[b][t])
            bounded = min(max(ratio, 1 - clip), 1 + clip)
            total -= min(ratio * advantages[b][t], bounded * advantages[b][t])
            clipped += bounded * advantages[b][t] < ratio * advantages[b][t]
            count += 1
    return total / count, clipped / count


def normalised(advantages, mask, mode):
    """Advantages at a common scale; ``mask`` says for each row, token and objective whether it counts."""
    found = [[[0.0] * len(token) for token in row] for row in advantages]
    for k in range(len(advantages[0][0])):
        places = [(b, t) for b, row in enumerate(mask) for t, token in enumerate(row) if token[k]]
        column = [advantages[b][t][k] for b, t in places]
        if not column:
            continue
        mean = sum(column) / len(column) if mode == "per_objective" else 0.0
        spread = math.sqrt(sum((x - mean) ** 2 for x in column) / len(column))
        for b, t in places:
            if mode == "none":
                found[b][t][k] = advantages[b][t][k]
            elif spread > 1e-8:
                found[b][t][k] = (advantages[b][t][k] - mean) / spread
    return found


def group_advantages(rewards, mask, size):
    """Returns standardised within groups of ``size`` rows, each objective over the rows that its mask has."""
    found = [[[0.0] * len(token) for token in row] for row in rewards]
    for first in range(0, len(rewards), size):
        for k in range(len(rewards[0][0])):
            returns = {
                b: sum(token[k] for token, real in zip(rewards[b], mask[b], strict=True) if real[k])
                for b in range(first, first + size)
                if any(real[k] for real in mask[b])
            }
            mean = sum(returns.values()) / max(len(returns), 1)
            spread = math.sqrt(sum((x - mean) ** 2 for x in returns.values()) / max(len(returns), 1))
            for b, value in returns.items():
                for t, real in enumerate(mask[b]):
                    found[b][t][k] = (value - mean) / spread if real[k] and spread > 1e-8 else 0.0
    return found


def leave_one_out(rewards, mask, size):
    """Each return minus the mean of the other returns of its group of ``size`` rows; 0 where there is no other."""
    found = [[[0.0] * len(token) for token in row] for row in rewards]
    for k in range(len(rewards[0][0])):
        for b, row in enumerate(rewards):
            start = b - b % size
            returns = {
                i: sum(token[k] for token, real in zip(rewards[i], mask[i], strict=True) if real[k])
                for i in range(start, start + size)
                if any(real[k] for real in mask[i])
            }
            others = [value for i, value in returns.items() if i != b]
            for t in range(len(row)):
                if mask[b][t][k] and others:
                    found[b][t][k] = returns[b] - sum(others) / len(others)
    return found


def value_loss(values, old, returns, mask, clip, scored=None):
    """Half the larger of the plain and the clipped squared error, averaged over response tokens and heads; heads that did not
    score a row have no error there.
    """
    total, count = 0.0, 0
    for b, row in enumerate(mask):
        for t, real in enumerate(row):
            if not real:
                continue
            for k, value in enumerate(values[b][t]):
                count += 1
                if scored is not None and not scored[b][k]:
                    continue
                worst = (value - returns[b][t][k]) ** 2
                if clip is not None:
                    near = old[b][t][k] + min(max(value - old[b][t][k], -clip), clip)
                    worst = max(worst, (near - returns[b][t][k]) ** 2)
                total += worst / 2
    return total / count


def adaptive_kl(coefficient, target, horizon, observed, samples):
    """The coefficient after one batch."""
    error = min(max(observed / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * samples / horizon)


def importance(logprobs, engine, mask, cap):
    """min(p / q, cap) of each token; 1 on padding."""
    return [
        [min(math.exp(p) / math.exp(q), cap) if real else 1.0 for p, q, real in zip(*rows, strict=True)]
        for rows in zip(logprobs, engine, mask, strict=True)
    ]
