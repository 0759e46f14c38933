"""What other container programs keep: their images, found where they are, read and never changed.

One module a program; each has ``found(path, world)``, which gives a :class:`Theirs` for each image, with why it cannot
be taken where it cannot. Nothing here is brought over: that is :mod:`wherry.containers.importing`.
"""

from wherry.containers.theirs.daemons import save_to
from wherry.containers.theirs.held import Theirs, find_theirs

__all__ = ["PROGRAMS", "Theirs", "find_theirs", "save_to"]

PROGRAMS = ("udocker", "apptainer", "charliecloud", "docker", "podman")
