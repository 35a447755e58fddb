# SPDX-License-Identifier: Apache-2.0
"""Figures: what was measured, how sure it is, and writing it as CSV, as a Markdown table and as an SVG chart each."""
import csv
import re
import statistics
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

NOISE = 0.2  # a spread over this much of the median says more about the host than about what was measured
QUARTILES_FROM = 8  # values; with fewer, the spread is that of all


@dataclass
class Figure:
    """One quantity, of one system or of several that are compared."""
    name: str
    unit: str
    values: dict = field(default_factory=dict)  # by system
    busy: bool = False  # others used the host so much that the values cannot be trusted, however close they lie
    digits: int = 2

    def median(self, system):
        return statistics.median(self.values[system])

    def spread(self, system):
        """How far the values lie apart, as a share of the median: from the least to the largest; of many values the middle
        half, since a few commands among many always meet something else."""
        values, middle = self.values[system], self.median(system)
        if not middle:
            return 0
        if len(values) < QUARTILES_FROM:
            return (max(values) - min(values)) / middle
        first, _, third = statistics.quantiles(values, n=4)
        return (third - first) / middle

    def noise(self, system):
        """Why it is not to be relied on; '' when it is."""
        if self.spread(system) > NOISE:
            return f'noisy: spread {100 * self.spread(system):.0f} %'
        return 'noisy: the host was busy' if self.busy else ''

    def cell(self, system):
        """The median with its range, and a warning where one is due."""
        values = self.values[system]
        text = f'{self.median(system):.{self.digits}f} {self.unit}'.rstrip()
        if len(values) > 1:
            text += f' ({min(values):.{self.digits}f} to {max(values):.{self.digits}f})'
        return f'{text}, {self.noise(system)}' if self.noise(system) else text

    def ratio(self, system, base):
        """The system's median as a share of the other's; never alone when one of them is noisy."""
        if not self.median(base):
            return ''
        ratio = f'{self.median(system) / self.median(base):.2f}'
        return f'{ratio}, noisy' if self.noise(system) or self.noise(base) else ratio


def comparison(figures, system, base, names):
    """Markdown: the figures that both systems have, with their ratio."""
    both = [figure for figure in figures if figure.values.get(system) and figure.values.get(base)]
    lines = [f'| | {names[base]} | {names[system]} | ratio |', '|---|---|---|---|']
    lines += [f'| {f.name} | {f.cell(base)} | {f.cell(system)} | {f.ratio(system, base)} |' for f in both]
    return '\n'.join(lines)


def listing(figures, system, base=None):
    """Markdown: the figures that the one system has and the other has not; nothing when there are none."""
    alone = [figure for figure in figures if figure.values.get(system) and not figure.values.get(base)]
    return '\n'.join(['| | |', '|---|---|'] + [f'| {f.name} | {f.cell(system)} |' for f in alone]) if alone else ''


def side_by_side(figures, systems):
    """Markdown: what several have, a column each."""
    lines = ['| | ' + ' | '.join(systems) + ' |', '|---' * (len(systems) + 1) + '|']
    lines += [f'| {f.name} | ' + ' | '.join(f.cell(system) if f.values.get(system) else '' for system in systems) + ' |' for f in figures]
    return '\n'.join(lines)


def write_csv(path, figures, host):
    """Every value, one a line, with what it was measured on."""
    with open(path, 'w', newline='', encoding='utf-8') as stream:
        writer = csv.writer(stream, lineterminator='\n')
        writer.writerow(['figure', 'unit', 'system', 'run', 'value', 'noise', 'host'])
        for figure in figures:
            for system, values in figure.values.items():
                for run, value in enumerate(values, 1):
                    writer.writerow([figure.name, figure.unit, system, run, f'{value:.6g}', figure.noise(system), host])


STYLE = ('text{font:13px sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}.dim{fill:#777}.host{fill:#777;font-size:10px}.paper{fill:#fff}'
         '.bar{fill:#4a88c8}.noisy{fill:#d9a441}.value{fill:#222;fill-opacity:.6}')
WIDTH, LEFT, PLOT, ROW = 900, 130, 400, 34


def chart(figure, host):
    """A bar for each system's median, a dot for each value."""
    top = max(max(values) for values in figure.values.values()) or 1
    height = 52 + ROW * len(figure.values) + 24

    def text(kind, x, y, words):
        return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
             f'<style>{STYLE}</style>', f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
             text('title', 12, 26, f'{figure.name.replace("`", "")} ({figure.unit})'.replace(' ()', ''))]
    for row, (system, values) in enumerate(figure.values.items()):
        y = 46 + ROW * row
        kind = 'noisy' if figure.noise(system) else 'bar'
        parts += [text('name', 12, y + 16, system),
                  f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{PLOT * figure.median(system) / top:.1f}" height="22"/>']
        parts += [f'<circle class="value" cx="{LEFT + PLOT * value / top:.1f}" cy="{y + 11}" r="3"/>' for value in values]
        parts += [text('dim', LEFT + PLOT + 12, y + 16, figure.cell(system))]
    return '\n'.join([*parts, text('host', 12, height - 10, host), '</svg>', ''])


def file_name(figure):
    return re.sub(r'[^a-z0-9]+', '-', figure.name.lower()).strip('-') + '.svg'


def write(folder, name, figures, markdown, host):
    """NAME.csv, NAME.md, and a chart of each figure below NAME/."""
    charts = folder / name
    charts.mkdir(parents=True, exist_ok=True)
    for path in charts.glob('*.svg'):
        path.unlink()
    figures = [figure for figure in figures if any(figure.values.values())]
    write_csv(folder / f'{name}.csv', figures, host)
    (folder / f'{name}.md').write_text(f'{markdown}\n\n{host}\n')
    for figure in figures:
        (charts / file_name(figure)).write_text(chart(figure, host))
