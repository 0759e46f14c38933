"""Which variables a container has, each with where it comes from.

Later wins over earlier: the caller's (a short list), in batch jobs the batch system's, Wherry's own, the image's,
what a peer's command line lets in of the caller's (``RunOptions.pass_env``), ``run.env`` of the settings, ``-e`` and
``--env-file``. Unasked never ``LD_*``, ``PYTHON*`` or ``PATH`` of the host: they name the host's files, and are the
most frequent cause of 'works for me'.
"""

from __future__ import annotations

import msgspec

from wherry.base.settings import Settings
from wherry.host import Host
from wherry.launch.identity import Person, resolve_person
from wherry.launch.locales import choose_locale
from wherry.launch.options import RunOptions
from wherry.launch.plan import Operation
from wherry.launch.surroundings import Surroundings, wants_home
from wherry.launch.views import Image, Tree

__all__ = ["BATCH_MARKERS", "BATCH_NAMES", "DEFAULT_PATH", "Variable", "describe", "env_operations", "variables_of"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_WHO = ("USER", "LOGNAME", "USERNAME")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
ALWAYS = ("TERM", "TZ", *_PROXIES, *(name.upper() for name in _PROXIES))

BATCH_MARKERS = (
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "SGE_TASK_ID",
    "LSB_JOBID",
    "OAR_JOB_ID",
    "FLUX_JOB_ID",
    "COBALT_JOBID",
    "_CONDOR_SLOT",
    "PMI_RANK",
    "PMIX_RANK",
    "OMPI_COMM_WORLD_RANK",
    "PALS_RANKID",
)
"""Set by batch systems and MPI launchers in every task of theirs."""

BATCH_NAMES = (
    *("SLURM_*", "SLURMD_*", "SRUN_*", "PBS_*", "SGE_*", "LSB_*", "OAR_*", "FLUX_*", "COBALT_*", "_CONDOR_*"),
    *("JOB_ID", "JOB_NAME", "NSLOTS", "NHOSTS", "NQUEUES", "QUEUE", "PE", "RESTARTED"),
    *("PMI_*", "PMI2_*", "PMIX_*", "PRTE_*", "OMPI_*", "MPI_*", "MPICH_*", "MV2_*", "I_MPI_*", "HYDI_*", "PALS_*"),
    *("UCX_*", "FI_*", "NCCL_*", "OMP_*", "KMP_*", "GOMP_*", "MKL_*", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS", "JULIA_NUM_THREADS"),
    *("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"),
)


class Variable(msgspec.Struct, frozen=True):
    """One variable (or a prefix ending in ``*``); ``value`` is None where the caller's is taken at each start.

    ``how``: ``pass`` (if the caller has it), ``job`` (the same, in batch jobs), ``set``, ``take`` (by ``-e NAME``),
    ``all`` (the same of many, except those after ``!``), ``bare`` (of many, without the prefix that is the name),
    ``names`` (of those with the prefixes that are the value, their names).
    """

    name: str
    value: str | None
    source: str
    how: str


def describe(
    options: RunOptions,
    image: Image,
    tree: Tree,
    host: Host,
    person: Person,
    settings: Settings,
    surroundings: Surroundings,
) -> tuple[Variable, ...]:
    """All variables in the order of application: of two with one name the later counts."""
    found = [] if options.bare_env else _usual(options, image, tree, host, person, surroundings)
    passed = [Variable(name, None, "your environment", "all") for name in options.pass_env]
    found = passed + found if options.image_wins else found + passed
    if not options.as_built:
        found += [_asked(text, settings.source("run.env")) for text in settings.items("run.env")]
    if options.scripts is not None:
        from wherry.launch.scripts import scripted_variables

        return (*found, *scripted_variables(options.scripts, options, found, tree))
    found += [_asked(text, "-e or --env-file") for text in options.env]
    return tuple(found)


def _usual(
    options: RunOptions, image: Image, tree: Tree, host: Host, person: Person, surroundings: Surroundings
) -> list[Variable]:
    own = _pairs(image.config.config.env or ())
    found = [Variable(name, None, "your environment", "pass") for name in _passed(options)]
    if not options.lean_env:
        found += [Variable(name, None, "your batch job", "job") for name in BATCH_NAMES]
    found.append(Variable("PATH", DEFAULT_PATH, "built in", "set"))
    found.append(Variable("HOSTNAME", options.hostname or host.node, "built in", "set"))
    found.append(Variable("container", "wherry", "built in", "set"))
    if not options.lean_env:
        locale = choose_locale(surroundings.locale, own, tree)
        found += [Variable(name, value, "your locale", "set") for name, value in locale]
    home = Variable("HOME", person.home, person.home_source, "set")
    if not person.is_caller:
        found.append(home)
    if options.user_env:
        found += [Variable(name, person.name, "who you are inside", "set") for name in _WHO]
    found += [Variable(name, value, "the image", "set") for name, value in own]
    if person.is_caller:
        found.append(home)
    return found


def _passed(options: RunOptions) -> tuple[str, ...]:
    if not options.lean_env:
        return ALWAYS
    return (*(("TERM",) if options.terminal else ()), *_PROXIES, *(name.upper() for name in _PROXIES))


def variables_of(
    options: RunOptions, image: Image, tree: Tree, host: Host, settings: Settings, surroundings: Surroundings
) -> tuple[Variable, ...]:
    """As :func:`describe`, for who ``options`` say that the user is inside; raises as :func:`resolve_person`."""
    person = resolve_person(options, image, tree, host, surroundings, home=wants_home(options, settings))
    return describe(options, image, tree, host, person, settings, surroundings)


def env_operations(variables: tuple[Variable, ...]) -> list[Operation]:
    """The ENV operations; runs of one kind become one record."""
    records: list[Operation] = []
    run: list[Variable] = []
    for variable in variables:
        if run and run[-1].how != variable.how:
            records.append(_record(run))
            run = []
        run.append(variable)
    if run:
        records.append(_record(run))
    return records


def _record(run: list[Variable]) -> Operation:
    how = run[0].how
    if how == "set":
        return Operation("ENV_SET", (tuple(f"{variable.name}={variable.value}" for variable in run),))
    names = tuple(variable.name for variable in run)
    if how == "names":
        return Operation("ENV_NAMES", ((run[0].name,), tuple(str(run[0].value).split())))
    if how == "bare":
        return Operation("ENV_BARE", (names,))
    if how == "job":
        return Operation("ENV_WHEN", (BATCH_MARKERS, names))
    return Operation("ENV_PASS" if how == "pass" else "ENV_TAKE", (names,))


def _asked(text: str, source: str) -> Variable:
    name, equals, value = text.partition("=")
    return Variable(name, value, source, "set") if equals else Variable(name, None, source, "take")


def _pairs(lines: object) -> tuple[tuple[str, str], ...]:
    found = []
    for line in lines if isinstance(lines, (tuple, list)) else ():
        name, equals, value = line.partition("=")
        if equals and name:
            found.append((name, value))
    return tuple(found)
