"""A third party's plugin as pip would install it: a package and its dist-info in a folder of their own."""

from pathlib import Path

MANIFEST = """
title = "Trial"
description = "A plugin from elsewhere."
version = 1
enabled = true

[options.word]
title = "A word"
default = "hello"
"""

HOOKS = """
from appliance.health.models import Severity
from appliance.health.service import Check, Finding
from appliance.hookspecs import hookimpl
from appliance.words import Message


@hookimpl
def job_modules():
    return ["everpx_trial.jobs"]


@hookimpl
def health_checks():
    yield Check("trial", lambda context: [Finding("trial", Severity.NOTICE, Message("A trial."), Message("Wait."))])
    yield Check("broken", lambda context: 1 / 0)
"""

JOBS = """
import os
import time
from pathlib import Path

from appliance.jobs.kinds import job_kind


@job_kind("trial.count", "Counting")
def count(progress, *, to, note, pause=0.02):
    done = progress.checkpoint.get("done", 0)
    with Path(note).open("a") as out:
        out.write(f"from {done}\\n")
    try:
        while done < to:
            progress.step("Counting", done, to, unit="numbers")
            time.sleep(pause)
            done += 1
            progress.keep(done=done)
    finally:
        progress.step("Letting go")
        with Path(note).open("a") as out:
            out.write(f"let go at {done}\\n")
    return {"counted": done}


@job_kind("trial.die", "Dying")
def die(progress):
    os._exit(7)


@job_kind("trial.bug", "Failing")
def bug(progress):
    return {}["nothing"]
"""


def install(folder: Path, *, hooks: str = HOOKS, manifest: str = MANIFEST, jobs: str = JOBS) -> Path:
    """Lay the plugin out below ``folder``, which then belongs on the import path."""
    package = folder / "everpx_trial"
    facts = folder / "everpx_trial-1.0.dist-info"
    for place in (package, facts):
        place.mkdir(parents=True)
    (package / "__init__.py").write_text('"""A trial."""\n')
    (package / "plugin.toml").write_text(manifest)
    (package / "hooks.py").write_text(hooks)
    (package / "jobs.py").write_text(jobs)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: everpx-trial\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[everpx.plugins]\ntrial = everpx_trial\n")
    return folder
