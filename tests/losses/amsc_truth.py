"""Slow NumPy versions of the contrastive losses, written from the published formulas, one loop a sum."""

import numpy as np


def cosine(z):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    return unit @ unit.T


def adacon(z, bins, train_bins, scale=150.0, margin=2.0):
    """Adaptive contrast (Dai et al., 2021): margin clip(2 |F_i - F_j|, 0, 2) on pairs of different bins, scale 150."""

    def rank(b):
        return (np.sum(train_bins < b) + 0.5 * np.sum(train_bins == b)) / len(train_bins)

    n, s, anchors = len(z), cosine(z), []
    for i in range(n):
        logit = {}
        for j in range(n):
            if j != i:
                same = bins[i] == bins[j]
                m = 0.0 if same else np.clip(margin * abs(rank(bins[i]) - rank(bins[j])), 0, 2)
                logit[j] = scale * (s[i, j] + m)
        top = max(logit.values())
        log_sum = top + np.log(sum(np.exp(v - top) for v in logit.values()))
        positive = [j for j in logit if bins[j] == bins[i]]
        if positive:
            anchors.append(-np.mean([logit[j] - log_sum for j in positive]))
    return np.mean(anchors)


def rank_n_contrast(z, y, temperature=2.0):
    """Rank-N-Contrast (Zha et al., 2023): -1/(n(n-1)) sum_ij log of exp(-|z_i-z_j|/t) over those at least as far."""
    n, total = len(z), 0.0
    for i in range(n):
        for j in range(n):
            if j == i:
                continue
            as_far = [k for k in range(n) if k != i and abs(y[i] - y[k]) >= abs(y[i] - y[j])]
            denominator = sum(np.exp(-np.linalg.norm(z[i] - z[k]) / temperature) for k in as_far)
            total -= np.log(np.exp(-np.linalg.norm(z[i] - z[j]) / temperature) / denominator)
    return total / (n * (n - 1))


def amsc(z, y, z_queue, y_queue, train, *, tau, h, m0, a, cap, kappa, eta, xi, hard_window=None, rank=False):
    """docs/method.md 2 for one modality; `train` are the training labels, kernel width 1 dB."""
    keys, labels = np.concatenate([z, z_queue]), np.concatenate([y, y_queue])
    s = cosine(keys)

    def p(value):
        return np.mean(np.exp(-0.5 * (value - train) ** 2)) / np.sqrt(2 * np.pi)

    def cdf(value):
        return (np.sum(train < value) + 0.5 * np.sum(train == value)) / len(train)

    scale = np.mean([p(value) ** -kappa for value in train])
    r = [min(4.0, max(0.25, p(value) ** -kappa / scale)) for value in labels]
    numerator = denominator = 0.0
    for i in range(len(z)):
        w, logit, distance = {}, {}, {}
        for j in range(len(keys)):
            if j == i:
                continue
            distance[j] = abs(labels[i] - labels[j])
            d = (1 - xi) * distance[j] / 33 + xi * abs(cdf(labels[i]) - cdf(labels[j]))
            margin = min(cap, m0 * d**a * np.sqrt(r[i] * r[j]))
            if hard_window is None:
                w[j] = np.exp(-distance[j] / h)
            else:
                w[j] = float(distance[j] <= hard_window)
                margin = 0.0 if w[j] else margin
            logit[j] = (s[i, j] + margin) / tau
        if sum(w.values()) == 0:
            continue
        loss = 0.0
        for j in w:
            members = [k for k in w if not rank or distance[k] >= distance[j]]
            loss -= w[j] / sum(w.values()) * (logit[j] - np.log(sum(np.exp(logit[k]) for k in members)))
        numerator += r[i] ** eta * loss
        denominator += r[i] ** eta
    return numerator / denominator
