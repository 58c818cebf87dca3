"""How far below log p(x) the estimate from few samples lies.

    PYTHONPATH=code python benchmarks/bias.py

takes the report's `vae_best` (trained first where it is not there yet) and
IMAGES test images, estimates log p(x) by importance sampling with the
proposal that is `fitted` to each image and with the encoder's q(z | x), from
several numbers of samples, and writes code/aevb/measured/bias.json: for each,
the paired difference to MANY samples of the fitted proposal, in nats.
"""

from pathlib import Path

import torch

from aevb import evaluation, results, runs
from aevb.checkpoints import write_json
from aevb.tasks import binary_test_images

TARGET = Path("code/aevb/measured/bias.json")
IMAGES, MANY, SAMPLES = 200, 5000, (10, 25, 50, 100, 200, 400)


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    model = runs.run("vae_best").model
    x = binary_test_images(torch.device("cpu"))[-IMAGES:]
    mean, logvar = model.encode(x)
    seeded = torch.Generator().manual_seed(0)
    proposals = {
        "fitted": evaluation.fitted(model, x, mean, logvar, seeded),
        "encoder": (mean, torch.diag_embed(torch.exp(0.5 * logvar))),
    }
    likelihood = evaluation.bernoulli(model, x)
    found = {
        name: {
            n: evaluation.importance_sampling(
                *proposal, likelihood, n, seeded
            )[0]
            for n in (*SAMPLES, MANY)
        }
        for name, proposal in proposals.items()
    }
    best = found["fitted"][MANY]
    bias = {
        name: {n: evaluation.mean(v - best).to_json() for n, v in by.items()}
        for name, by in found.items()
    }
    made = results.provenance()
    write_json(TARGET, {"bias": bias, "images": IMAGES, "provenance": made})


if __name__ == "__main__":
    main()
