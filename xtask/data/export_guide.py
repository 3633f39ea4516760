"""Write the tables of the guide, docs/guide/*.csv, from palmerpenguins with all of its columns.

    pip install pandas palmerpenguins==0.1.6
    python xtask/data/export_guide.py

The rare species to find is the Chinstrap. 30 of its 68 rows are kept: 18 in survey.csv, 8 of them labelled, and 12 in new.csv. Two thirds
of the other penguins are in survey.csv. The species column is left out; new.csv has the truth in the column `chinstrap`.
"""

from pathlib import Path

import palmerpenguins

OUT = Path(__file__).resolve().parents[2] / "docs" / "guide"
COLUMNS = ["id", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year"]

penguins = palmerpenguins.load_penguins().sample(frac=1, random_state=1).reset_index(drop=True)
rare = penguins["species"] == "Chinstrap"
rows = penguins.drop(penguins[rare].index[30:])
rare = rows["species"] == "Chinstrap"
survey = sorted([*rows[rare].index[:18], *rows[~rare].index[: (~rare).sum() * 2 // 3]])
marked = rows[rare].index[:8]
first, new = rows.loc[survey].sample(frac=1, random_state=2), rows.drop(survey).sample(frac=1, random_state=3)
first["id"] = [f"P{number:03}" for number in range(1, len(first) + 1)]
new["id"] = [f"P{number:03}" for number in range(len(first) + 1, len(first) + len(new) + 1)]
first = first[COLUMNS].assign(chinstrap=["yes" if row in marked else "" for row in first.index])
new = new[COLUMNS].assign(chinstrap=["yes" if name == "Chinstrap" else "no" for name in new["species"]])
for name, table in {"survey": first, "new": new}.items():
    path = OUT / f"{name}.csv"
    table.to_csv(path, index=False)
    print(f"{path.name}: {len(table)} rows, {(table['chinstrap'] == 'yes').sum()} marked")
