# %% [markdown]
# # First steps without the window
#
# The engine of IntroVAC Studio is a Python package of its own, `trainer`, which needs no screen. This file
# is a notebook in "percent" format: VS Code, PyCharm, Spyder and Jupyter (with jupytext) show its parts as
# cells, and `python docs/examples/first_steps.py` runs them all in less than a minute on two cores.
# Pictures go to `first_steps/`.

# %%
from pathlib import Path

import numpy as np

from trainer import edits, grid, latent, sampling, until
from trainer.codec import Codec
from trainer.data.cache import open_data

out = Path("first_steps")
out.mkdir(exist_ok=True)

# %% [markdown]
# ## A model as a service
#
# `Codec` opens a model file and takes and gives NumPy arrays: pictures (N, S, S, 3) of bytes, codes (N, d).
# It computes on a GPU where there is one. The demo model was trained on drawn faces, so faces are drawn
# here as well, from a seed that no training used.

# %%
resources = (
    Path(__file__).resolve().parents[2] / "resources" if "__file__" in globals() else Path("resources")
)
codec = Codec(resources / "demo.safetensors")
print(codec.device, codec.size, "px,", codec.dim, "dimensions,", codec.planes.attributes)

faces = open_data("avatars:96:7", codec.size, "none", workers=1)  # more need a script with a main guard
pictures = faces.batch(range(len(faces)))
mu, sigma = codec.encode(pictures)
mu = mu.astype(np.float64)
print(f"mean absolute error of reconstructions: {np.abs(codec.decode(mu) / 255 - pictures / 255).mean():.3f}")

# %% [markdown]
# ## Each attribute is a hyperplane
#
# The classifier is linear in the code, so attribute k holds where w_k·z + b_k > 0. The distance of a code
# to that hyperplane is what the studio calls delta: moving by minus the distance lands on it, where the
# probability is 1/2.

# %%
planes = codec.planes
column = faces.attributes.index("Eyeglasses")
row = planes.index("Eyeglasses")
says_yes = planes.probabilities(mu)[:, row] > 0.5
agreed = np.mean(says_yes == faces.labels[:, column])
print(f"the classifier agrees with the label on {agreed:.1%} of these faces")

without = mu[~says_yes][0]
distance = float(planes.distance(without, "Eyeglasses"))
on_it = without - distance * planes.normal("Eyeglasses")
print(f"a face {-distance:.2f} before the hyperplane; on it, p = {planes.probabilities(on_it)[row]:.2f}")

# %% [markdown]
# ## An edit, and the same edit with everything else kept
#
# Directions are not quite perpendicular, so a move along one shifts the other logits as well. `keep` takes
# out of the direction what lies in the span of the kept ones: their logits then stay as they are, whatever
# the distance.

# %%
plain = edits.displacement(planes, {"Eyeglasses": 5.0})
others = [name for name in planes.attributes if name != "Eyeglasses"]
kept = edits.displacement(planes, {"Eyeglasses": 5.0}, keep=others)
for name in planes.attributes:
    normal = planes.w[planes.index(name)]
    print(f"{name:12} {normal @ plain:+7.2f} {normal @ kept:+7.2f}")

chosen = mu[~says_yes][:6]
picture = grid.triplets(
    pictures[~says_yes][:6], codec.decode(chosen), codec.decode(chosen + kept), grid.GridStyle(scale=2)
)
grid.save(
    picture, out / "glasses.png", {"model": codec.digest, "deltas": {"Eyeglasses": 5.0}, "keep": others}
)

# %% [markdown]
# ## Just far enough
#
# How far a face must go differs from face to face. `until` finds the smallest delta at which the label
# holds: on the code in closed form, or on the picture once it is encoded again, which is the stricter
# question.

# %%
way = until.ray(planes, {"Eyeglasses": 10.0}, keep=others)


def see(codes: np.ndarray) -> np.ndarray:
    """Codes (N, d) of the decoded pictures, encoded again."""
    return codec.encode(codec.decode(codes))[0]


for z in chosen[:3]:
    code, image = until.until_code(z, planes, way, 0.95), until.until_image(z, planes, way, 0.95, see)
    print(f"p = 0.95 on the code at {code.delta:.2f}, on the picture at {image.delta:.2f}")

# %% [markdown]
# ## Faces that have what you want
#
# p(z|y) is the prior, tilted by the probability that the label holds. Because logits are linear it can be
# drawn exactly (`exact`), or by the paper's Langevin chains (`langevin`, `mala`), which are told apart by
# their diagnostics.

# %%
target = sampling.parse_wants(["Eyeglasses=yes", "Smiling=no"], planes)
drawn = list(sampling.generate(planes, target, 16, sampler="exact", accept=0.9, seed=0))
codes = np.concatenate([part.z[part.accepted] for part in drawn])
print(f"{len(codes)} accepted of {drawn[-1].drawn_total} drawn")
grid.save(
    grid.gallery(codec.decode(codes), columns=8), out / "wanted.png", {"model": codec.digest, "seed": 0}
)

# %% [markdown]
# ## The code space in two dimensions
#
# `discriminant_projection` gives the plane in which the hyperplane of one attribute is exactly the line x =
# 0.

# %%
view = latent.discriminant_projection(mu, planes, "Eyeglasses")
xy = view.project(mu)
print("share of the direction that this view shows:", round(view.share(planes, "Eyeglasses"), 3))
print("codes on the wrong side of the line:", int(((xy[:, 0] > 0) != (faces.labels[:, column] == 1)).sum()))

# %% [markdown]
# ## Training is an iterator
#
# `Trainer.train()` yields events: losses, validation figures, snapshots, files. What to do with them is the
# caller's choice; the command line prints them, the studio plots them. These twenty steps are far too few
# for good pictures.

# %%
import tempfile  # noqa: E402

from trainer import events, setup  # noqa: E402
from trainer.data.select import select  # noqa: E402
from trainer.loop import Trainer  # noqa: E402

settings = {
    "image_size": 32,
    "channels": (16, 32, 64),
    "latent_dim": 32,
    "epochs": 2,
    "warmup_epochs": 1,
    "max_steps": 20,
    "batch_size": 32,
    "log_every": 5,
    "device": "cpu",
}
config = setup.resolve("studio", data="avatars:400", attributes=["Eyeglasses", "FacialHair"], values=settings)
data = open_data(config.data.data, config.model.image_size, config.model.crop, workers=1)
chosen_data = select(data, config.model.attributes, {}, config.data.subset, config.loop.seed)

with tempfile.TemporaryDirectory() as folder:
    for event in Trainer(config, chosen_data, Path(folder) / "run").train():
        if isinstance(event, events.StepLosses):
            print(event.step, {name: round(value, 3) for name, value in event.losses.items()})
    trained = Codec(Path(folder) / "run" / "model.safetensors", "cpu")
    print("trained:", trained.planes.attributes, trained.digest[:12])
