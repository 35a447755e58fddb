#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The quick bench runs, and no size or count of the image is above its limit; times are never a reason to fail here."""
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tap import Story, finish

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = Path(os.environ.get('B2D_IMAGE') or Path(os.environ['B2D_BUILD']) / 'image')
story = Story()


@story.test('sizes and counts are within their limits', vital=True)
def limits(output):
    result = subprocess.run([ROOT / 'bench/quick.py', '--image', IMAGE, '--output', output, '--starts', '1', '--check'],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@story.test('each figure is in the table, has its values and a chart')
def files(output):
    with open(output / 'quick.csv', newline='', encoding='utf-8') as stream:
        names = {row['figure'] for row in csv.DictReader(stream) if float(row['value']) >= 0}
    assert len(names) > 15, names
    table = (output / 'quick.md').read_text()
    missing = [name for name in names if f'| {name} |' not in table]
    assert not missing, f'not in the table: {missing}'
    charts = list((output / 'quick').glob('*.svg'))
    assert len(charts) == len(names), f'{len(charts)} charts of {len(names)} figures'


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        finish(story.run(Path(folder)))
