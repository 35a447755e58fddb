#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the store takes on the disk: `boot2docker system df` and `system prune`, with a fake QEMU."""
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from store import Store
from tap import Story, contains, equal, finish

story = Story()
UNITS = {'B': 1, 'kB': 1e3, 'MB': 1e6, 'GB': 1e9}
LONG_AGO = time.time() - 7200


def size(text):
    number, unit = re.fullmatch(r'([0-9.e+]+)([kMG]?B)', text).groups()
    return float(number) * UNITS[unit]


class Row:
    def __init__(self, total, active, taken, reclaimable):
        self.counts = int(total), int(active)
        self.size = size(taken)
        self.reclaimable = size(reclaimable.split(' ')[0])


def df(store):
    lines = store.out('system', 'df').splitlines()
    equal(lines[0].split(), ['TYPE', 'TOTAL', 'ACTIVE', 'SIZE', 'RECLAIMABLE'], 'header')
    rows = [re.split(r' {3,}', line) for line in lines[1:]]
    return {row[0]: Row(*row[1:]) for row in rows}


def taken(*paths):
    """Bytes on the disk, each file once, as du counts them."""
    return sum(int(line.split()[0]) for line in
               subprocess.run(['du', '-s', '--block-size=1', *paths], check=True, capture_output=True, text=True).stdout.splitlines())


def close(one, other, what):
    """The same but for what four digits cannot tell."""
    assert abs(one - other) <= 0.001 * max(one, other), f'{what}: {one} is not {other}'


def old(path, content=b'x' * 5000):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@story.test('a store that is not there takes nothing, and there is nothing to remove')
def nothing(store):
    for name, row in df(store).items():
        equal((row.counts, row.size), ((0, 0), 0), name)
    equal(store.out('system', 'prune'), 'Total reclaimed space: 0B\n', 'prune')
    assert not store.path.exists(), 'a store was made'


@story.test('a file that machines and cache share counts once, a sparse one by what is in it')
def shared(store):
    store.run('create', 'default')
    store.run('create', '--no-start', 'm2')
    with (store.machine('m2') / 'disk.qcow2').open('r+b') as disk:
        disk.truncate(5_000_000_000)
    rows = df(store)
    equal({name: row.counts for name, row in rows.items()},
          {'Machines': (2, 1), 'Saved states': (0, 0), 'Systems': (1, 1), 'Templates': (0, 0), 'Images': (1, 1), 'Leftovers': (0, 0)}, 'counts')
    cache = store.path / 'cache'
    close(rows['Machines'].size, taken(cache, *(store.path / 'machines').iterdir()) - taken(cache), 'machines')
    close(rows['Systems'].size, taken(*(cache / 'systems').glob('?' * 64)), 'systems')
    equal([row.reclaimable for row in rows.values()], [0] * 6, 'reclaimable')
    contains(store.out('system', 'df', '--verbose'), '   default, m2\n', 'who has the system')


@story.test('a saved machine is never removed')
def saved(store):
    store.run('save')
    row = df(store)['Saved states']
    equal((row.counts, row.reclaimable), ((1, 1), 0), 'df')
    equal(store.out('system', 'prune', '--all', '--force'), 'Total reclaimed space: 0B\n', 'prune')
    store.run('start')


@story.test('a system that no machine has is removed, when the answer is yes')
def systems(store):
    other = Path(tempfile.mkdtemp(dir=store.folder))
    (other / 'vmlinuz').write_bytes(b'other kernel' * 1000)
    (other / 'initrd.img').write_bytes(os.urandom(2_000_000))
    store.run('create', '--no-start', '--qemu-boot2docker-url', other, 'm3')
    store.run('rm', '-y', 'm3')
    row = df(store)['Systems']
    equal(row.counts, (2, 1), 'df')
    assert 2_000_000 < row.reclaimable < row.size, f'{row.reclaimable} of {row.size}'
    for answer in ('', 'n\n'):
        said = store.out('system', 'prune', stdin=answer)
        contains(said, 'WARNING! This will remove what no machine uses:\n  - Systems: ', 'the question')
        equal(df(store)['Systems'].counts, (2, 1), 'after no')
    said = store.out('system', 'prune', stdin='y\n')
    equal(size(re.search(r'Total reclaimed space: (\S+)\n', said).group(1)), row.reclaimable, 'what was freed')
    equal(df(store)['Systems'].counts, (1, 1), 'after yes')
    store.run('restart')


