"""What the runs come to across two nodes, as an SVG: a small chart of bars for each load."""

from report import Table, short
from rows import TITLES, TWO_NODES

WIDTH, COLUMNS, GAP = 880, 2, 24
HEAD, BAR, FOOT = 33, 19, 12
NAME_WIDTH, VALUE_WIDTH = 84, 58
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .note { fill: #59636e }
  .relay { fill: #0969da } .peer { fill: #9aa4af } .raw { fill: none; stroke: #9aa4af; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 }
    .relay { fill: #58a6ff } .peer { fill: #656c76 } .raw { stroke: #656c76 }
  }
"""


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def bars(cells, left, top, width):
    """One bar for each system of which there is a figure."""
    longest = max((cell.median for cell in cells.values() if cell.right), default=0) or 1
    room = width - NAME_WIDTH - VALUE_WIDTH
    for number, (system, cell) in enumerate(cells.items()):
        y = top + number * BAR
        name, kind = TITLES[system], system if system in ("relay", "raw") else "peer"
        length = room * cell.median / longest if cell.right else 0
        value = short(cell.median) if cell.right else cell.text
        yield f'<text x="{left}" y="{y + 12}">{name}</text>'
        if length:
            place = f'x="{left + NAME_WIDTH}" y="{y + 1.5}" width="{length:.1f}" height="{BAR - 5}"'
            yield f'<rect class="{kind}" {place} rx="2"/>'
        yield f'<text class="note" x="{left + NAME_WIDTH + length + 5:.1f}" y="{y + 12}">{value}</text>'


def draw(results, rows):
    table = Table(results, rows)
    width = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS
    height = HEAD + len(TWO_NODES) * BAR + FOOT
    parts, count = [], 0
    for row, figure in table.lines(TWO_NODES):
        cells = {system: table.cell(row, figure, system) for system in TWO_NODES if system in row.systems}
        if len(cells) == 1:
            continue  # nothing to compare with
        left, top = count % COLUMNS * (width + GAP), count // COLUMNS * height
        label = figure.label + (" (less is better)" if figure.lower else "")
        parts.append(f'<text class="title" x="{left}" y="{top + 12}">{escaped(row.title)}</text>')
        parts.append(f'<text class="note" x="{left}" y="{top + 26}">{escaped(label)}</text>')
        parts += bars(cells, left, top + HEAD, width)
        count += 1
    size = f'width="{WIDTH}" height="{-(-count // COLUMNS) * height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )
