"""How the fills of the same faces became what they are: the sample grids as one moving picture."""

import math
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageDraw

COLUMNS, FILLED = 4, 2  # of a sample grid, and which of them moves
NAME = "history.webp"
FRAMES = 60
LARGEST = 768  # pixels of the longer side: four seconds of one core for FRAMES of them
FRAME_MS, LAST_MS = 120, 2_000
BAR = 14  # height of the bar with the step, in pixels


class History:
  """Writes `history.webp` in a thread, so that training need not wait for it."""

  def __init__(self):
    self._pool = ThreadPoolExecutor(1, "history")
    self._newest: Future | None = None

  def write(self, folder: str, step: int) -> None:
    """Begins to write; see `write_history`. Raises what the last writing raised."""
    if self._newest is not None:
      self._newest.result()
    self._newest = self._pool.submit(write_history, folder, step)

  def close(self) -> None:
    """Waits for the picture that is being written. Raises what its writing raised."""
    self._pool.shutdown()
    if self._newest is not None:
      self._newest.result()


def write_history(folder: str, step: int) -> str:
  """Writes `history.webp` beside the grids `<step>.png` of `folder`, from them alone.

  A resumed run needs nothing else; pictures of steps that it has not yet reached again are left
  out. WebP: all colours, a third of a GIF's bytes, and ten times as fast to write.

  Args:
    folder: grids of square faces as `sample_grid.sample_grid` draws them, of any size and number;
      frames get the size of the newest.
    step: the newest that counts.

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
  frames = [_frame(os.path.join(folder, f"{number:07d}.png"), number) for number in chosen]
  size = frames[-1].size
  frames = [frame if frame.size == size else frame.resize(size) for frame in frames]
  path = os.path.join(folder, NAME)
  frames[0].save(
    path + ".new", "WEBP", save_all=True, append_images=frames[1:], loop=0, quality=90, method=0,
    duration=[FRAME_MS] * (len(frames) - 1) + [LAST_MS],
  )  # fmt: skip
  os.replace(path + ".new", path)
  return path


def _frame(path: str, step: int) -> Image.Image:
  """The filled faces of a grid, side by side, under a bar with the step."""
  with Image.open(path) as picture:
    grid = np.asarray(picture.convert("RGB"))
  side = grid.shape[1] // COLUMNS
  rows = grid.shape[0] // side
  faces = grid[:, FILLED * side : (FILLED + 1) * side].reshape(rows, side, side, 3)
  across = math.ceil(math.sqrt(rows))
  down = math.ceil(rows / across)
  tile_side = max(1, int(side * min(1.0, LARGEST / (side * max(across, down)))))
  sheet = Image.new("RGB", (across * tile_side, BAR + down * tile_side))
  for i, face in enumerate(faces):
    tile = Image.fromarray(face).resize((tile_side, tile_side))
    sheet.paste(tile, (i % across * tile_side, BAR + i // across * tile_side))
  ImageDraw.Draw(sheet).text((3, 1), f"step {step:,}", fill="white")
  return sheet
