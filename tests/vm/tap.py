# SPDX-License-Identifier: Apache-2.0
"""A small harness that speaks TAP: the tests of a file run in the order in which they are written, as one story."""
import os
import re
import sys
import time
import traceback


# How much longer everything may take on a host that is slow or busy.
PATIENCE = float(os.environ.get('B2D_PATIENCE', '1'))


class Skip(Exception):
    """Raised by a test that cannot run here; its text must be in tests/skips-allowed."""


class Story:
    """Tests on one machine. When a test that the rest stands on has failed, the rest fails without being tried."""

    def __init__(self):
        self.tests = []

    def test(self, name, vital=False):
        """Decorator: `name` says what is checked; `vital` ends the story when it fails."""
        def add(function):
            self.tests.append((name, vital, function))
            return function
        return add

    def run(self, subject, tail=None):
        """Runs every test with `subject`; `tail()` gives what to print after a failure. Returns the exit status."""
        print(f'1..{len(self.tests)}', flush=True)
        failed, broken = 0, None
        for number, (name, vital, function) in enumerate(self.tests, 1):
            if broken:
                report(number, name, f'not tried, because this failed: {broken}')
                failed += 1
                continue
            start = time.monotonic()
            try:
                function(subject)
                note(f'{time.monotonic() - start:.1f} s')
                print(f'ok {number} - {name}', flush=True)
            except Skip as reason:
                print(f'ok {number} - {name} # SKIP {reason}', flush=True)
            except Exception as error:
                report(number, name, explain(error))
                if tail:
                    note('the end of the console:\n' + tail())
                failed += 1
                broken = name if vital else None
        return 1 if failed else 0


def explain(error):
    """What to print of a failed test: the line that failed and, for a surprise, the whole traceback."""
    if isinstance(error, AssertionError) and str(error):
        frames = traceback.extract_tb(error.__traceback__)
        place = frames[-1]
        return f'{place.filename.rsplit("/", 1)[-1]}:{place.lineno}: {error}'
    return ''.join(traceback.format_exception(error))


def note(text):
    """Prints a TAP comment; control characters of a console are made harmless."""
    for line in re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]', '', text).splitlines():
        print(f'# {line}', flush=True)


def report(number, name, why):
    print(f'not ok {number} - {name}', flush=True)
    note(why)


def equal(found, expected, what):
    """Asserts that two values are the same; the message shows both."""
    assert found == expected, f'{what}: expected {expected!r}, found {found!r}'


def contains(text, part, what):
    """Asserts that a text has a part; the message shows the end of the text."""
    assert part in text, f'{what}: {part!r} is not in …{text[-600:]!r}'


def within(seconds, what, attempt, pause=0.2):
    """Calls attempt() until it gives something true and returns that; fails after so many seconds (times PATIENCE)."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        result = attempt()
        if result:
            return result
        assert time.monotonic() < end, f'{what}: not within {seconds} s'
        time.sleep(pause)


def finish(status):
    sys.stdout.flush()
    sys.exit(status)
