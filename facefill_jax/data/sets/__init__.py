"""Data sets of faces: read as downloaded, built into records, and known to TFDS.

Importing this package makes `tfds_builders` known to TensorFlow Datasets: at once if that is
imported already, else as soon as it is. Importing it takes seconds, and is not needed for drawn
faces, folders and built sets, so nothing here does.
"""

from facefill_jax.data.sets.after_import import after_import

after_import("tensorflow_datasets", "facefill_jax.data.sets.tfds_builders")
