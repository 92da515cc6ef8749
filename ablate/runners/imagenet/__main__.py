"""One ImageNet run as a process: `torchrun --nproc-per-node 8 -m ablate.runners.imagenet JOB.json OUT.json`.

JOB holds `layout` (a pattern, a rule or `timm:NAME`), `settings` of the layout, and `protocol`, the fields of
`ImageNetCondition`; `recipe`, where it is given, changes fields of the named recipe. OUT gets the result's
JSON from the first process.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablate.errors import AblateError


def main(job_file: str, out_file: str) -> None:
    """Run the job of a file; a mistake in it is one line and exit code 2."""
    from ablate.layout.layout import Layout
    from ablate.measurements.imagenet import ImageNetCondition
    from ablate.runners.imagenet import imagenet_recipe, run_imagenet

    try:
        job: dict[str, Any] = json.loads(Path(job_file).read_text(encoding="utf-8"))
        layout = Layout(job["layout"], **job.get("settings", {}))
        protocol = ImageNetCondition(**job["protocol"])
        recipe = replace(imagenet_recipe(protocol.recipe), **job.get("recipe", {}))
        result = run_imagenet(layout, protocol, recipe)
    except (AblateError, OSError, ValueError, KeyError, TypeError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    if os.environ.get("RANK", "0") == "0":
        partial = Path(f"{out_file}.part")
        partial.write_text(json.dumps(result.to_json()), encoding="utf-8")
        os.replace(partial, out_file)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: torchrun ... -m ablate.runners.imagenet JOB.json OUT.json")
    main(sys.argv[1], sys.argv[2])
