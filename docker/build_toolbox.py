"""Build the image that the pipelines' steps run in, with docker, podman or buildah.

    .venv/bin/python docker/build_toolbox.py --base IMAGE --tag IMAGE [argument of the builder …]

After `make setup`: it takes the wheel in dist/, and uv to say which of requirements.lock's packages
the extra `toolbox` needs. No limit but SageMaker's for Processing images, which it is far from.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from build_image import BUILDERS, PLATFORM, ROOT, choose, lend_pip

DOCKERFILE = ROOT / "docker" / "toolbox.Dockerfile"
CONTEXT = ROOT / "build" / "toolbox"


def toolbox_packages() -> set[str]:
    """The names of what the extra needs, at the versions that are locked."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--no-header", "--no-annotate", "--extra", "toolbox", "-c", "requirements.lock"]
    uv = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(uv), *command[1:], "setup.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"uv cannot say what the toolbox needs: {done.stderr.strip()}. Run make setup.")
    return set(re.findall(r"^([a-z0-9._-]+)==", done.stdout, flags=re.MULTILINE))


def chosen_from(lock: str, names: Collection[str]) -> str:
    """The entries of a lock file for these packages, with their hashes.

    >>> chosen_from("a==1 \\\\\\n    --hash=sha256:0\\nb==2 \\\\\\n    --hash=sha256:1\\n", ["b"])
    'b==2 \\\\\\n    --hash=sha256:1\\n'
    """
    entries = re.split(r"^(?=[a-z0-9._-]+==)", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] in names)


def fill_context() -> None:
    """Everything that the Dockerfile copies, and nothing more."""
    shutil.rmtree(CONTEXT, ignore_errors=True)
    CONTEXT.mkdir(parents=True)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    chosen = chosen_from(lock, toolbox_packages())
    (CONTEXT / "requirements-toolbox.lock").write_text(chosen, encoding="utf-8")
    shutil.copy(ROOT / "requirements-serving.lock", CONTEXT)
    wheels = list((ROOT / "dist").glob("seatrial-*.whl"))
    if len(wheels) != 1:
        sys.exit(
            f"dist/ has {len(wheels)} wheels of seatrial; exactly one is needed. Run make setup."
        )
    shutil.copy(wheels[0], CONTEXT)
    lend_pip(CONTEXT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the context and build."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--base", required=True, help="image with python3 3.11 to 3.13 on glibc")
    parser.add_argument("--tag", required=True, help="what the image is called")
    parser.add_argument("--builder", choices=[builder.name for builder in BUILDERS])
    options, extra = parser.parse_known_args(arguments)
    builder = choose(options.builder)
    fill_context()
    command = [builder.name, *builder.build, f"--platform={PLATFORM}", f"--file={DOCKERFILE}"]
    command += [f"--build-arg=BASE={options.base}", f"--tag={options.tag}", *extra, str(CONTEXT)]
    environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    if code := subprocess.run(command, env=environment, check=False).returncode:
        sys.exit(f"{builder.name} could not build the image: exit {code}; what it says is above.")


if __name__ == "__main__":
    main()
