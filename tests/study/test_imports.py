"""The language starts fast: neither importing it nor reading a file without a check brings torch in."""

import subprocess
import sys

SCRIPT = """
import sys, time
start = time.process_time()
import ablate
from ablate.study import study_json_schema
spent = time.process_time() - start
study = ablate.load_study(sys.argv[1], check=False)
study_json_schema()
assert study.layouts["alternate-softmax"].depths == (2, 2, 4, 2)
loaded = [name for name in ("torch", "timm", "numpy", "pandas", "blocks") if name in sys.modules]
print(spent, *loaded)
"""


def test_no_torch_and_half_a_second(tmp_path, example):
    path = tmp_path / "layouts.yaml"
    path.write_text(example)
    command = [sys.executable, "-c", SCRIPT, str(path)]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)
    ]
    assert [loaded for _, *loaded in runs] == [[], [], []]
    assert min(float(spent) for spent, *_ in runs) < 0.5
