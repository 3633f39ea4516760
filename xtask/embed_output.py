"""Put the output of a command into a page, between two marks.

    cargo xtask bench > printed.txt
    python xtask/embed_output.py README.md < printed.txt

The marks are the lines `<!-- printed by: COMMAND -->` and `<!-- end -->`. For a page with several such places, give the number of the
place, counted from 1, as a second argument.
"""

import re
import sys
from pathlib import Path

page = Path(sys.argv[1])
number = int(sys.argv[2]) if len(sys.argv) > 2 else 1
printed = sys.stdin.read().strip()
marks = re.compile(r"(<!-- printed by: .*? -->\n).*?(<!-- end -->)", re.S)
text = page.read_text()
mark = list(marks.finditer(text))[number - 1]
page.write_text(text[: mark.start()] + mark[1] + "\n" + printed + "\n\n" + mark[2] + text[mark.end() :])
