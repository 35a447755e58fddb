#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The figures that bench writes: what is noisy is called so, whatever form it is written in."""
import contextlib
import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / 'bench'), str(TOP / 'tests' / 'vm')]
from containers import FEWEST, RUN_D, Figures, expect, in_time, many
from figures import Figure, comparison, listing, side_by_side, write
from payload import parts_of, small_files
from tap import Story, contains, equal, finish

story = Story()
NAMES = {'debian': 'stock Debian', 'ours': 'Boot2Docker'}


@story.test('values that lie apart by more than a fifth of the median are noisy; of many values the middle half counts')
def spread(_):
    equal(Figure('f', 's', {'ours': [9, 10, 11]}).noise('ours'), '', 'just a fifth')
    equal(Figure('f', 's', {'ours': [9, 10, 11.5]}).noise('ours'), 'noisy: spread 25 %', 'more')
    equal(Figure('f', 's', {'ours': [10] * 18 + [5, 50]}).noise('ours'), '', 'two of twenty')
    equal(Figure('f', 's', {'ours': [8] * 6 + [12] * 6}).noise('ours'), 'noisy: spread 40 %', 'half of twelve')
    equal(Figure('f', 's', {'ours': [10]}, busy=True).noise('ours'), 'noisy: the host was busy', 'a busy host')
    equal(Figure('f', '', {'ours': [0, 0]}).noise('ours'), '', 'nothing')


@story.test('a ratio is never printed alone when one side of it is noisy')
def ratio(_):
    quiet = Figure('quiet', 's', {'debian': [60, 61], 'ours': [18, 18.5]})
    noisy = Figure('noisy', 's', {'debian': [60, 61], 'ours': [18, 28]})
    equal(quiet.ratio('ours', 'debian'), '0.30', 'quiet')
    equal(noisy.ratio('ours', 'debian'), '0.38, noisy', 'noisy')
    table = comparison([quiet, noisy, Figure('alone', 's', {'ours': [1]})], 'ours', 'debian', NAMES)
    contains(table, '| quiet | 60.50 s (60.00 to 61.00) | 18.25 s (18.00 to 18.50) | 0.30 |\n', 'table')
    contains(table, '| 23.00 s (18.00 to 28.00), noisy: spread 43 % | 0.38, noisy |', 'table')
    assert 'alone' not in table, 'a figure of one system is compared'
    contains(listing([quiet, Figure('alone', 's', {'ours': [1]})], 'ours', 'debian'), '| alone | 1.00 s |', 'listing')


@story.test('several are put side by side, a column each; what one of them has not stays empty, what is noisy is called so')
def columns(_):
    figures = [Figure('write', 'MB/s', {'9p': [100, 101], 'virtiofs': [50, 100]}, digits=0), Figure('read', 'MB/s', {'virtiofs': [7]}, digits=0)]
    equal(side_by_side(figures, ['9p', 'virtiofs']),
          '| | 9p | virtiofs |\n|---|---|---|\n| write | 100 MB/s (100 to 101) | 75 MB/s (50 to 100), noisy: spread 67 % |\n'
          '| read |  | 7 MB/s |', 'table')


@story.test('what the containers and shares are measured with: a program comes with its loader and libraries; the tree is clean for git')
def payload(folder):
    parts = parts_of('git')
    for path in (shutil.which('git'), '/lib64/ld-linux-x86-64.so.2'):
        assert path in parts, f'{path} is not in {parts}'
    assert any('/libc.so.6' in path for path in parts), parts
    assert all(Path(path).is_file() for path in parts), parts
    small_files(folder / 'shared' / 'tree', folders=3)
    equal(len(list((folder / 'shared' / 'tree').glob('d*/f*.c'))), 300, 'files')
    equal(subprocess.run(['git', '-C', folder / 'shared' / 'tree', 'status', '--porcelain'], capture_output=True, check=True).stdout, b'', 'git status')


