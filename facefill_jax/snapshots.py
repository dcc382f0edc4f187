"""How the fills of the same faces became what they are: the sample grids as one moving picture."""

import math
import os
import re

import numpy as np
from PIL import Image, ImageDraw

COLUMNS, FILLED = 4, 2  # of a sample grid, and which of them moves
NAME = "history.webp"
FRAMES = 60
LARGEST = 768  # pixels of the longer side: four seconds of one core for FRAMES of them
FRAME_MS, LAST_MS = 120, 2_000
BAR = 14  # height of the bar with the step, in pixels


def write_history(folder: str, step: int, rows: int) -> str:
  """Writes `history.webp` beside the grids `<step>.png` of `folder`, from them alone.

  A resumed run needs nothing else; pictures of steps that it has not yet reached again are left
  out. WebP: all colours, a third of a GIF's bytes, and ten times as fast to write.

  Args:
    folder: grids as `hooks.sample_grid` draws them; frames get the size of the newest.
    step: the newest that counts.
    rows: faces of a grid.

  Returns:
    The path. Frames are at most FRAMES, evenly thinned, with their step above them.

  Raises:
    ValueError: there is no grid.
  """
  found = sorted(int(name[:-4]) for name in os.listdir(folder) if re.fullmatch(r"\d+\.png", name))
  found = [number for number in found if number <= step]
  if not found:
    raise ValueError(f"{folder} holds no sample grid up to step {step}")
  places = np.linspace(0, len(found) - 1, min(FRAMES, len(found))).round().astype(int)
  chosen = [found[place] for place in places]
  frames = [_frame(os.path.join(folder, f"{number:07d}.png"), number, rows) for number in chosen]
  size = frames[-1].size
  frames = [frame if frame.size == size else frame.resize(size) for frame in frames]
  path = os.path.join(folder, NAME)
  frames[0].save(
    path + ".new", "WEBP", save_all=True, append_images=frames[1:], loop=0, quality=90, method=0,
    duration=[FRAME_MS] * (len(frames) - 1) + [LAST_MS],
  )  # fmt: skip
  os.replace(path + ".new", path)
  return path


def _frame(path: str, step: int, rows: int) -> Image.Image:
  """The filled faces of a grid, side by side, under a bar with the step."""
  with Image.open(path) as picture:
    grid = np.asarray(picture.convert("RGB"))
  height, width = grid.shape[0] // rows, grid.shape[1] // COLUMNS
  faces = grid[:, FILLED * width : (FILLED + 1) * width].reshape(rows, height, width, 3)
  across = math.ceil(math.sqrt(rows))
  down = math.ceil(rows / across)
  scale = min(1.0, LARGEST / max(across * width, down * height))
  w, h = max(1, int(scale * width)), max(1, int(scale * height))
  sheet = Image.new("RGB", (across * w, BAR + down * h))
  for i, face in enumerate(faces):
    tile = Image.fromarray(face).resize((w, h))
    sheet.paste(tile, (i % across * w, BAR + i // across * h))
  ImageDraw.Draw(sheet).text((3, 1), f"step {step:,}", fill="white")
  return sheet