@story.test('a template is removed when its image is gone, and otherwise with --all')
def templates(store):
    folder = store.path / 'cache' / 'templates'
    system = next((store.path / 'cache' / 'systems').glob('?' * 64)).name[:32]
    good, stale = (folder / f'{digest}-{"1" * 32}' for digest in (system, '0' * 32))
    for template in (good, stale):
        template.mkdir(parents=True)
        (template / 'machine.state').write_bytes(os.urandom(1_000_000))
    equal(df(store)['Templates'].counts, (2, 0), 'df')
    contains(store.out('system', 'prune', '--force'), f'Deleted: {stale}\n', 'prune')
    equal([path.name for path in folder.iterdir()], [good.name], 'what is left')
    contains(store.out('system', 'prune', '--force', '--all'), f'Deleted: {good}\n', 'prune --all')


@story.test('leftovers are what killed commands left an hour ago: not what is new, somebody else\'s, or a machine that is damaged')
def leftovers(store):
    machine, cache = store.machine('default'), store.path / 'cache'
    gone = [old(machine / 'config.json.aB3xYz'), old(machine / 'machine.state.tmp'), old(machine / 'system.new' / 'vmlinuz').parent,
            old(store.path / 'certs' / 'ca.pem.000000'), old(cache / 'systems' / 'unfinished' / 'vmlinuz').parent,
            old(cache / 'downloads' / '0123.iso.part'), old(cache / 'downloads' / '0123.iso.part.tag')]
    kept = [old(machine / 'config.json.backup'), old(machine / 'mine.aB3xYz'), old(store.machine('damaged') / 'disk.qcow2')]
    (machine / 'config.json.Zz9999').write_text('new')
    kept += [machine / 'config.json.Zz9999', machine / 'config.json', machine / 'disk.qcow2']
    half, waiting = store.machine('half'), store.machine('waiting')
    half.mkdir()
    foreign = store.machine('foreign')  # its config.json is lost, its disk is not
    foreign.mkdir()
    (foreign / 'foreign.vmdk').write_bytes(b'data')
    os.utime(foreign, (LONG_AGO, LONG_AGO))
    store.run('create', '--no-start', 'waiting')
    (waiting / 'disk.qcow2').rename(store.folder / 'disk.qcow2')
    for folder in (half, waiting, *(path for path in gone if path.is_dir())):
        os.utime(folder, (LONG_AGO, LONG_AGO))
    rows = df(store)
    equal((rows['Leftovers'].counts, rows['Machines'].counts), ((8, 0), (4, 1)), 'df')
    equal(rows['Leftovers'].size, rows['Leftovers'].reclaimable, 'reclaimable')
    said = store.out('system', 'prune', '-f')
    for path in (*gone, half, waiting):
        assert not path.exists(), f'{path} stays'
    for path in (*kept, foreign / 'foreign.vmdk'):
        assert path.exists(), f'{path} is gone'
    equal(said.count('Deleted: '), 8, said)
    equal(df(store)['Leftovers'].counts, (0, 0), 'df after')
    shutil.rmtree(foreign)
    equal(store.out('status'), 'Running\n', 'status')


@story.test('an image that no machine has stays for the next one, unless all is to be removed')
def images(store):
    downloads = store.path / 'cache' / 'downloads'
    old(downloads / '0123456789abcdef.iso')
    old(downloads / '0123456789abcdef.iso.tag')
    equal(df(store)['Images'].counts, (2, 1), 'df')
    equal(store.out('system', 'prune', '-f'), 'Total reclaimed space: 0B\n', 'prune')
    store.run('system', 'prune', '-f', '--all')
    equal(list(downloads.iterdir()), [], 'downloads')
    assert (store.path / 'cache' / 'boot2docker.iso').exists(), 'the image of a machine is gone'
    store.run('rm', '-y', 'default', 'm2')
    store.run('rm', '-f', 'damaged')
    store.run('system', 'prune', '-f', '-a')
    for name, row in df(store).items():
        equal(row.counts, (0, 0), name)


@story.test('a word or a flag that does not belong there is refused')
def misuse(store):
    for words in ((), ('du',), ('df', 'x'), ('df', '--force'), ('df', '--all'), ('prune', '--verbose')):
        contains(store.error('system', *words), 'Error: Expected "docker-machine system df', 'words')


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Store(temporary))
finish(status_)
