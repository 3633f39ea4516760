"""Put what `cargo xtask bench` printed into README.md, in place of what stands under "What the first one prints".

    cargo xtask bench > /tmp/table.txt
    python scripts/readme_table.py /tmp/table.txt
"""

import re
import sys
from pathlib import Path

readme = Path(__file__).resolve().parent.parent / "README.md"
printed = Path(sys.argv[1]).read_text().strip()
text = readme.read_text()
new = re.sub(r"(## What the first one prints\n\n).*?(\n\nWhole rows)", lambda m: m[1] + printed + m[2], text, flags=re.S)
readme.write_text(new)
