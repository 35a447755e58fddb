# SPDX-License-Identifier: Apache-2.0
"""A terminal (tmux) into which a test types; transcripts and instructions in doc/ that it tries."""
import re
import subprocess
import time
from pathlib import Path

from tap import PATIENCE

PROMPT = '$ '
DOC = Path(__file__).resolve().parents[2] / 'doc'


class Terminal:
    """bash in tmux, with a prompt of its own; `with` ends it."""

    def __init__(self, folder, environment):
        self.tmux = ['tmux', '-S', str(folder / 'tmux.sock'), '-f', '/dev/null']
        self.environment = {**environment, 'PS1': PROMPT, 'TERM': 'screen', 'HISTFILE': '/dev/null'}
        self.prompts = 1

    def __enter__(self):
        self.call('new-session', '-d', '-x', '150', '-y', '50', 'bash', '--norc', '--noprofile')
        self.wait(10)
        return self

    def __exit__(self, *_):
        self.call('kill-server')

    def call(self, *words):
        return subprocess.run([*self.tmux, *words], env=self.environment, check=True, capture_output=True, text=True).stdout

    def lines(self):
        """All that was on the screen since the beginning."""
        return [line.rstrip() for line in self.call('capture-pane', '-p', '-J', '-S', '-').rstrip().split('\n')]

    def wait(self, seconds):
        """Until as many prompts stand there as lines were typed, and one more."""
        end = time.monotonic() + seconds * PATIENCE
        while True:
            lines = self.lines()
            if sum(line.startswith(PROMPT.rstrip()) for line in lines) >= self.prompts and lines[-1] == PROMPT.rstrip():
                return lines
            assert time.monotonic() < end, f'no prompt within {seconds} s: {lines[-8:]}'
            time.sleep(0.2)

    def type(self, line, seconds=60):
        """Types a line and returns what it printed."""
        before = len(self.lines())
        self.prompts += 1
        self.call('send-keys', '-l', line)
        self.call('send-keys', 'Enter')
        return self.wait(seconds)[before:-1]


def transcript(name):
    """The commands of a document's console block, each with the lines that are expected of it."""
    block = re.search(r'^```console\n(.*?)^```$', (DOC / name).read_text(), re.MULTILINE | re.DOTALL).group(1)
    commands = []
    for line in block.splitlines():
        if line.startswith(PROMPT):
            commands.append((line[len(PROMPT):], []))
        else:
            commands[-1][1].append(line)
    return commands


def answer(name, heading):
    """The indented lines below a heading of a document: what it tells people to type."""
    section = (DOC / name).read_text().partition(f'\n{heading}\n')[2].partition('\n## ')[0]
    lines = re.findall(r'^ {4}(.*)$', section, re.MULTILINE)
    assert lines, f'{name} has nothing to type below {heading!r}'
    return '\n'.join(lines) + '\n'


def matches(lines, expected):
    """Do the lines match, where … stands for any text, and alone on a line for any lines?"""
    if not expected:
        return not lines
    if expected[0] == '…':
        return any(matches(lines[skip:], expected[1:]) for skip in range(len(lines) + 1))
    pattern = '.*'.join(re.escape(part) for part in expected[0].rstrip().split('…'))
    return bool(lines) and re.fullmatch(pattern, lines[0]) is not None and matches(lines[1:], expected[1:])
