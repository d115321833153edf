#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The preflight authors
# MIT License (see LICENSE-MIT) or Apache License 2.0 (see LICENSE-APACHE)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: responder
short_description: Answers for services that are not installed yet
version_added: 0.1.0
description:
  - Starts C(preflight respond) on the machine, which listens on the ports of the flows that come to it, so that the other machines can prove the way.
  - A port that a service already has is left alone. The responder ends by itself after O(seconds).
options:
  state:
    description: Whether it answers.
    type: str
    choices: [started, stopped]
    default: started
  folder:
    description: A folder of the caller's own on the machine, where it is written which process the responder is.
    type: path
    required: true
  binary:
    description: The program, as a path or as a name to be found in E(PATH).
    type: str
    default: preflight
  site_file:
    description: The site file on the machine.
    type: path
  machine:
    description: The name of this machine in O(site_file).
    type: str
  role:
    description: What the machine is about to be, without O(site_file).
    type: str
  arguments:
    description: More arguments of C(preflight respond).
    type: list
    elements: str
    default: []
  seconds:
    description: It ends by itself after so many seconds.
    type: int
    default: 900
notes:
  - Ports below 1024 need root. The responder gives up root's rights before its first answer.
attributes:
  check_mode:
    description: Answers in check mode, too, since nothing stays.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  platform:
    description: Linux with glibc 2.28 or later.
    platforms: linux
    support: full
seealso:
  - module: preflight.checks.preflight
author:
  - The preflight authors (@preflight)
"""

EXAMPLES = r"""
- name: Answer for the services of the site file
  preflight.checks.responder:
    folder: /run/preflight
    site_file: /run/preflight/site.toml
    machine: "{{ inventory_hostname }}"
    seconds: 300

- name: Answer no more
  preflight.checks.responder:
    state: stopped
    folder: /run/preflight
"""

RETURN = r"""
listens:
  description: The ports that are answered on, as the program lists them.
  returned: when it was started
  type: list
  elements: str
  sample: ["TCP 5669   bbdo for poller.bbdo"]
left_alone:
  description: The ports that somebody else has.
  returned: when it was started
  type: list
  elements: str
impossible:
  description: The ports that could not be listened on, with the reason.
  returned: when it was started
  type: list
  elements: str
asked:
  description: Who asked what, and how often.
  returned: when it was stopped
  type: list
  elements: str
"""

import json
import os
import select
import signal
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.preflight.checks.plugins.module_utils.program import (
    begin,
    said,
    unstartable,
)

# Seconds until it listens, and until it has ended.
PATIENCE = 30
# The line after which every port is known.
READY = "  ends after "
# Nothing to listen for is no mistake: every service is installed, or no flow comes to this machine.
NOTHING = "there is no port to listen on"


def born(pid):
    """When a process was started, in ticks; none if there is none. A number may be another process's later."""
    try:
        with open("/proc/{0}/stat".format(pid)) as file:
            # The name before it, in parentheses, may have spaces in it.
            fields = file.read().rpartition(")")[2].split()
    except (IOError, OSError):
        return None
    return None if fields[0] == "Z" else fields[19]


def told(text, word):
    rows = [line.strip() for line in text.splitlines() if line.startswith("  " + word)]
    return [row[len(word):].strip() for row in rows]


def start(module, note, log):
    params = module.params
    words = [params["binary"], "respond"]
    for flag, name in (("--site", "site_file"), ("--as", "machine"), ("--role", "role")):
        if params[name]:
            words += [flag, params[name]]
    words += ["--for", "{0}s".format(params["seconds"])] + params["arguments"]
    with open(log, "wb") as out:
        try:
            process = begin(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
                cwd="/",
            )
        except OSError as error:
            module.fail_json(msg=unstartable(words[0], error))
    with open(note, "w") as file:
        json.dump({"pid": process.pid, "born": born(process.pid)}, file)
    end = time.time() + PATIENCE
    while time.time() < end:
        text = read(log)
        if any(line.startswith(READY) for line in text.splitlines()):
            break
        if process.poll() is not None:
            os.unlink(note)
            if NOTHING in text and not told(text, "impossible"):
                return module.exit_json(changed=False, listens=[], left_alone=told(text, "left alone"), impossible=[])
            impossible = told(text, "impossible")
            if impossible:
                module.fail_json(msg="the responder can listen on no port: " + "; ".join(impossible))
            module.fail_json(msg="the responder: " + said(params["binary"], process.returncode, text))
        select.select([], [], [], 0.05)
    else:
        process.kill()
        os.unlink(note)
        module.fail_json(msg="the responder did not listen within {0} s".format(PATIENCE))
    module.exit_json(
        changed=False,
        listens=told(text, "listens"),
        left_alone=told(text, "left alone"),
        impossible=told(text, "impossible"),
    )


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(1024 * 1024).decode("utf-8", "replace")
    except (IOError, OSError):
        return ""


def stop(module, note, log):
    try:
        with open(note) as file:
            known = json.load(file)
    except (IOError, OSError, ValueError):
        module.exit_json(changed=False, asked=[])
    pid = known["pid"]
    for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, 5)):
        end = time.time() + patience
        # Only if it is still the process that was started.
        if known["born"] is None or born(pid) != known["born"]:
            break
        try:
            os.kill(pid, number)
        except OSError as error:
            module.fail_json(
                msg="the responder (process {0}) cannot be stopped: {1}; it ends by itself after its time".format(
                    pid, error.strerror
                )
            )
        while time.time() < end and born(pid) == known["born"]:
            select.select([], [], [], 0.05)
    text = read(log)
    for path in (note, log):
        try:
            os.unlink(path)
        except OSError:
            pass
    asked = [line.strip() for line in text.rpartition("\n\n")[2].splitlines() if "  from " in line]
    module.exit_json(changed=False, asked=asked[:100])


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "folder": {"type": "path", "required": True},
            "binary": {"type": "str", "default": "preflight"},
            "site_file": {"type": "path"},
            "machine": {"type": "str"},
            "role": {"type": "str"},
            "arguments": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "int", "default": 900},
        },
        required_by={"machine": ["site_file"]},
        supports_check_mode=True,
    )
    folder = module.params["folder"]
    if not os.path.isdir(folder):
        if module.params["state"] == "stopped":
            module.exit_json(changed=False, asked=[])
        module.fail_json(msg="there is no folder {0} on this host".format(folder))
    note, log = os.path.join(folder, "responder.json"), os.path.join(folder, "responder.log")
    if module.params["state"] == "started":
        start(module, note, log)
    stop(module, note, log)


if __name__ == "__main__":
    main()
