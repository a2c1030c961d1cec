#!/usr/bin/env python3
"""Makes optimizers.json: ten steps of each optimiser in float64, by PyTorch where it has it, else by the published formula.

    python3 tests/unit/optimizers.py >tests/unit/optimizers.json

A case trains w [3, 5], which is decayed, and b [3], which is not, with the same start, gradients and rates.
"""
import json
import math
import sys

import torch

torch.set_default_dtype(torch.float64)
STEPS = 10
draw = torch.Generator().manual_seed(7)


def numbers(*shape):  # that float32 has
    return torch.randn(*shape, generator=draw).to(torch.float32).to(torch.float64)


START = {"w": numbers(3, 5) * 0.5, "b": numbers(3) * 0.5}
GRADIENTS = {"w": [(numbers(3, 5) * 10.0 ** (k % 3 - 1)).to(torch.float32).to(torch.float64) for k in range(STEPS)],
             "b": [numbers(3) for _ in range(STEPS)]}
RATES = [0.01 * (1 + k % 4) for k in range(STEPS)]
cases = []


def case(name, options, step):
    """step(name of the tensor, its value, gradient, its states, t, rate) gives the new value."""
    out = {"name": name, "options": options}
    for of in ("w", "b"):
        p, states, rows = START[of].clone(), {}, []
        for k in range(STEPS):
            p = step(of, p, GRADIENTS[of][k], states, k + 1, RATES[k])
            rows.append(p.flatten().tolist())
        out[of] = rows
    cases.append(out)


def by_torch(make, decay, **options):
    def step(of, p, g, states, t, rate):
        if not states:
            states["p"] = torch.nn.Parameter(p.clone())
            states["o"] = make([states["p"]], lr=1, weight_decay=decay if of == "w" else 0, **options)
        states["o"].param_groups[0]["lr"] = rate
        states["p"].grad = g.clone()
        states["o"].step()
        return states["p"].detach()
    return step


def clipped(step, most):
    return lambda of, p, g, states, t, rate: step(of, p, g.clamp(-most, most), states, t, rate)


def google(of, p, g, s, t, rate):
    """AdamWeightDecayOptimizer of google-research/bert: no corrections, decay inside the update."""
    m = s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    v = s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return p - rate * (m / (v.sqrt() + 1e-6) + (0.01 * p if of == "w" else 0))


def lion(of, p, g, s, t, rate):
    m = s.get("m", torch.zeros_like(p))
    u = torch.sign(0.9 * m + 0.1 * g)
    s["m"] = 0.99 * m + 0.01 * g
    return p - rate * (u + (0.1 * p if of == "w" else 0))


def proximal(of, p, g, s, t, rate):
    q = p - rate * g
    return torch.sign(q) * (q.abs() - 2 * rate).clamp(min=0) if of == "w" else q


def rms(x):
    return math.sqrt((x * x).mean().item())


def adafactor(scale=False, decay=0.0, clip=1.0, power=-0.8, momentum=0.0, relative=None):
    """Adafactor of transformers.optimization."""
    def step(of, p, g, s, t, rate):
        if relative:
            rate = min(1e-6 * t if relative == "warmup" else 1e-2, 1 / math.sqrt(t))
        if scale:
            rate *= max(1e-3, rms(p))
        b2, square = 1 - t ** power, g * g + 1e-30
        if p.dim() == 2:
            s["row"] = b2 * s.get("row", 0) + (1 - b2) * square.mean(1)
            s["column"] = b2 * s.get("column", 0) + (1 - b2) * square.mean(0)
            u = g / (torch.outer(s["row"], s["column"]) / s["row"].mean()).sqrt()
        else:
            s["v"] = b2 * s.get("v", 0) + (1 - b2) * square
            u = g / s["v"].sqrt()
        u = u / max(1, rms(u) / clip) * rate
        if momentum:
            u = s["m"] = momentum * s.get("m", 0) + (1 - momentum) * u
        return p * (1 - (decay * rate if of == "w" else 0)) - u
    return step


O = torch.optim
case("torch AdamW", dict(optimizer="adamw", weight_decay=0.1, beta1=0.9, beta2=0.98, epsilon=1e-6),
     by_torch(O.AdamW, 0.1, betas=(0.9, 0.98), eps=1e-6))
case("torch Adam", dict(optimizer="adam", weight_decay=0.1), by_torch(O.Adam, 0.1))
case("torch Adam, l2 of AdamW", dict(optimizer="adamw", l2=0.1), by_torch(O.Adam, 0.1))
case("torch SGD", dict(optimizer="sgd"), by_torch(O.SGD, 0))
case("torch SGD, decay", dict(optimizer="sgd", weight_decay=0.1), by_torch(O.SGD, 0.1))
case("torch SGD, momentum", dict(optimizer="sgd", weight_decay=0.1, momentum=0.9), by_torch(O.SGD, 0.1, momentum=0.9))
case("torch SGD, Nesterov", dict(optimizer="sgd", weight_decay=0.1, momentum=0.8, nesterov=True),
     by_torch(O.SGD, 0.1, momentum=0.8, nesterov=True))
case("torch SGD, clip_grad_value_", dict(optimizer="sgd", momentum=0.9, max_value=0.3),
     clipped(by_torch(O.SGD, 0, momentum=0.9), 0.3))
case("Google's AdamWeightDecay", dict(optimizer="adamw", weight_decay=0.01, epsilon=1e-6, no_correction=True), google)
case("Lion", dict(optimizer="lion", weight_decay=0.1), lion)
case("SGD, l1", dict(optimizer="sgd", l1=2), proximal)
case("Adafactor", dict(optimizer="adafactor"), adafactor())
case("Adafactor, in scale, decay, momentum",
     dict(optimizer="adafactor", weight_decay=0.1, momentum=0.9, scale=True, clip=0.5, decay=-0.7),
     adafactor(scale=True, decay=0.1, clip=0.5, power=-0.7, momentum=0.9))
case("Adafactor, relative step", dict(optimizer="adafactor", scale=True, schedule="relative-step"),
     adafactor(scale=True, relative="yes"))
case("Adafactor, relative step, warm-up", dict(optimizer="adafactor", scale=True, schedule="relative-step-warmup"),
     adafactor(scale=True, relative="warmup"))


def rounded(x):
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return float("%.10g" % x) if isinstance(x, float) else x


json.dump(rounded({"torch": torch.__version__, "rates": RATES,
                   "start": {k: v.flatten().tolist() for k, v in START.items()},
                   "gradients": {k: [g.flatten().tolist() for g in v] for k, v in GRADIENTS.items()}, "cases": cases}),
          sys.stdout, separators=(",", ":"))
print()