@story.test('a measurement that fails is named in what is written and makes bench fail; the others\' figures are there')
def failure(folder):
    restored = []
    machine = SimpleNamespace(name='ours', pid=os.getpid(), restore=lambda: restored.append(True))
    found = Figures(SimpleNamespace(max_busy=1000, patience=0, output=folder / 'out'), [os.getpid()])

    def pulls(_host):
        expect(3, 4, 'layers')

    found.take(machine, lambda _host: {('run', 's'): [1]})
    found.take(machine, pulls)
    found.take(machine, lambda _host: {('run', 's'): [2], ('rate', 'MB/s'): [7]})
    equal(restored, [True], 'what puts the machine in order')
    with contextlib.redirect_stdout(io.StringIO()):
        equal(found.finish('f', 'a table'), 1, 'exit status')
    contains((folder / 'out' / 'f.md').read_text(), 'a table\n\nours: pulls failed: layers: 3 instead of 4\n', 'Markdown')
    equal([(figure.name, figure.values) for figure in found.list()], [('run', {'ours': [1, 2]}), ('rate', {'ours': [7]})], 'figures')
    contains((folder / 'out' / 'f.csv').read_text(), '\nrun,s,ours,2,2,', 'CSV')


@story.test('both machines are given as many containers as the slower one starts in time')
def in_time_(_):
    options = SimpleNamespace(containers=100, seconds=180)
    for slower, count in ((None, 100), (1, 100), (6, 30), (100, FEWEST)):
        found = Figures(options, [])
        if slower:
            found.add('ours', {RUN_D: [0.5]}, False)
            found.add('debian', {RUN_D: [slower, slower]}, False)
        equal(in_time(found, options), count, f'containers of {slower} s')


@story.test('what it takes to have some containers is told of each number that is asked for')
def counted(_):
    class Host:
        pid, started = os.getpid(), 0

        def seconds(self, *_):
            self.started += 1
            return self.started

        def docker(self, *_):
            return 'id\n' * self.started

        def memory(self):
            return 100 + self.started

    found = many(Host(), (2, 3))
    equal([found[f'one of {n} by `docker run -d --network none`', 's'] for n in (2, 3)], [[1, 2], [1, 2, 3]], 'each')
    equal([found[f'all {n} of them', 's'] for n in (2, 3)], [[3], [6]], 'all')
    equal([found[f'memory in use more with the {n}', 'MiB'] for n in (2, 3)], [[2], [3]], 'memory')


@story.test('each value is a line of the CSV, each figure an SVG, with the host in all of them; what was there before goes')
def written(folder):
    figures = [Figure('`a` & <b>', 'ms', {'debian': [1, 2], 'ours': [0.5]}), Figure('none', 's', {'ours': []})]
    (folder / 'f').mkdir()
    (folder / 'f' / 'old.svg').touch()
    write(folder, 'f', figures, 'a table', 'two processors')
    with (folder / 'f.csv').open(encoding='utf-8') as stream:
        rows = list(csv.DictReader(stream))
    equal([(row['system'], row['run'], row['value']) for row in rows], [('debian', '1', '1'), ('debian', '2', '2'), ('ours', '1', '0.5')], 'CSV')
    equal((rows[0]['noise'], rows[2]['noise'], rows[0]['host']), ('noisy: spread 67 %', '', 'two processors'), 'noise and host')
    equal((folder / 'f.md').read_text(), 'a table\n\ntwo processors\n', 'Markdown')
    equal([path.name for path in (folder / 'f').iterdir()], ['a-b.svg'], 'charts')
    root = ElementTree.parse(folder / 'f' / 'a-b.svg').getroot()
    texts = [element.text for element in root.findall('{*}text')]
    for text in ('a & <b> (ms)', 'debian', 'ours', '0.50 ms', 'two processors'):
        assert text in texts, f'{text} is not in {texts}'
    equal(len(root.findall('{*}circle')), 3, 'dots')
    assert root.findall('{*}rect')[1].get('class') == 'noisy', 'a noisy bar looks like any other'


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Path(temporary))
finish(status_)
