"""Cross-attention fusion against attention written out in NumPy."""

import numpy as np
import torch

from bundle.networks import CrossAttentionFusion

WIDTH, HEADS = 12, 3


def array(tensor):
    return tensor.detach().double().numpy()


def linear(x, layer):
    return x @ array(layer.weight).T + array(layer.bias)


def projected(x, layers):
    y = linear(x, layers[0])
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + layers[1].eps)
    return y * array(layers[1].weight) + array(layers[1].bias)


def attention(query, keys, module):
    """One eye: each query's softmax-weighted mean of the values, a head at a time (Vaswani et al., 2017)."""
    w, b = array(module.in_proj_weight).reshape(3, WIDTH, WIDTH), array(module.in_proj_bias).reshape(3, WIDTH)
    q, k, v = (x @ w[i].T + b[i] for i, x in enumerate((query, keys, keys)))
    size, parts = WIDTH // HEADS, []
    for head in range(HEADS):
        at = slice(head * size, (head + 1) * size)
        logits = q[:, at] @ k[:, at].T / np.sqrt(size)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        parts.append(weights / weights.sum(1, keepdims=True) @ v[:, at])
    return linear(np.concatenate(parts, axis=1), module.out_proj)


def test_cross_attention_is_its_formula():
    torch.manual_seed(0)
    fusion = CrossAttentionFusion(5, 7, width=WIDTH, num_heads=HEADS, hidden=0).double().eval()
    oct_BNC, fundus_BNC = torch.randn(2, 4, 5).double(), torch.randn(2, 3, 7).double()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.normal_()  # biases start at 0 and would hide
        found = array(fusion(oct_BNC, fundus_BNC))
    for eye in range(2):
        o = projected(array(oct_BNC[eye]), fusion.oct_projection)
        f = projected(array(fundus_BNC[eye]), fusion.fundus_projection)
        o_new, f_new = o + attention(o, f, fusion.oct_to_fundus), f + attention(f, o, fusion.fundus_to_oct)
        expected = linear(np.concatenate([o_new.mean(0), f_new.mean(0)]), fusion.head)
        np.testing.assert_allclose(found[eye], expected, rtol=1e-9)
