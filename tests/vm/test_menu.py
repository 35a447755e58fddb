#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ISO's hidden boot menu, with a keyboard: a letter pressed while GRUB begins (UEFI), a word typed at isolinux' prompt (BIOS)."""
import threading

from machine import IMAGE
from qemu import CD, Qemu
from tap import Story, contains, finish

MEDIUM = ['-drive', f'file={IMAGE}/boot2docker.iso,format=raw,readonly=on,if=none,id=medium']
PROMPT = r'docker@boot2docker:~\$ '
SECONDS = 180
story = Story()


class Again:
    """Does something to the machine's keyboard again and again; `with` stops it. Nobody can tell when the loader looks."""

    def __init__(self, act, *arguments):
        self.act, self.arguments, self.over = act, arguments, threading.Event()
        self.thread = threading.Thread(target=self._press)

    def _press(self):
        while not self.over.wait(0.05):
            self.act(*self.arguments)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def press(qemu, key):
    """Presses a key, and lets it go."""
    qemu.qmp('send-key', keys=[{'type': 'qcode', 'data': key}])


def hold(qemu, key, down):
    """Holds a key down, or lets it go."""
    qemu.qmp('input-send-event', events=[{'type': 'key', 'data': {'down': down, 'key': {'type': 'qcode', 'data': key}}}])


def by_uefi(letter, pattern):
    """Starts an entry by its letter, and waits for what it says; returns the machine, which the caller ends."""
    qemu = Qemu()
    qemu.start(*CD, *qemu.uefi(), *MEDIUM)
    with Again(press, qemu, letter):
        qemu.wait_console(pattern, SECONDS)
    assert b'Unknown command' not in qemu.log, f'GRUB has not all that its menu needs: {qemu.tail()}'
    return qemu


def by_bios(word, pattern):
    """The same with the entry's name, at the prompt that the right Shift opens."""
    qemu = Qemu()
    qemu.start(*CD, *MEDIUM)
    # A key that was held since before the firmware looks at the keyboard is not seen: it is told of anew, as by a repeat.
    with Again(hold, qemu, 'shift_r', True):
        qemu.wait_console('boot: ', SECONDS)
    hold(qemu, 'shift_r', False)
    for key in (*word, 'ret'):
        press(qemu, key)
    qemu.wait_console(pattern, SECONDS)
    return qemu


def command_line(qemu):
    qemu.wait_console(PROMPT, SECONDS)
    return qemu.type('cat /proc/cmdline')[1]


def has_entries(start, names):
    """The four entries that are not the first, each with what it is for; `names` is what is pressed or typed for each."""
    serial, ram, install, rescue = names
    with start(serial, r'^\[ .*\] Linux version|\] Command line') as qemu:
        contains(command_line(qemu), 'loglevel=7', 'serial')
    with start(ram, PROMPT) as qemu:
        contains(command_line(qemu), 'boot2docker.nodisk', 'ram')
    with start(install, PROMPT) as qemu:
        contains(command_line(qemu), 'boot2docker.install', 'install')
    # Its shell is on the screen; the serial line has what PID 1 tells the kernel's log.
    with start(rescue, r'boot2docker\.rescue was given'):
        pass


@story.test('UEFI: s, m, i and r start the serial, ram, install and rescue entries')
def uefi(_):
    has_entries(by_uefi, 'smir')


@story.test('BIOS: the right Shift opens a prompt, which takes the entries by their names')
def bios(_):
    has_entries(by_bios, ('serial', 'ram', 'install', 'rescue'))


if __name__ == '__main__':
    finish(story.run(None))
